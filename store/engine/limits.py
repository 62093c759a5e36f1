"""How long the database may keep a caller waiting, whichever database it is."""

LOCK_TIMEOUT_SECONDS = 2.0
"""How long another program's lock, on the SQLite file or on a PostgreSQL row, is waited for before it is an error."""
POOL_TIMEOUT_SECONDS = 5.0
"""How long a free connection is waited for."""
