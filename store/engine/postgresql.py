"""Opens a PostgreSQL database: a pool of readers, a pool of writers, and one migration at a time."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL

from core.database_url import OURS, session_settings
from store.engine.faults import discard_broken
from store.engine.limits import LOCK_TIMEOUT_SECONDS, POOL_TIMEOUT_SECONDS
from store.engine.neighbours import announce_neighbours, refuse_transaction_pooling
from store.engine.readers import PooledReaders, Readers
from store.engine.vault import OPTION, Vault
from store.engine.writers import OnCommit, PooledWriters, Prepare, Writers

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncEngine

CONNECTIONS = 8
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
    """Open two pools on the database at `url` and prepare it; `stack` closes them.

    A process that `serves` is counted among the neighbours. Raises CannotStart, SQLAlchemyError, OSError, and what
    `prepare` raises.
    """
    connect = connector(url)
    await refuse_transaction_pooling(connect)
    # READ ONLY goes with each transaction: as a setting of the session, a connection that has to be read-write for
    # `target_session_attrs` would not be, and a pooler would drop it.
    writers = await engine(stack, url, connect, execution_options={OPTION: vault})
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
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        await connection.run_sync(prepare)
    if serves:
        await announce_neighbours(connect, stack)
    reading, writing = PooledReaders(readers), PooledWriters(writers, committed)
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
        "default_transaction_read_only": "off",
        **dict(session_settings(url.query)),
    }
    seconds = float(str(url.query.get("connect_timeout", 0))) or CONNECT_SECONDS

    async def connect() -> "asyncpg.Connection[Any]":
        import asyncpg

        try:
            connection = await asyncpg.connect(dsn, timeout=seconds)
        except asyncpg.InternalClientError as error:
            # Of several hosts none is the primary at the moment, or the server went away while it was asked.
            raise ConnectionError(str(error)) from error
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


async def engine(stack: AsyncExitStack, url: URL, connect: Connect, **options: Any) -> "AsyncEngine":
    """A pool of connections that `connect` opens; `stack` closes them."""
    from sqlalchemy.ext.asyncio import create_async_engine

    made = create_async_engine(
        url.set(query={}),
        async_creator=connect,
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_pre_ping=True,
        **options,
    )
    event.listen(made.sync_engine, "handle_error", discard_broken)
    stack.push_async_callback(made.dispose)
    return made
