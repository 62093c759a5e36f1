"""Capacity: the depth of the queue and the state of the storage, measured once a second.

Counting a million queued rows takes 23 ms, so requests use these figures and never count.
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
"""Samples over which the present rate is measured: half a minute."""
GIGABYTE = 10**9
RETRY_AFTER = {Fault.STORAGE_FULL: 30, Fault.UNAVAILABLE: 5}
REFUSALS = {
    Fault.STORAGE_FULL: "storage is full: intake has stopped",
    Fault.UNAVAILABLE: "the database accepts no writes",
}


@dataclass(frozen=True, slots=True)
class _Sample:
    depth: int
    oldest: int | None
    summaries: int
    paused: bool
    used: int
    reusable: int


@dataclass
class Capacity:
    """The depth, age and rate of the queue, and whether more can be stored.

    `max_bytes` limits the used pages of the database plus the WAL.
    """

    database: Database
    metrics: Metrics
    hold: Hold
    clock: Clock
    max_bytes: float
    disk: Disk = field(default_factory=Disk)
    depth: int = 0
    summaries: int = 0
    """Summaries that are being written or queued."""
    used_bytes: int = 0
    reusable_bytes: int = 0
    database_ok: bool = True
    _refused: Fault | None = None
    """Why the last trial write failed."""
    ended: int = 0
    """Conversations that this process has finished."""
    _oldest: int | None = None
    _history: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=RATE_OVER))

    def count_ended(self, number: int) -> None:
        """Count conversations that this process has finished."""
        self.ended += number

    @property
    def refusal(self) -> Fault | None:
        """Why nothing can be stored at present, or None.

        At the limit, or with little disk space left, analysis, deletion and retention go on into the reserve.
        """
        if self.disk.is_short(self.reusable_bytes) or self.used_bytes >= self.max_bytes:
            return Fault.STORAGE_FULL
        return self._refused

    @property
    def refusal_reason(self) -> str | None:
        """The same in words."""
        return None if self.refusal is None else REFUSALS[self.refusal]

    def ensure_writable(self) -> None:
        """Raises NotWritable if nothing can be stored at present."""
        if (fault := self.refusal) is not None:
            raise NotWritable(fault, REFUSALS[fault], RETRY_AFTER[fault])

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest conversation that has not ended; 0 if all have."""
        return 0.0 if self._oldest is None else max(0, self.clock() - self._oldest) / SECOND

    @property
    def drain_seconds(self) -> float | None:
        """How long the queue lasts at the rate of the last half minute; None if no conversation ended in it."""
        if not self.depth:
            return 0.0
        if len(self._history) < 2:
            return None
        (since, before), (until, after) = self._history[0], self._history[-1]
        return self.depth * (until - since) / SECOND / (after - before) if after > before else None

    async def run(self) -> None:
        """Measure once a second until cancelled."""
        while True:
            await self.count()
            await asyncio.sleep(EVERY_SECONDS)

    async def count(self) -> None:
        """Measure now. A database that does not answer sets `database_ok`; it raises nothing."""
        try:
            sample = await self.database.read(partial(_sample, self.clock()))
            self.depth, self._oldest, self.hold.paused = sample.depth, sample.oldest, sample.paused
            self.summaries = sample.summaries
            self.used_bytes = sample.used + self.disk.wal_bytes
            self.reusable_bytes = sample.reusable
            self.database_ok = True
        except (SQLAlchemyError, OSError) as error:
            if self.database_ok:
                log.error("database_unavailable", exc_info=error)
            self.database_ok = False
        if self.refusal is Fault.STORAGE_FULL:
            with suppress(SQLAlchemyError, OSError):  # even that may not fit on the disk
                await self.database.read(storage.empty_log)
        await self._try_writing()
        self._history.append((self.clock(), self.ended))
        self.metrics.queue_depth.set(self.depth)
        self.metrics.oldest_queued_age.set(self.oldest_seconds)
        self.metrics.summary_queue_depth.set(self.summaries)

    async def _try_writing(self) -> None:
        """After a failed write, try one, to learn whether writes succeed again."""
        if not self.database.write_failed:
            return
        try:
            await self.database.write(storage.try_storing)
        except (SQLAlchemyError, OSError) as error:
            self._set_refusal(database_fault(error), error)
        else:
            self.database.write_failed = False
            self._set_refusal(None)

    def _set_refusal(self, fault: Fault | None, error: Exception | None = None) -> None:
        if fault is not self._refused:
            log.warning("writes_refused" if fault else "writes_resumed", code=fault, exc_info=error)
        self._refused = fault
        self.hold.refusal = None if fault is None else REFUSALS[fault]


def _sample(now: int, connection: Connection) -> _Sample:
    paused = switches.is_on(connection, switches.ANALYSIS_PAUSED)
    sizes = storage.used_bytes(connection), storage.reusable_bytes(connection)
    return _Sample(*depth(connection, now=now), summaries.depth(connection), paused, *sizes)
