"""Erasure: soon after a deletion, nothing of what was deleted stands readable in SQLite's files."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from database import Database
from store.conversations import storage
from store.search import erasure

log = structlog.get_logger()

IDLE_SECONDS = 5.0
SHARE = 0.1
"""Of the writer's time."""
RETRY_SECONDS = 1.0
"""Between attempts to empty the write-ahead log while a reader needs it."""


@dataclass
class Erasure:
    """Erases deleted words from the search index and the write-ahead log. Only for SQLite."""

    database: Database
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Look for deletions every few seconds until cancelled."""
        while True:
            try:
                await self.round()
            except (SQLAlchemyError, OSError) as error:
                log.warning("erasure_failed", exc_info=error)
            await self.sleep(IDLE_SECONDS)

    async def round(self) -> None:
        """Erase what has been deleted so far, unless there is nothing or writes fail."""
        if self.database.write_failed or not await self.database.read(erasure.is_needed):
            return
        step = erasure.begin
        while await self._timed(step):
            step = erasure.go_on
        # The log holds copies of pages as they were. A reader that needs them delays this, and nothing else.
        while not await self.database.read(storage.empty_log):
            await self.sleep(RETRY_SECONDS)
        await self.database.write(erasure.end)

    async def _timed(self, step: Callable[..., bool]) -> bool:
        started = time.perf_counter()
        has_more = await self.database.write(step)
        await self.sleep((time.perf_counter() - started) * (1 / SHARE - 1))
        return has_more
