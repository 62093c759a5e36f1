"""Who else serves a PostgreSQL database: looked for at start, and said in a line."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import structlog

log = structlog.get_logger()

Connect = Callable[[], Awaitable[Any]]
PRESENCE_LOCK = 7_201_712
"""The advisory lock that each process shares for as long as it lives."""
NEIGHBOURS = "the inbound limits and the metrics are each process's own"
LASTS = "SET LOCAL idle_in_transaction_session_timeout = 0"
"""For a transaction that has nothing to do but to hold a lock."""


async def announce_neighbours(connect: Connect, stack: AsyncExitStack, *, is_pooled: bool) -> None:
    """Log one line if other processes serve this database; share a lock with them until `stack` is closed.

    Behind a pooler the lock is a transaction's, which keeps one of the pooler's connections; a session's would be held
    by whoever has the session next.
    """
    connection = await connect()
    stack.push_async_callback(_close, connection)
    if is_pooled:
        await connection.transaction().start()
        await connection.execute(LASTS)
    scope = "xact_" if is_pooled else ""
    await connection.execute(f"SELECT pg_advisory_{scope}lock_shared({PRESENCE_LOCK})")
    others = await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND pid <> pg_backend_pid()"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        PRESENCE_LOCK,
    )
    if others:
        log.warning("not_alone", other_processes=others, meaning=NEIGHBOURS)


async def _close(connection: Any) -> None:
    with suppress(Exception):
        await connection.close(timeout=1)
