"""Reads the sums of the newest days into memory after a start, so that no request has to wait for all of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from database import Database
from store.insights.topic_days import TopicDays, newest_days

log = structlog.get_logger()

SHARE = 0.25
"""Of the time until all are read; the rest is for requests."""


@dataclass
class Warming:
    """Reads days that `topic_days` keeps."""

    database: Database
    topic_days: TopicDays
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Read each day, the newest first, and then do nothing until cancelled."""
        try:
            for day in await self._days():
                started = time.perf_counter()
                await self.database.read_in_background(partial(self.topic_days.keep, day=day))
                await self.sleep((time.perf_counter() - started) * (1 / SHARE - 1))
        except (SQLAlchemyError, OSError) as error:
            log.warning("warming_failed", exc_info=error, meaning="the first answers about topics are slower")
        await asyncio.Event().wait()

    async def _days(self) -> Sequence[int]:
        return await self.database.read_in_background(partial(newest_days, most=self.topic_days.most))
