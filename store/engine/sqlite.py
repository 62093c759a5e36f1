"""Opens an SQLite database: one process, one writer, a few readers in threads."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

# Here, although it brings the ORM, 9 MB: when it was imported at its first use, a writer that was building a statement
# found it half imported, and a post was a 500.
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from store.engine.limits import LOCK_TIMEOUT_SECONDS, POOL_TIMEOUT_SECONDS
from store.engine.lock import FileLock, create_private, sole_holder
from store.engine.readers import OnDemandReaders, Readers, ThreadReaders
from store.engine.vault import OPTION, Vault
from store.engine.writers import OnCommit, Prepare, SingleWriter, Writers

READERS = 4
BACKGROUND_READERS = 2
PREPARED = 512
"""Prepared statements that a connection caches: we have about a hundred, and some INSERTs in several sizes."""
PRAGMAS = (f"busy_timeout={LOCK_TIMEOUT_SECONDS * 1000:.0f}", "foreign_keys=ON")
# auto_vacuum takes effect only before the first table exists; the WAL is truncated to 64 MB after a long read.
WRITER_PRAGMAS = (
    *PRAGMAS,
    "auto_vacuum=INCREMENTAL",
    "journal_mode=WAL",
    "synchronous=FULL",
    "journal_size_limit=67108864",
    # Overwrites what is deleted with zeros; some builds of SQLite do so by default.
    "secure_delete=ON",
)
READER_PRAGMAS = (*PRAGMAS, "query_only=ON")


async def opened(
    url: URL, committed: OnCommit, stack: AsyncExitStack, vault: Vault, prepare: Prepare
) -> tuple[Readers, Writers, Readers]:
    """Open readers, the single writer and background readers of a file and prepare it; `stack` closes them.

    Raises AlreadyInUse, SQLAlchemyError, OSError, and what `prepare` raises.
    """
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    stack.enter_context(FileLock(path))
    # Before SQLite creates the file, because its journal files inherit the mode.
    create_private(path)
    stack.enter_context(sole_holder(path))
    return await connected(url, committed, stack, vault, prepare)


async def connected(
    url: URL, committed: OnCommit, stack: AsyncExitStack, vault: Vault, prepare: Prepare
) -> tuple[Readers, Writers, Readers]:
    """The same for a program that runs beside the service whose file it is; its transactions must be short.

    Raises SQLAlchemyError, and what `prepare` raises.
    """
    writer = _sqlite(url, vault, connections=1)
    on_connect(writer, "BEGIN IMMEDIATE", WRITER_PRAGMAS)
    single_writer = SingleWriter(writer, committed)
    stack.callback(single_writer.close)
    readers = _sqlite(url, vault, connections=READERS)
    on_connect(readers, "BEGIN", READER_PRAGMAS)
    threads = ThreadReaders(readers, READERS, POOL_TIMEOUT_SECONDS)
    stack.callback(threads.close)
    await stack.enter_async_context(_running(single_writer.run()))
    stack.callback(single_writer.abandon)
    await single_writer.write(prepare, urgent=False)
    background = OnDemandReaders(lambda: _background(url, vault))
    stack.push_async_callback(background.close)
    return threads, single_writer, background


def _sqlite(url: URL, vault: Vault, connections: int) -> Engine:
    return create_engine(
        url.set(drivername="sqlite"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        connect_args={"cached_statements": PREPARED},
        execution_options={OPTION: vault},
    )


def _background(url: URL, vault: Vault) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=BACKGROUND_READERS,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        execution_options={OPTION: vault},
    )
    on_connect(engine.sync_engine, "BEGIN", READER_PRAGMAS)
    return engine


def on_connect(engine: Engine, begin: str, pragmas: Sequence[str]) -> None:
    """Prepare each new connection of an engine, and begin its transactions with the statement `begin`."""

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver must not begin transactions itself: they begin with the statement `begin`.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        # Not by the driver itself, which takes half the time: its errors would not be SQLAlchemy's.
        connection.exec_driver_sql(begin)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
