"""Time-outs that apply to both databases, and those of PostgreSQL's sessions."""

LOCK_TIMEOUT_SECONDS = 2.0
"""How long to wait for another program's lock, on the SQLite file or a PostgreSQL row, before it is an error."""
IDLE_TRANSACTION_SECONDS = 3.0
"""How long a session of PostgreSQL may do nothing inside a transaction before the server ends it, and frees its locks.

A process that was frozen inside one stopped all others for as long as it lasted: 0 of 2,700 conversations completed
in 12 s, 10 of 12 posts refused. Ours never pause in one, because they do nothing there but SQL.

It is longer than the wait for a lock. Other sessions of the frozen process may stand in the queue for the same lock,
and have to give up before it is freed: with a wait of 4 s they got it one after the other, each for 3 s, and nothing
was completed in those 12 s either.
"""
UNREAD_SECONDS = 10.0
"""How long the client's end of a connection to PostgreSQL may take in nothing of what was sent to it.

A frozen process may leave half an answer unread. Its session then is not idle, and only this ends it.
"""
BEGIN_SECONDS = 5.0
"""How long PostgreSQL may take to begin a transaction, which costs it nothing, before the connection is given up.

A cable that was cut tells nothing for a quarter of an hour. A PgBouncer that has lost its server lets clients wait for
120 s, unless its `query_wait_timeout` says otherwise: a post had no answer after 90 s.
"""
POOL_TIMEOUT_SECONDS = 5.0
"""How long to wait for a free connection."""
