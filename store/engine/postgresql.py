"""Opens a PostgreSQL database: a pool of readers, a pool of writers, and one migration at a time."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.engine import URL

from core.database_url import OURS, session_settings
from store.engine.limits import (
    IDLE_TRANSACTION_SECONDS,
    LOCK_TIMEOUT_SECONDS,
    POOL_TIMEOUT_SECONDS,
    UNREAD_SECONDS,
)
from store.engine.neighbours import announce_neighbours, refuse_transaction_pooling
from store.engine.readers import PooledReaders, Readers
from store.engine.vault import OPTION, Vault
from store.engine.writers import OnCommit, PooledWriters, Prepare, Writers

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncEngine

CONNECTIONS = 8
"""Readers, and as many writers: those of posts and the others together."""
FOR_POSTS = 3
"""Writers that nothing but posts may take: one for each group commit, and one for bulks.

While every other writer waits for a lock, or for a commit, posts go on.
"""
CONNECT_SECONDS = 60.0
"""How long a connection may take to open, unless the URL's `connect_timeout` says otherwise."""
MIGRATION_LOCK = 7_201_711  # an arbitrary number that all processes share
Connect = Callable[[], Awaitable[Any]]


async def opened(
    url: URL,
    committed: OnCommit,
    stack: AsyncExitStack,
    vault: Vault,
    prepare: Prepare,
    *,
    serves: bool = True,
) -> tuple[Readers, Writers, Readers]:
    """Open three pools on the database at `url` and prepare it; `stack` closes them.

    A process that `serves` is counted among the neighbours. Raises CannotStart, SQLAlchemyError, OSError, and what
    `prepare` raises.
    """
    connect = connector(url)
    await refuse_transaction_pooling(connect)
    # READ ONLY goes with each transaction: as a setting of the session, a connection that has to be read-write for
    # `target_session_attrs` would not be, and a pooler would drop it.
    writers = await engine(stack, url, connect, CONNECTIONS - FOR_POSTS, execution_options={OPTION: vault})
    posts = await engine(stack, url, connect, FOR_POSTS, execution_options={OPTION: vault})
    readers = await engine(
        stack,
        url,
        connect,
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True, OPTION: vault},
    )
    async with writers.begin() as connection:
        # Wait without a time-out, because another process may be migrating.
        await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        await connection.run_sync(prepare)
    if serves:
        await announce_neighbours(connect, stack)
    reading, writing = PooledReaders(readers), PooledWriters(writers, posts, committed)
    stack.callback(writing.abandon)
    return reading, writing, reading


def connector(url: URL) -> Connect:
    """Opens connections that have our settings. They are SET: a pooler drops most that come with the start-up."""
    query = {name: value for name, value in url.query.items() if name not in OURS}
    dsn = url.set(drivername="postgresql", query=query).render_as_string(hide_password=False)
    settings = {
        "application_name": "insights-platform",
        # All our statements are short, so JIT compilation costs more than it saves.
        "jit": "off",
        "lock_timeout": f"{LOCK_TIMEOUT_SECONDS * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{IDLE_TRANSACTION_SECONDS * 1000:.0f}",
        "tcp_user_timeout": f"{UNREAD_SECONDS * 1000:.0f}",
        "default_transaction_read_only": "off",
        **dict(session_settings(url.query)),
    }
    seconds = float(str(url.query.get("connect_timeout", 0))) or CONNECT_SECONDS

    async def connect() -> "asyncpg.Connection[Any]":
        import asyncpg

        connection = await asyncpg.connect(dsn, timeout=seconds)
        try:
            await _set(connection, settings)
        except BaseException:
            connection.terminate()
            raise
        return connection

    return connect


async def _set(connection: Any, settings: Mapping[str, str]) -> None:
    await connection.execute(
        "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS given (name, value)",
        list(settings),
        list(settings.values()),
    )


async def engine(
    stack: AsyncExitStack, url: URL, connect: Connect, connections: int = CONNECTIONS, **options: Any
) -> "AsyncEngine":
    """A pool of up to so many connections, which `connect` opens; `stack` closes them."""
    from sqlalchemy.ext.asyncio import create_async_engine

    made = create_async_engine(
        url.set(query={}),
        async_creator=connect,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_pre_ping=True,
        **options,
    )
    stack.push_async_callback(made.dispose)
    return made
