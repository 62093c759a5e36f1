"""What the process knows of its queue, counted once a second: a million rows take 23 ms to count."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from database import Database
from metrics import Metrics
from store import queue
from times import SECOND, Clock

log = structlog.get_logger()
EVERY_SECONDS = 1.0
RATE_OVER = 30
"""Counts over which the present rate is measured: half a minute."""


@dataclass
class Monitor:
    """The queue's depth, its oldest conversation, and how fast conversations end."""

    database: Database
    metrics: Metrics
    clock: Clock
    depth: int = 0
    database_ok: bool = True
    ended: int = 0
    """Conversations that ended in this process."""
    _oldest: int | None = None
    _history: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=RATE_OVER))

    def count_ended(self, number: int) -> None:
        """So many more conversations have ended."""
        self.ended += number

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest conversation that has not ended; 0 where all have."""
        return 0.0 if self._oldest is None else max(0, self.clock() - self._oldest) / SECOND

    @property
    def drain_seconds(self) -> float | None:
        """How long the queue lasts at the rate of the last half minute; None where nothing moves."""
        if not self.depth:
            return 0.0
        if len(self._history) < 2:
            return None
        (since, before), (until, after) = self._history[0], self._history[-1]
        return self.depth * (until - since) / SECOND / (after - before) if after > before else None

    async def run(self) -> None:
        """Count once a second until cancelled."""
        while True:
            await self.count()
            await asyncio.sleep(EVERY_SECONDS)

    async def count(self) -> None:
        """Count now; a database that does not answer is noted, not raised."""
        try:
            self.depth, self._oldest = await self.database.read(queue.depth)
            self.database_ok = True
        except (SQLAlchemyError, OSError) as error:
            if self.database_ok:
                log.error("database_unavailable", exc_info=error)
            self.database_ok = False
        self._history.append((self.clock(), self.ended))
        self.metrics.queue_depth.set(self.depth)
        self.metrics.oldest_queued_age.set(self.oldest_seconds)
