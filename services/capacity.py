"""What the process knows of its queue and its storage, looked at once a second.

Counting a million queued rows takes 23 ms, so nobody else counts.
"""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND, Clock
from core.errors import NotWritable
from core.metrics import Metrics
from database import Database
from llm.hold import Hold
from store.conversations import storage
from store.engine.disk import Disk
from store.engine.faults import Fault, database_fault
from store.queue import summaries, switches
from store.queue.depth import depth

log = structlog.get_logger()
EVERY_SECONDS = 1.0
RATE_OVER = 30
"""Looks over which the present rate is measured: half a minute."""
GIGABYTE = 10**9
COME_AGAIN_SECONDS = {Fault.STORAGE_FULL: 30, Fault.UNAVAILABLE: 5}
REFUSALS = {
    Fault.STORAGE_FULL: "storage is full: intake stands still",
    Fault.UNAVAILABLE: "the database takes no writes",
}


@dataclass(frozen=True, slots=True)
class _Look:
    depth: int
    oldest: int | None
    summaries: int
    paused: bool
    used: int
    reusable: int


@dataclass
class Capacity:
    """The queue's depth, its oldest conversation, how fast conversations end, and whether more can be stored.

    `max_bytes` is of used pages and the WAL.
    """

    database: Database
    metrics: Metrics
    hold: Hold
    clock: Clock
    max_bytes: float
    disk: Disk = field(default_factory=Disk)
    depth: int = 0
    summaries: int = 0
    """Summaries that are being written or wait for it."""
    used_bytes: int = 0
    reusable_bytes: int = 0
    database_ok: bool = True
    _refused: Fault | None = None
    """Why the last trial write failed."""
    ended: int = 0
    """Conversations that ended in this process."""
    _oldest: int | None = None
    _history: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=RATE_OVER))

    def count_ended(self, number: int) -> None:
        """So many more conversations have ended."""
        self.ended += number

    @property
    def refusal(self) -> Fault | None:
        """Why nothing can be taken in just now.

        At the limit, or where the disk is short, analysis, deletion and retention go on into the reserve.
        """
        if self.disk.is_short(self.reusable_bytes) or self.used_bytes >= self.max_bytes:
            return Fault.STORAGE_FULL
        return self._refused

    @property
    def trouble(self) -> str | None:
        """The same in words, None where there is none."""
        return None if self.refusal is None else REFUSALS[self.refusal]

    def ensure_writable(self) -> None:
        """Raises NotWritable where nothing can be taken in just now."""
        if (fault := self.refusal) is not None:
            raise NotWritable(fault, REFUSALS[fault], COME_AGAIN_SECONDS[fault])

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
            seen = await self.database.read(partial(_look, self.clock()))
            self.depth, self._oldest, self.hold.paused = seen.depth, seen.oldest, seen.paused
            self.summaries = seen.summaries
            self.used_bytes = seen.used + self.disk.wal_bytes
            self.reusable_bytes = seen.reusable
            self.database_ok = True
        except (SQLAlchemyError, OSError) as error:
            if self.database_ok:
                log.error("database_unavailable", exc_info=error)
            self.database_ok = False
        if self.refusal is Fault.STORAGE_FULL:
            with suppress(SQLAlchemyError, OSError):  # there may be no room even for that
                await self.database.read(storage.empty_log)
        await self._try_writing()
        self._history.append((self.clock(), self.ended))
        self.metrics.queue_depth.set(self.depth)
        self.metrics.oldest_queued_age.set(self.oldest_seconds)
        self.metrics.summary_queue_depth.set(self.summaries)

    async def _try_writing(self) -> None:
        """After a write that failed, find out whether the next one would; until it would not, nothing is tried."""
        if not self.database.write_failed:
            return
        try:
            await self.database.write(storage.try_storing)
        except (SQLAlchemyError, OSError) as error:
            self._refuse(database_fault(error), error)
        else:
            self.database.write_failed = False
            self._refuse(None)

    def _refuse(self, fault: Fault | None, error: Exception | None = None) -> None:
        if fault is not self._refused:
            log.warning("writes_refused" if fault else "writes_go_on", code=fault, exc_info=error)
        self._refused = fault
        self.hold.refusal = None if fault is None else REFUSALS[fault]


def _look(now: int, connection: Connection) -> _Look:
    paused = switches.is_on(connection, switches.ANALYSIS_PAUSED)
    sizes = storage.used_bytes(connection), storage.reusable_bytes(connection)
    return _Look(*depth(connection, now=now), summaries.depth(connection), paused, *sizes)
