"""Receivers of events, and the outbox of what is to be delivered to them."""
