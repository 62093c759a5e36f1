"""What tells receivers of events, and what receives those of help desks."""
