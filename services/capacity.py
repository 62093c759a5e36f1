"""Capacity: the depth of the queue and the state of the storage, measured once a second.

Counting a million queued rows takes 23 ms, so requests use these figures and never count.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.clock import SECOND, Clock
from core.errors import NotWritable
from core.metrics import Metrics
from core.waiters import wait_at_most
from database import Database
from domain.budget_days import seconds_until_done
from llm.budget import Budget
from llm.hold import Hold
from llm.prices import TICKS_PER_USD
from store.conversations import storage
from store.engine.disk import Disk
from store.engine.faults import Fault, database_fault
from store.money import spending
from store.queue import summaries, switches
from store.queue.depth import depth

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
    spent: int
    reserved: int
    average_cost: float | None


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
    budget: Callable[[], Budget | None] = lambda: None
    """Gives the budget that calls are charged to at present; None if they cost nothing."""
    rate_of_others: Callable[[], float] = lambda: 0.0
    """Conversations a second that other processes finish."""
    at_work: Callable[[], int] = lambda: 1
    """How many processes analyse."""
    every: float = EVERY_SECONDS
    counted: int = 0
    """Conversations that had not ended when they were last counted."""
    summaries: int = 0
    """Summaries that are being written or queued."""
    used_bytes: int = 0
    reusable_bytes: int = 0
    database_fault: str | None = None
    """Why the database does not answer, in words; None if it does."""
    spent_today: int = 0
    reserved_today: int = 0
    """Ticks of the present UTC day's budget."""
    _refused: Fault | None = None
    """Why the last trial write failed."""
    ended: int = 0
    """Conversations that this process has finished."""
    _average_cost: float | None = None
    """Ticks that a conversation has cost in the last days; None until one is analysed."""
    _oldest: int | None = None
    _history: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=RATE_OVER))
    _accepted: Counter[str] = field(default_factory=Counter)
    """Conversations that the last count may have missed: accepted since it began, and not ended."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _accepted_since: int = 0
    """When the first of them was accepted, UTC microseconds."""

    @property
    def database_ok(self) -> bool:
        """Whether the database answered when it was last asked."""
        return self.database_fault is None

    @property
    def depth(self) -> int:
        """Conversations that have not ended: never fewer than this process has accepted and not ended.

        A client waits for 0 from the moment of its 202, and the count is up to a second old.
        """
        return self.counted + self._accepted.total()

    def count_accepted(self, ids: Iterable[str]) -> None:
        """Count conversations that are committed and due, before their 202 is sent."""
        if not self._accepted:
            self._accepted_since = self.clock()
        self._accepted.update(iter(ids))

    def count_ended(self, ids: Iterable[str]) -> None:
        """Count conversations that this process has finished."""
        for id_ in ids:
            self.ended += 1
            # One that was counted stays in the depth until the next count: it may be somebody else's.
            if self._accepted[id_] > 1:
                self._accepted[id_] -= 1
            else:
                del self._accepted[id_]

    @property
    def refusal(self) -> Fault | None:
        """Why nothing can be stored at present, or None.

        At the limit, or with little disk space left, analysis, deletion and retention go on into the reserve.
        """
        if self.disk.is_gone:
            return Fault.UNAVAILABLE
        if self.disk.is_short(self.reusable_bytes) or self.used_bytes >= self.max_bytes:
            return Fault.STORAGE_FULL
        return self._refused

    @property
    def free_bytes(self) -> float:
        """Bytes that fit in before intake stops: what MAX_STORAGE_GB leaves, or the disk if that is less."""
        return max(0.0, min(self.max_bytes - self.used_bytes, self.disk.room(self.reusable_bytes)))

    def ensure_writable(self) -> None:
        """Raises NotWritable if nothing can be stored at present."""
        if (fault := self.refusal) is not None:
            with self.hold.changing():
                pass  # the disk fills up by itself: whoever hears of it makes it known
            raise NotWritable(fault, REFUSALS[fault], RETRY_AFTER[fault])

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest conversation that has not ended; 0 if all have."""
        since = self._accepted_since if self._oldest is None and self._accepted else self._oldest
        return 0.0 if since is None else max(0, self.clock() - since) / SECOND

    @property
    def drain_seconds(self) -> float | None:
        """How long the queue lasts at the rate of the last half minute; None if no conversation ended in it.

        A daily budget spreads it over days; with a spent one it lasts at least until the next. While an operator
        pauses it, nobody knows.
        """
        if not self.depth:
            return 0.0
        if self.hold.blocks_reserved is not None:
            return None
        if self._lasts is None and not self.hold.spent_seconds:
            return None
        work = self._lasts or 0.0
        if (budget := self.budget()) is None:
            return work
        cost = budget.most_of_one() if self._average_cost is None else self._average_cost
        money = budget.money(self.spent_today + self.reserved_today, self.hold)
        return seconds_until_done(work, cost * self.depth, money)

    @property
    def _lasts(self) -> float | None:
        rate = self.rate + self.rate_of_others()
        return self.depth / rate if rate else None

    @property
    def rate(self) -> float:
        """Conversations a second that this process has finished in the last half minute."""
        if len(self._history) < 2:
            return 0.0
        (since, before), (until, after) = self._history[0], self._history[-1]
        return (after - before) * SECOND / (until - since) if until > since else 0.0

    def look(self) -> None:
        """Measure soon: another process has told of a switch."""
        self._news.set()

    async def run(self) -> None:
        """Measure once a second until cancelled."""
        while True:
            self._news.clear()
            await self.count()
            await wait_at_most(self._news, self.every)

    async def count(self) -> None:
        """Measure now. A database that does not answer sets `database_fault`; it raises nothing."""
        before, switched = self._accepted.copy(), self.hold.switched
        try:
            sample = await self.database.read(partial(_sample, self.clock()))
        except (SQLAlchemyError, OSError) as error:
            with self.hold.changing():
                self.database_fault = self._file_fault or f"the database does not answer: {_named(error)}"
        else:
            # What was accepted before the read began is in it; what ended meanwhile is in neither.
            self._accepted -= before
            self._take(sample, switched)
        if self.refusal is Fault.STORAGE_FULL:
            with suppress(SQLAlchemyError, OSError):  # even that may not fit on the disk
                await self.database.read(storage.empty_log)
        await self._try_writing()
        self._history.append((self.clock(), self.ended))
        self.show()

    def show(self) -> None:
        """Set the metrics to what is known now."""
        self.metrics.queue_depth.set(self.depth)
        self.metrics.oldest_queued_age.set(self.oldest_seconds)
        self.metrics.summary_queue_depth.set(self.summaries)
        self.metrics.database_up.set(self.database_ok)
        self.metrics.storage_used.set(self.used_bytes)
        self.metrics.storage_limit.set(self.max_bytes)
        self.metrics.storage_free.set(self.free_bytes)
        self.metrics.budget_spent.set(self.spent_today / TICKS_PER_USD)
        self.metrics.budget_reserved.set(self.reserved_today / TICKS_PER_USD)

    @property
    def _file_fault(self) -> str | None:
        # A file that is gone can still be read.
        return f"the database file is gone: {self.disk.file}" if self.disk.is_gone else None

    def _take(self, sample: _Sample, switched: int) -> None:
        with self.hold.changing():
            self._take_states(sample, switched)
        self.counted, self._oldest, self.summaries = sample.depth, sample.oldest, sample.summaries
        if sample.reserved < self.reserved_today:
            # Maybe another process has settled a call, and left room for one of ours.
            self.hold.reservation_settled()
        self.spent_today, self.reserved_today = sample.spent, sample.reserved
        self._average_cost = sample.average_cost

    def _take_states(self, sample: _Sample, switched: int) -> None:
        self.database_fault = self._file_fault
        # A switch that was turned while the sample was taken is newer than the sample.
        if self.hold.switched == switched:
            self.hold.paused = sample.paused
        self.used_bytes = sample.used + self.disk.wal_bytes
        self.reusable_bytes = sample.reusable

    async def _try_writing(self) -> None:
        """After a failed write, try one, to learn whether writes succeed again."""
        if not self.database.write_failed:
            return
        try:
            await self.database.write(storage.try_storing)
        except (SQLAlchemyError, OSError) as error:
            self._set_refusal(database_fault(error))
        else:
            self.database.write_failed = False
            self._set_refusal(None)

    def _set_refusal(self, fault: Fault | None) -> None:
        with self.hold.changing():
            self._refused = fault
            self.hold.refusal = None if fault is None else REFUSALS[fault]


def _named(error: Exception) -> str:
    return logs.named(logs.root(error))


def _sample(now: int, connection: Connection) -> _Sample:
    paused = switches.is_on(connection, switches.ANALYSIS_PAUSED)
    sizes = storage.used_bytes(connection), storage.reusable_bytes(connection)
    today = spending.day_of(now)
    days = spending.list_days(connection, today - spending.LOOK_BACK)
    used, average = spending.used_on(days, today), spending.average_cost(days)
    return _Sample(*depth(connection, now=now), summaries.depth(connection), paused, *sizes, *used, average)
