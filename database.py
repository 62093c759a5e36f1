"""The database as the process sees it, and the commands `python -m database backup FILE | restore FILE | encrypt |
rotate-key | partition`.

Everything runs as `fn(connection)` in one transaction that `store/engine` opens and ends. `fn` does nothing but
SQL and works on both databases.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.crypto import KeyRing
from core.errors import AlreadyInUse
from store.engine import postgresql, sqlite
from store.engine.migration import check, migrate
from store.engine.open_transactions import OpenTransactions
from store.engine.readers import Readers
from store.engine.replica import Replica
from store.engine.unlocking import unlock
from store.engine.vault import Vault
from store.engine.writers import OnCommit, Result, Transaction, Writers

LOCK_NOT_AVAILABLE = "55P03"
START_SECONDS = 15.0


@dataclass
class Database:
    """Runs functions in transactions. `read` sees one snapshot; a `write` is durable when it returns."""

    readers: Readers
    writers: Writers
    background: Readers
    """Readers for long jobs, so that requests need not wait for them."""
    turns: OpenTransactions | None = None
    """Where processes take turns; None where a database has one process."""
    write_failed: bool = False
    """Set when a write fails. The capacity monitor resets it."""
    replica: Replica | None = None
    """A standby, for what analysts read."""

    async def read(self, fn: Transaction[Result]) -> Result:
        """Run `fn` on one consistent snapshot. Raises SQLAlchemyError."""
        return await self.readers.read(fn)

    async def read_in_background(self, fn: Transaction[Result]) -> Result:
        """Run `fn` like `read`, for long jobs such as an export. Raises SQLAlchemyError."""
        return await self.background.read(fn)

    async def read_replica(self, fn: Transaction[Result], *, is_long: bool = False) -> Result:
        """Run `fn` like `read` on a standby that shows all that the primary does, if there is one.

        Otherwise on the primary, in the background if it `is_long`. Raises SQLAlchemyError.
        """
        if self.replica is not None:
            return await self.replica.read(fn)
        return await (self.read_in_background if is_long else self.read)(fn)

    async def write(self, fn: Transaction[Result], *, urgent: bool = False) -> Result:
        """Run `fn` and commit, or roll back if it raises. Intake is `urgent`. Raises SQLAlchemyError."""
        try:
            return await self.writers.write(fn, urgent=urgent)
        except (SQLAlchemyError, OSError):
            self.write_failed = True
            raise

    async def write_at_start(self, fn: Transaction[Result]) -> Result:
        """Run `fn` like `write`, and again for some seconds while a lock is held or its session is ended.

        A process that is frozen holds its locks until the server ends its session, and must not keep others from
        starting. On a machine that is too busy, ours is ended in the same way. Raises SQLAlchemyError.
        """
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return await self.write(fn)
            except DBAPIError as error:
                is_locked = getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE
                if time.monotonic() > deadline or not (is_locked or error.connection_invalidated):
                    raise


@asynccontextmanager
async def opened(
    url: URL,
    committed: OnCommit = lambda _: None,
    ring: KeyRing | None = None,
    *,
    while_plain: bool = False,
    replica: URL | None = None,
) -> AsyncIterator[Database]:
    """Open the database at `url`, migrate it, and unlock what is encrypted in it with the keys of `ring`.

    `replica` is the address of a PostgreSQL standby, for what analysts read.

    `committed` is called with the seconds each commit took. With `while_plain`, plain values may be left to turn over.
    Raises AlreadyInUse if another process serves the same SQLite file, UnknownSchema if a newer version created
    the schema, WrongKeys if the keys do not fit, and SQLAlchemyError or OSError if the database cannot be opened.
    """
    engine = sqlite if url.drivername.startswith("sqlite") else postgresql
    vault = Vault(ring)

    def prepare(connection: Connection) -> None:
        migrate(connection)
        unlock(connection, vault, while_plain=while_plain)

    async with AsyncExitStack() as stack:
        opened_here = Database(*await engine.opened(url, committed, stack, vault, prepare))
        if replica is not None:
            opened_here.replica = await postgresql.replica(replica, opened_here.readers, stack, vault)
        yield opened_here


@asynccontextmanager
async def opened_beside(url: URL) -> AsyncIterator[Database]:
    """Open the database for a program that may run beside the service. Raises what `opened` does.

    Without a service it is opened as the service would open it, so that the first run creates and migrates it.
    What is encrypted in it stays closed.
    """
    locked = Vault()
    async with AsyncExitStack() as stack:
        if not url.drivername.startswith("sqlite"):
            yield Database(*await postgresql.opened(url, _unseen, stack, locked, migrate, serves=False))
            return
        try:
            parts = await sqlite.opened(url, _unseen, stack, locked, migrate)
        except AlreadyInUse:
            parts = await sqlite.connected(url, _unseen, stack, locked, check)
        yield Database(*parts)


def _unseen(_: float) -> None:
    """Nobody asks how long commits take."""


if __name__ == "__main__":
    from store.engine import backup, partitioning, sealing

    of_verb = {"encrypt": sealing.main, "rotate-key": sealing.main, "partition": partitioning.main}
    verb = sys.argv[1] if len(sys.argv) == 2 else ""
    raise SystemExit(of_verb.get(verb, backup.main)(sys.argv[1:]))
