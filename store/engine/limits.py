"""Time-outs that apply to both databases."""

LOCK_TIMEOUT_SECONDS = 2.0
"""How long to wait for another program's lock, on the SQLite file or a PostgreSQL row, before it is an error."""
POOL_TIMEOUT_SECONDS = 5.0
"""How long to wait for a free connection."""
