"""`python -m tests.fake_grok`: a Grok on loopback, until it is told to stop."""

from tests.fake_grok.server import main

main()
