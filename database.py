"""The door to the store: the database as the process sees it, and `python -m database backup FILE | restore FILE`.

Everything runs as `fn(connection)` in one transaction that `store/engine` opens and ends; what `fn` does is SQL
alone and the same for both databases.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from store.engine import postgresql, sqlite
from store.engine.readers import Readers
from store.engine.writers import OnCommit, Result, Transaction, Writers


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
async def opened(url: URL, committed: OnCommit = lambda _: None) -> AsyncIterator[Database]:
    """The database at `url`, migrated to the newest schema. `committed` is told each commit's seconds.

    Raises AlreadyInUse where another process serves the same SQLite file, UnknownSchema where a newer version
    made it, SQLAlchemyError and OSError where the database cannot be opened.
    """
    engine = sqlite if url.drivername.startswith("sqlite") else postgresql
    async with AsyncExitStack() as stack:
        yield Database(*await engine.opened(url, committed, stack))


if __name__ == "__main__":
    from store.engine import backup

    raise SystemExit(backup.main(sys.argv[1:]))
