"""How `encrypt` and `rotate-key` get at a database beside a service that may be running on it."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from core.errors import AlreadyInUse, SealingRefused
from store.engine import postgresql
from store.engine.conversion import KEYS
from store.engine.lock import FileLock, sole_holder
from store.engine.migration import migrate
from store.engine.neighbours import LASTS, PRESENCE_LOCK
from store.engine.sqlite import WRITER_PRAGMAS, on_connect
from store.engine.vault import OPTION, Vault
from store.engine.writers import is_locked

Result = TypeVar("Result")
Begin = Callable[[Connection, bool], None]
"""Called with whether a service runs, in the first transaction."""
PATIENCE = 30.0
"""Seconds that this program waits for the service's lock; the service waits 2 s for that of one of these steps."""
AGAIN_AFTER = 0.002
"""Seconds between two attempts. SQLite itself would wait up to 0.1 s, in which a busy service commits ten times."""
CHECKPOINT_SECONDS = 30.0
"""How long to wait for readers, so that the write-ahead log can be emptied."""


class DatabaseAccess(ABC):
    """A database that may be served."""

    _engine: AsyncEngine

    @abstractmethod
    async def begin(self, fn: Begin) -> bool:
        """Run `fn` in a transaction while no process can start to serve. Returns whether one serves already.

        A database that nobody serves is migrated first. Raises what `fn` raises, and SQLAlchemyError.
        """

    @abstractmethod
    def connected(self) -> AbstractAsyncContextManager[None]:
        """Keep a connection open inside the block."""

    @abstractmethod
    async def clean(self) -> str:
        """Remove what was overwritten from the files; return what was done or is left to do, in a sentence."""

    async def write(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn` in a transaction. Raises SQLAlchemyError."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(fn)


class SqliteAccess(DatabaseAccess):
    """A file, which a service may have locked; steps are written between its transactions."""

    def __init__(self, url: URL, vault: Vault) -> None:
        self._url, self._vault = url, vault
        self._file = Path(url.database or "")
        if not self._file.exists():
            raise SealingRefused(f"there is no database at {self._file}")

    async def begin(self, fn: Begin) -> bool:
        """Run `fn` under the lock of a service, or beside one. Raises what `fn` raises."""
        try:
            with FileLock(self._file), sole_holder(self._file):
                async with self.connected():
                    await self.write(partial(_migrated, fn))
            return False
        except AlreadyInUse:
            async with self.connected():
                await self.write(lambda connection: fn(connection, True))
            return True

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keep a connection open inside the block."""
        self._engine = create_async_engine(self._url, pool_size=1, execution_options={OPTION: self._vault})
        on_connect(self._engine.sync_engine, "BEGIN IMMEDIATE", (*WRITER_PRAGMAS, "busy_timeout=0"))
        try:
            yield
        finally:
            await self._engine.dispose()

    async def write(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn` in a transaction once the service holds no lock. Raises SQLAlchemyError."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return await super().write(fn)
            except DBAPIError as error:
                if not is_locked(error) or time.monotonic() > end:
                    raise
            await asyncio.sleep(AGAIN_AFTER)

    async def clean(self) -> str:
        """Rewrite the file if nobody serves it, and empty its write-ahead log."""
        started = time.monotonic()
        try:
            with FileLock(self._file), sole_holder(self._file):
                await self._run("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
            return f"The file was rewritten (VACUUM) in {time.monotonic() - started:.0f} s."
        except AlreadyInUse:
            await self._empty_log()
            return "To rewrite the file as well, stop the service and run `python -m database encrypt` again."

    async def _run(self, *statements: str) -> list[tuple[object, ...]]:
        async with aiosqlite.connect(self._file, isolation_level=None) as connection:
            found: list[tuple[object, ...]] = []
            for statement in ("PRAGMA busy_timeout=1000", *statements):
                found = [tuple(row) for row in await connection.execute_fetchall(statement)]
            return found

    async def _empty_log(self) -> None:
        end = time.monotonic() + CHECKPOINT_SECONDS
        while time.monotonic() < end:
            [(is_busy, _, _)] = await self._run("PRAGMA wal_checkpoint(TRUNCATE)")
            if not is_busy:
                return
            await asyncio.sleep(0.2)
        raise SealingRefused("a reader keeps the write-ahead log from being emptied; run it again")


def _migrated(fn: Begin, connection: Connection) -> None:
    migrate(connection)
    fn(connection, False)


class PostgresqlAccess(DatabaseAccess):
    """A PostgreSQL database; processes that serve it share an advisory lock."""

    def __init__(self, url: URL, vault: Vault) -> None:
        self._url, self._vault = url, vault

    async def begin(self, fn: Begin) -> bool:
        """Run `fn` while no process can start. Raises what `fn` raises."""

        def run(connection: Connection) -> bool:
            one_at_a_time = text("SELECT pg_advisory_xact_lock(:lock)")
            connection.execute(one_at_a_time, {"lock": postgresql.MIGRATION_LOCK})
            alone = text("SELECT pg_try_advisory_xact_lock(:lock)")
            is_served = not connection.scalar(alone, {"lock": PRESENCE_LOCK})
            if not is_served:
                migrate(connection)
            fn(connection, is_served)
            return is_served

        async with self.connected():
            return await self.write(run)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keep connections open inside the block."""
        async with AsyncExitStack() as stack:
            options = {OPTION: self._vault}
            route = await postgresql.route_to(self._url)
            self._engine = await postgresql.engine(stack, route, execution_options=options)
            yield

    async def clean(self) -> str:
        """Rewrite the tables if nobody serves them; otherwise only mark what was overwritten as free."""
        started = time.monotonic()
        async with self._connection() as holder, holder.transaction(), self._connection() as connection:
            # Of a transaction: behind a pooler a session's lock would outlive this program.
            await holder.execute(LASTS)
            alone = await holder.fetchval("SELECT pg_try_advisory_xact_lock($1)", PRESENCE_LOCK)
            how = "VACUUM FULL" if alone else "VACUUM"
            for table in (*(each.name for each in KEYS), "search"):
                await connection.execute(f"{how} {table}")
        done = f"The tables were rewritten ({how}) in {time.monotonic() - started:.0f} s."
        later = "To rewrite the tables as well, stop the service and run `python -m database encrypt` again."
        return done if alone else later

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """One that works behind any pooler."""
        connection = await postgresql.connector(self._url, is_pooled=True)()
        try:
            yield connection
        finally:
            await connection.close()


def access_to(url: URL, vault: Vault) -> DatabaseAccess:
    """The way into the database at `url`. Raises SealingRefused if there is no such file."""
    return (SqliteAccess if url.drivername.startswith("sqlite") else PostgresqlAccess)(url, vault)
