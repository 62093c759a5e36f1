"""Retention: deletes conversations without a message for RETENTION_DAYS in small steps, so that intake never waits."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from core.clock import SECOND, Clock
from database import Database
from services import deletion
from store.conversations import storage
from store.conversations.storage import Expired

log = structlog.get_logger()

STEP = 50
"""Conversations per transaction: 50 take 34 ms, 100 take 51, 25 take 22; removed one by one, 50 took 480."""
FEW = 5
"""Messages of a conversation that may share a transaction with others."""
IDLE_SECONDS = 60.0
SHARE = 0.1
"""Of the writer's time."""
DAY = 86_400 * SECOND


@dataclass
class Retention:
    """Keeps conversations for `days` after their last message arrived, and those that have not ended for longer.

    `deleted` is called with the id of each one that was deleted, `swept` with the time (UTC seconds) at which all that
    were too old had gone.
    """

    database: Database
    days: float
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    deleted: Callable[[str], None] = lambda _: None
    swept: Callable[[float], None] = lambda _: None

    async def run(self) -> None:
        """Sweep once a minute until cancelled."""
        while True:
            deleted = await self.sweep()
            self.swept(self.clock() / SECOND)
            if deleted:
                log.info("retention", deleted=deleted)
            await self.sleep(IDLE_SECONDS)

    async def sweep(self) -> int:
        """Delete all conversations that are too old now; gives their number."""
        before = self.clock() - round(self.days * DAY)
        after, deleted = 0, 0
        while True:
            started = time.perf_counter()
            found = await self.database.read(partial(storage.expired, before=before, after=after, limit=STEP))
            deleted += await self._delete(found, before)
            if not found:
                return deleted
            after = found[-1].number
            await self.sleep((time.perf_counter() - started) * (1 / SHARE - 1))

    async def _delete(self, found: Sequence[Expired], before: int) -> int:
        short = [row.id for row in found if row.may_go and row.messages <= FEW]
        deleted = await deletion.remove_expired(self.database, short, before) if short else []
        for row in found:
            if row.may_go and row.messages > FEW:
                deleted += await deletion.remove_long_expired(self.database, row.id, before)
        for id_ in deleted:
            self.deleted(id_)
        return len(deleted)
