"""A load test: what is sent, how it is sent and timed, and what is printed at its end."""
