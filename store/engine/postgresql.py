"""Opens a PostgreSQL database: a pool of readers, a pool of writers, and one migration at a time."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from core.database_url import driver_address, session_settings
from store.engine.faults import discard_broken
from store.engine.limits import (
    IDLE_TRANSACTION_SECONDS,
    LOCK_TIMEOUT_SECONDS,
    POOL_TIMEOUT_SECONDS,
    UNREAD_SECONDS,
)
from store.engine.neighbours import announce_neighbours
from store.engine.open_transactions import OpenTransactions
from store.engine.readers import PooledReaders, Readers
from store.engine.replica import Replica
from store.engine.vault import OPTION, Vault
from store.engine.writers import OnCommit, PooledWriters, Prepare, Writers

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger()

CONNECTIONS = 8
"""Readers, and as many writers: those of posts and the others together."""
FOR_POSTS = 3
"""Writers that nothing but posts may take: one for each group commit, and one for bulks.

While every other writer waits for a lock, or for a commit, posts go on.
"""
TURNS = 2
"""Connections on which calls to each provider wait for their turn. They are opened when the first call leaves."""
STATEMENTS = 100
"""Prepared statements that a connection keeps."""
CONNECT_SECONDS = 60.0
"""How long a connection may take to open, unless the URL's `connect_timeout` says otherwise."""
MIGRATION_LOCK = 7_201_711  # an arbitrary number that all processes share
Connect = Callable[[], Awaitable[Any]]
POOLED = "settings go with each transaction and no statement stays prepared, as transaction mode needs it"


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a server."""

    url: URL
    connect: Connect
    is_pooled: bool
    """Whether a pooler may give each transaction another session."""


async def opened(
    url: URL,
    committed: OnCommit,
    stack: AsyncExitStack,
    vault: Vault,
    prepare: Prepare,
    *,
    serves: bool = True,
) -> tuple[Readers, Writers, Readers, OpenTransactions]:
    """Open three pools on the database at `url` and prepare it; `stack` closes them.

    A process that `serves` is counted among the neighbours. Raises CannotStart, SQLAlchemyError, OSError, and what
    `prepare` raises.
    """
    route = await route_to(url)
    # READ ONLY goes with each transaction: as a setting of the session, a connection that has to be read-write for
    # `target_session_attrs` would not be, and a pooler would drop it.
    writers = await engine(stack, route, CONNECTIONS - FOR_POSTS, execution_options={OPTION: vault})
    posts = await engine(stack, route, FOR_POSTS, execution_options={OPTION: vault})
    readers = await reader_engine(stack, route, vault)
    async with writers.begin() as connection:
        # Wait without a time-out, because another process may be migrating.
        await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        await connection.run_sync(prepare)
    if serves:
        await announce_neighbours(route.connect, stack, is_pooled=route.is_pooled)
    reading, writing = PooledReaders(readers), PooledWriters(writers, posts, committed)
    stack.callback(writing.abandon)
    turns = await engine(stack, route, TURNS, pool_pre_ping=False, execution_options={OPTION: vault})
    return reading, writing, reading, OpenTransactions(turns)


async def replica(url: URL, primary: Readers, stack: AsyncExitStack, vault: Vault) -> Replica:
    """The readers of a standby at `url`. Raises CannotStart if it is not a standby of the primary."""
    import asyncpg

    # Whichever way there is to one that is away, this one works.
    route = Route(url, connector(url, is_pooled=True), is_pooled=True)
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        route = await route_to(url)
    made = Replica(primary, await reader_engine(stack, route, vault), route.is_pooled)
    # One that is away now may come later; reads go to the primary meanwhile.
    with suppress(OSError, SQLAlchemyError):
        await made.check()
    return made


async def reader_engine(stack: AsyncExitStack, route: Route, vault: Vault) -> "AsyncEngine":
    """A pool of connections whose transactions see one snapshot and change nothing."""
    options = {"postgresql_readonly": True, OPTION: vault}
    return await engine(stack, route, isolation_level="REPEATABLE READ", execution_options=options)


async def route_to(url: URL) -> Route:
    """Find out whether a pooler stands before the server; say so in one line. Raises what connecting raises.

    Which mode a pooler works in cannot be told for certain: with many idle sessions, transactions of one connection
    happen to run in the same one, and names of prepared statements collide only once several processes run. So behind
    any pooler everything is done as its transaction mode needs it.
    """
    pooled = connector(url, is_pooled=True)
    connection = await pooled()
    try:
        async with connection.transaction():
            # A pooler makes up the number that a client is given to cancel with.
            is_pooled = await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid()
    finally:
        connection.terminate()
    if is_pooled:
        log.info("pooler", meaning=POOLED)
    return Route(url, pooled if is_pooled else connector(url), is_pooled)


def connector(url: URL, *, is_pooled: bool = False) -> Connect:
    """Opens connections that have our settings."""
    dsn = driver_address(url)
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

        try:
            return await (_scoped if is_pooled else _direct)(dsn, seconds, settings)
        except asyncpg.InternalClientError as error:
            # Of several hosts none is the primary at the moment, or the server went away while it was asked.
            raise ConnectionError(str(error)) from error

    return connect


async def _scoped(dsn: str, seconds: float, settings: Mapping[str, str]) -> "asyncpg.Connection[Any]":
    from store.engine.transaction_scoped import open_scoped

    return await open_scoped(dsn, seconds, settings)


async def _direct(dsn: str, seconds: float, settings: Mapping[str, str]) -> "asyncpg.Connection[Any]":
    """Its settings are SET: a pooler in session mode refuses most that come with the start-up."""
    import asyncpg

    from store.engine.answering import Answering

    connection = await asyncpg.connect(dsn, timeout=seconds, connection_class=Answering)
    try:
        await _set(connection, settings)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _set(connection: Any, settings: Mapping[str, str]) -> None:
    await connection.execute(
        "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS given (name, value)",
        list(settings),
        list(settings.values()),
    )


async def engine(
    stack: AsyncExitStack, route: Route, connections: int = CONNECTIONS, **options: Any
) -> "AsyncEngine":
    """A pool of up to so many connections that go that way; `stack` closes them."""
    from sqlalchemy.ext.asyncio import create_async_engine

    made = create_async_engine(
        route.url.set(query={}),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        **{"pool_pre_ping": True, **options},
    )
    kept = 0 if route.is_pooled else STATEMENTS

    def connected(dialect: Any, *_: object) -> Any:
        return dialect.loaded_dbapi.connect(
            async_creator_fn=route.connect, prepared_statement_cache_size=kept
        )

    # `async_creator` would leave no way to say how many statements are kept.
    event.listen(made.sync_engine, "do_connect", connected)
    event.listen(made.sync_engine, "handle_error", discard_broken)
    stack.push_async_callback(made.dispose)
    return made
