"""Files older insights by the keys of METADATA_KEYS, and removes those filed by keys that it names no longer.

Files the summaries of an earlier version by their outcome, too.

Insights that are stored from then on are filed as they are stored.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from database import Database
from store.insights import case_filing, metadata

log = structlog.get_logger()

STEP, FEW = 200, 50
"""Insights, and summaries, per transaction: 5 to 10 ms."""
SHARE = 0.25
"""Of the time while there is work; the rest is for requests."""
PAUSE_AFTER_FAULT = 1.0


@dataclass
class Filing:
    """Brings what is filed into line with the keys that are declared."""

    database: Database
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """File until cancelled; once all is filed, sleep."""
        while True:
            started = time.perf_counter()
            try:
                busy = await self.step()
            except (SQLAlchemyError, OSError) as error:
                log.warning("filing_failed", exc_info=error)
                await self.sleep(PAUSE_AFTER_FAULT)
                continue
            if not busy:
                break
            await self.sleep((time.perf_counter() - started) * (1 / SHARE - 1))
        await asyncio.Event().wait()

    async def step(self) -> bool:
        """File or remove some insights; return whether there was anything to do."""
        for step in (metadata.file_older, metadata.unfile):
            if await self.database.write(partial(step, limit=STEP)):
                return True
        return await self.database.write(partial(case_filing.file_older_summaries, limit=FEW))
