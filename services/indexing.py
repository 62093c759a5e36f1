"""Adds conversations to the full-text index shortly after intake.

Intake only marks them: tokenising and indexing would raise its cost by a third.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import structlog
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from database import Database
from store.search import index
from store.search.index import IndexEntry, entry

log = structlog.get_logger()

STEP = 100
"""Messages per transaction."""
MAX_CHARACTERS = 100_000
"""Per transaction, unless the first message alone is longer: tokenising a megabyte takes a tenth of a second."""
SHARE = 0.1
"""Of the time while there is work; the rest is for requests."""
IDLE_SECONDS = 0.5
BACKLOG = 100
"""Conversations to index at start from which it is a rebuild and worth a line in the log; a stop leaves fewer."""


@dataclass
class Indexing:
    """Indexes messages that are not in the full-text index yet."""

    database: Database
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _rebuilding: bool | None = None
    """None until the backlog has been counted."""

    async def run(self) -> None:
        """Index until cancelled."""
        while True:
            started = time.perf_counter()
            busy = await self._try_step()
            taken = time.perf_counter() - started
            await self.sleep(taken * (1 / SHARE - 1) if busy else IDLE_SECONDS)

    async def _try_step(self) -> bool:
        try:
            if self._rebuilding is None:
                await self._begin()
            busy = await self.step()
        except (SQLAlchemyError, OSError) as error:
            log.warning("indexing_failed", exc_info=error)
            return False
        if self._rebuilding and not busy:
            self._rebuilding = False
            log.info("search_index_rebuilt", meaning="searches find everything again")
        return busy

    async def _begin(self) -> None:
        backlog = await self.database.read(index.count_unindexed)
        self._rebuilding = backlog > BACKLOG
        if self._rebuilding:
            meaning = "searches find the newest first, and older ones as they are added"
            log.info("search_index_rebuilding", conversations=backlog, meaning=meaning)

    async def step(self) -> bool:
        """Index some messages; gives whether there were any."""
        rows = await self.database.read(partial(index.list_unindexed, limit=STEP))
        if rows:
            # In a thread, because tokenising a long text would block the event loop.
            entries = await asyncio.to_thread(_entries, rows)
            await self.database.write(partial(index.index_unindexed, entries=entries))
        return bool(rows)


def _entries(rows: Sequence[Row[Any]]) -> list[IndexEntry]:
    totals = accumulate(len(row.text) for row in rows)
    fitting = [row for row, total in zip(rows, totals, strict=True) if total <= MAX_CHARACTERS] or rows[:1]
    return [entry(row.conversation, row.position, row.text, row.author) for row in fitting]
