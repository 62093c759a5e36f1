"""What stands between the process and PostgreSQL, and who else is there: looked for at start, and said in a line."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import structlog

from core.errors import CannotStart

log = structlog.get_logger()

Connect = Callable[[], Awaitable[Any]]
PRESENCE_LOCK = 7_201_712
"""The advisory lock that each process shares for as long as it lives."""
TRIES = 3
PATIENCE = 5.0
"""Seconds that a session may take to answer: with a pool of one connection it waits for itself."""
POOLED = (
    "DATABASE_URL: a pooler in transaction mode stands before PostgreSQL, which this version does not support;"
    " use its session mode or connect to PostgreSQL itself"
)
LOST = frozenset({"26000", "42P05"})
"""SQLSTATE of a prepared statement that another session has, or that another client has made."""
NEIGHBOURS = "the inbound limits and the metrics are each process's own"


class PooledByTransaction(CannotStart):
    """A pooler gives each transaction another session: settings, prepared statements and locks would be lost."""


async def refuse_transaction_pooling(connect: Connect) -> None:
    """Raises PooledByTransaction where two transactions of one connection may run in different sessions."""
    try:
        await _probe(connect)
    except Exception as error:
        # PgBouncer before 1.21 knows no prepared statements across sessions.
        if getattr(error, "sqlstate", None) in LOST:
            raise PooledByTransaction(POOLED) from None
        raise


async def _probe(connect: Connect) -> None:
    first = await connect()
    try:
        # A pooler makes up the number that a client is given to cancel with.
        if await _own(first, "SELECT pg_backend_pid()") != first.get_server_pid():
            for _ in range(TRIES):
                await _refuse_if_shared(first, connect)
    finally:
        first.terminate()


async def _refuse_if_shared(first: Any, connect: Connect) -> None:
    mark = secrets.token_hex(8)
    await _own(first, f"SELECT set_config('insights.mark', '{mark}', false)")
    second = await connect()
    try:
        # While the second holds a session in a transaction, only a real session of its own is left to the first.
        async with second.transaction():
            seen = "SELECT current_setting('insights.mark', true)"
            elsewhere = await second.fetchval(seen)
            try:
                async with asyncio.timeout(PATIENCE):
                    here = await _own(first, seen)
            except TimeoutError:
                here = None
        if elsewhere == mark or here != mark:
            raise PooledByTransaction(POOLED)
    finally:
        second.terminate()


async def _own(connection: Any, statement: str) -> Any:
    """Run one statement in a transaction of its own: it runs in one session, whatever pools them."""
    async with connection.transaction():
        return await connection.fetchval(statement)


async def announce_neighbours(connect: Connect, stack: AsyncExitStack) -> None:
    """Log one line if other processes serve this database; share a lock with them until `stack` is closed."""
    connection = await connect()
    stack.push_async_callback(_close, connection)
    await connection.execute("SELECT pg_advisory_lock_shared($1)", PRESENCE_LOCK)
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
