"""Conversations that can wait, as a source for the batch processor: they go live, and behind everything fresh.

That is the way of those that no batch at the provider takes. Half of a day's budget is left to what is fresh.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from core.clock import SECOND
from domain.jobs import Requeued
from llm.budget import Budget
from models import DAY, LATER
from store.queue import waiting
from store.queue.analysis import AnalysisJob, Outcome
from worker.outcomes import Work
from worker.sources import Booked, FreshConversations

BUDGET_AGAIN_AFTER = 60 * SECOND
"""How long all wait when their half of the day's budget is spent."""


@dataclass(frozen=True)
class ClaimedInTime:
    """Those that can wait, of one freshness or more, the first of them first."""

    freshness: Callable[[], Sequence[str]]
    lease = staticmethod(waiting.hold_waiting)

    def due(self, connection: Connection, *, limit: int, now: int) -> Sequence[AnalysisJob]:
        """Up to `limit` that can wait least, locked until the transaction ends."""
        found: list[AnalysisJob] = []
        for each in self.freshness():
            left = limit - len(found)
            found += waiting.waiting_longest(connection, each, limit=left, now=now) if left else ()
        # Nobody waits for a batch to be filled up with more of them.
        return [job._replace(due_at=now) for job in found]

    def asked_as(self, key: bytes) -> bytes:
        """Not the key: a fresh conversation with this text would wait for what goes behind all."""
        return hashlib.sha256(b"later" + key).digest()


@dataclass(frozen=True)
class WaitingConversations(FreshConversations):
    """The conversations that can wait. `wanted` is of which freshness: `day` are those that batches may have."""

    wanted: Callable[[], Sequence[str]] = lambda: (LATER, DAY)
    lane = waiting.QUEUE.kind.lane
    is_mostly_empty = True
    _not_before: list[int] = field(default_factory=lambda: [0])
    """When calls may be tried again, UTC microseconds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", ClaimedInTime(self.wanted))

    def is_due(self, connection: Connection) -> bool:
        """Whether there are any, and calls may be tried."""
        if (now := self.clock()) < self._not_before[0]:
            return False
        return any(waiting.is_waiting(connection, each, now=now) for each in self.wanted())

    def reserve(self, connection: Connection, budget: Budget, works: Sequence[Work]) -> Booked:
        """Reserve the cost of a call with as many of these, in order, as half of the day's budget covers."""
        texts = [work.excerpt.text for work in works]
        ours = budget.of_what_can_wait()
        fitting, reservation = ours.reserve_for(connection, texts, conversations=len(texts))
        if reservation is None:
            self._wait_until(self.clock() + BUDGET_AGAIN_AFTER)
        return Booked(fitting, reservation)

    def settle(
        self, connection: Connection, outcomes: Sequence[Outcome], *, asked: Sequence[Work]
    ) -> list[Outcome]:
        """Store what became of conversations. Those that go back can still wait for as long as they could."""
        again = [each.run_at for each in outcomes if isinstance(each, Requeued)]
        self._wait_until(max(again, default=0))
        return super().settle(connection, [_waiting_on(each) for each in outcomes], asked=asked)

    def _wait_until(self, moment: int) -> None:
        self._not_before[0] = max(self._not_before[0], moment)


def _waiting_on(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Requeued) or outcome.job.can_wait_until is None:
        return outcome
    return replace(outcome, run_at=max(outcome.run_at, outcome.job.can_wait_until))
