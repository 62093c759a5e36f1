"""Deletes what is older than RETENTION_DAYS: in small steps, so that intake never waits for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from core.clock import SECOND, Clock
from database import Database
from services import deletion
from store.conversations import records, storage

log = structlog.get_logger()

STEP = 50
"""Conversations a transaction: 34 ms, where 100 take 51 and 25 take 22; removed one by one, 50 took 480."""
FEW = 5
"""Messages of a conversation that shares a transaction with others."""
IDLE_SECONDS = 60.0
SHARE = 0.1
"""Of the writer's time."""
DAY = 86_400 * SECOND


@dataclass
class Retention:
    """Keeps conversations for so many days from their intake; what has not ended is spared."""

    database: Database
    days: float
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Delete what is too old, again and again, until cancelled."""
        while True:
            deleted = await self.sweep()
            if deleted:
                log.info("retention", deleted=deleted)
            await self.sleep(IDLE_SECONDS)

    async def sweep(self) -> int:
        """Delete all that is too old now; gives how many conversations."""
        before = self.clock() - round(self.days * DAY)
        after, deleted = 0, 0
        while True:
            started = time.perf_counter()
            expired = partial(storage.expired, before=before, after=after, limit=STEP)
            found = await self.database.read_in_background(expired)
            short = [each.id for each in found if each.has_ended and each.messages <= FEW]
            deleted += (
                await self.database.write(partial(records.delete_conversations, ids=short)) if short else 0
            )
            for each in found:
                if each.has_ended and each.messages > FEW:
                    deleted += await deletion.remove(self.database, each.id)
            if not found:
                return deleted
            after = found[-1].number
            await self.sleep((time.perf_counter() - started) * (1 / SHARE - 1))
