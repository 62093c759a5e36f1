"""The database as the process sees it: one writer and many readers on SQLite, pools on PostgreSQL.

Everything runs as `fn(connection)` in one transaction that this file opens and ends; what `fn` does is SQL
alone and the same for both databases.
"""

import asyncio
import fcntl
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from readers import Connections, Readers, Threads
from writers import Committed, OneWriter, Pool, Result, Transaction, Writers

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger()

# How long another program's lock, on the SQLite file or on a PostgreSQL row or table, is waited for before it
# is an error.
LOCK_TIMEOUT_SECONDS = 2.0
POOL_TIMEOUT_SECONDS = 5.0
SQLITE_READERS = 4
PREPARED = 512
"""Statements that a connection to SQLite keeps: we have some hundred, and a few sizes of those that insert."""
POSTGRES_CONNECTIONS = 8
PRAGMAS = (f"busy_timeout={LOCK_TIMEOUT_SECONDS * 1000:.0f}", "foreign_keys=ON")
# auto_vacuum counts only before the first table; the WAL is cut back to 64 MB after a long reader.
WRITER_PRAGMAS = (
    *PRAGMAS,
    "auto_vacuum=INCREMENTAL",
    "journal_mode=WAL",
    "synchronous=FULL",
    "journal_size_limit=67108864",
)
READER_PRAGMAS = (*PRAGMAS, "query_only=ON")
NEWEST = "0008"
"""The revision of the last file in `migrations/versions`."""
MIGRATION_LOCK = 7_201_711  # any number will do, as long as every process takes the same


class AlreadyInUse(Exception):
    """Another process serves this SQLite file."""


class UnknownSchema(Exception):
    """A newer version of this program made the database."""


@dataclass
class Database:
    """Runs functions in transactions. `read` sees one snapshot; `write` is durable when it returns."""

    readers: Readers
    writers: Writers
    write_failed: bool = False
    """Whether a write has failed since whoever looks after it took this back."""

    async def read(self, fn: Transaction[Result]) -> Result:
        """Run `fn` on one consistent snapshot. Raises SQLAlchemyError."""
        return await self.readers.read(fn)

    async def write(self, fn: Transaction[Result], *, urgent: bool = False) -> Result:
        """Run `fn` and commit, or roll back where it raises. Posts are `urgent`. Raises SQLAlchemyError."""
        try:
            return await self.writers.write(fn, urgent=urgent)
        except (SQLAlchemyError, OSError):
            self.write_failed = True
            raise


@asynccontextmanager
async def opened(url: URL, committed: Committed = lambda _: None) -> AsyncIterator[Database]:
    """The database at `url`, migrated to the newest schema. `committed` is told each commit's seconds.

    Raises AlreadyInUse where another process serves the same SQLite file, UnknownSchema where a newer version
    made it, SQLAlchemyError and OSError where the database cannot be opened.
    """
    async with AsyncExitStack() as stack:
        if url.drivername.startswith("sqlite"):
            database = await _open_sqlite(url, committed, stack)
        else:
            database = await _open_postgresql(url, committed, stack)
        yield database


async def _open_sqlite(url: URL, committed: Committed, stack: AsyncExitStack) -> Database:
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    stack.enter_context(_only_process(path))
    writer = _sqlite(url, connections=1)
    _on_connect(writer, "BEGIN IMMEDIATE", WRITER_PRAGMAS)
    one = OneWriter(writer, committed)
    stack.callback(one.close)
    readers = _sqlite(url, connections=SQLITE_READERS)
    _on_connect(readers, "BEGIN", READER_PRAGMAS)
    threads = Threads(readers, SQLITE_READERS, POOL_TIMEOUT_SECONDS)
    stack.callback(threads.close)
    await stack.enter_async_context(_running(one.run()))
    stack.callback(one.abandon)
    await one.write(migrate, urgent=False)
    return Database(threads, one)


def _sqlite(url: URL, connections: int) -> Engine:
    return create_engine(
        url.set(drivername="sqlite"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        connect_args={"cached_statements": PREPARED},
    )


async def _open_postgresql(url: URL, committed: Committed, stack: AsyncExitStack) -> Database:
    writers = await _engine(stack, url, **_postgresql(default_transaction_read_only="off"))
    readers = await _engine(
        stack, url, isolation_level="REPEATABLE READ", **_postgresql(default_transaction_read_only="on")
    )
    async with writers.begin() as connection:
        # Another process may be migrating for as long as it takes.
        await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        await connection.run_sync(migrate)
    return Database(Connections(readers), Pool(writers, committed))


def _postgresql(**server_settings: str) -> dict[str, Any]:
    # Every statement here is short: compiling one to machine code (jit) costs more than it saves.
    named = {
        "application_name": "insights-platform",
        "jit": "off",
        "lock_timeout": f"{LOCK_TIMEOUT_SECONDS * 1000:.0f}",
        **server_settings,
    }
    return {
        "pool_size": POSTGRES_CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
        "pool_pre_ping": True,
        "connect_args": {"server_settings": named},
    }


def migrate(connection: Connection) -> None:
    """Bring the schema to the newest revision, inside the connection's transaction. Raises UnknownSchema."""
    found = _revision(connection)
    if found == NEWEST:
        return
    # Only now: most starts find nothing to do, and alembic takes 9 MB and a tenth of the time to start.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    if found is not None:
        log.info("migrating", found=found, newest=NEWEST, meaning="requests are answered when it is done")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise UnknownSchema(f"a newer version of this program made the database: {error}") from None


def _revision(connection: Connection) -> str | None:
    """The schema's, None where there is none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


async def _engine(stack: AsyncExitStack, url: URL, **options: Any) -> "AsyncEngine":
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, **options)
    stack.push_async_callback(engine.dispose)
    return engine


def _on_connect(engine: Engine, begin: str, pragmas: Sequence[str]) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver must not open transactions of its own: ours begin as `begin` says.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class _only_process:
    """Holds a lock beside the SQLite file for as long as the process lives, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise AlreadyInUse(f"another process serves {self._path.with_suffix('')}") from None

    def __exit__(self, *_: object) -> None:
        self._file.close()


if __name__ == "__main__":
    import backup

    raise SystemExit(backup.main(sys.argv[1:]))
