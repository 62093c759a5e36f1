"""What the process knows of its queue and its storage, looked at once a second.

Counting a million queued rows takes 23 ms, so nobody else counts.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from brake import Brake
from database import Database
from metrics import Metrics
from store import queue, storage, switches
from times import SECOND, Clock

log = structlog.get_logger()
EVERY_SECONDS = 1.0
RATE_OVER = 30
"""Looks over which the present rate is measured: half a minute."""
GIGABYTE = 10**9


@dataclass(frozen=True, slots=True)
class _Look:
    depth: int
    oldest: int | None
    paused: bool
    used: int


@dataclass
class Monitor:
    """The queue's depth, its oldest conversation, how fast conversations end, and how much room is left.

    `max_bytes` is of used pages and the WAL, whose bytes `wal` tells.
    """

    database: Database
    metrics: Metrics
    brake: Brake
    clock: Clock
    max_bytes: float
    wal: Callable[[], int] = lambda: 0
    depth: int = 0
    used_bytes: int = 0
    database_ok: bool = True
    ended: int = 0
    """Conversations that ended in this process."""
    _oldest: int | None = None
    _history: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=RATE_OVER))

    def count_ended(self, number: int) -> None:
        """So many more conversations have ended."""
        self.ended += number

    @property
    def storage_full(self) -> bool:
        """Whether intake has to stop; analysis, deletion and retention go on into the reserve."""
        return self.used_bytes >= self.max_bytes

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
        """Look once a second until cancelled."""
        while True:
            await self.count()
            await asyncio.sleep(EVERY_SECONDS)

    async def count(self) -> None:
        """Look now; a database that does not answer is noted, not raised."""
        try:
            seen = await self.database.read(_look)
            self.depth, self._oldest, self.brake.paused = seen.depth, seen.oldest, seen.paused
            self.used_bytes = seen.used + self.wal()
            self.database_ok = True
        except (SQLAlchemyError, OSError) as error:
            if self.database_ok:
                log.error("database_unavailable", exc_info=error)
            self.database_ok = False
        self._history.append((self.clock(), self.ended))
        self.metrics.queue_depth.set(self.depth)
        self.metrics.oldest_queued_age.set(self.oldest_seconds)


def _look(connection: Connection) -> _Look:
    paused = switches.is_on(connection, switches.ANALYSIS_PAUSED)
    return _Look(*queue.depth(connection), paused, storage.used_bytes(connection))
