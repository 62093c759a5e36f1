"""Where a batch processor gets conversations from, and where it puts what became of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from core.priority import Lane
from llm.budget import Budget, Reservation, next_day
from llm.gateway import Gateway
from store.queue import analysis, single_flight
from store.queue.analysis import Outcome
from store.queue.clock import ProcessClock
from worker.claims import AT_ONCE, Claim, Claimable, Claimed
from worker.outcomes import Policy, Work


class Booked(NamedTuple):
    """How many of a batch are paid for in advance."""

    fitting: int
    """The first so many."""
    reservation: Reservation | None
    spent_until: int | None = None
    """Where not even one fits the day's budget, for whatever call: when the next day begins, UTC microseconds."""


class PaidCall(NamedTuple):
    """A call that is over: what it carried, and in ticks what was reserved for it and what it cost."""

    carried: Sequence[Work]
    reserved: int
    cost: int


class AnalysisSource(Protocol):
    """The conversations of one queue. Every method but `is_due` runs in a transaction that may write."""

    @property
    def lane(self) -> Lane:
        """The lane of its calls."""
        ...

    @property
    def is_mostly_empty(self) -> bool:
        """Whether a claim should be preceded by a look, because it would mostly find nothing."""
        ...

    def is_due(self, connection: Connection) -> bool:
        """Whether anything may be due."""
        ...

    def take(self, connection: Connection, limit: int) -> Claimed:
        """Claim up to `limit` conversations that are due."""
        ...

    def renew(self, connection: Connection, works: Sequence[Work], *, until: int) -> list[Work]:
        """Hold conversations for one more call; gives those that are still held."""
        ...

    def keep_held(self, connection: Connection, works: Sequence[Work], *, until: int) -> None:
        """Hold conversations for longer whose answers are there and wait to be stored."""
        ...

    def reserve(self, connection: Connection, budget: Budget, works: Sequence[Work]) -> Booked:
        """Reserve the cost of a call with as many of these, in order, as there is money for."""
        ...

    def settle(
        self, connection: Connection, outcomes: Sequence[Outcome], *, asked: Sequence[Work]
    ) -> list[Outcome]:
        """Store what became of conversations; gives the outcomes that still counted.

        `asked` are those whose texts are not being asked about any more.
        """
        ...

    def charge(self, connection: Connection, calls: Sequence[PaidCall]) -> None:
        """Note what calls cost, in the transaction that settles them, after everything else."""
        ...


@dataclass(frozen=True)
class FreshConversations:
    """The analysis queue: conversations as they come in. `token` makes the token of a lease."""

    gateway: Gateway
    policy: Policy
    clock: ProcessClock
    token: Callable[[], str]
    of: Claimable = AT_ONCE
    lane = analysis.QUEUE.kind.lane
    is_mostly_empty = False

    def is_due(self, connection: Connection) -> bool:
        """Nobody asks: claims mostly find something."""
        return True

    def take(self, connection: Connection, limit: int) -> Claimed:
        """Claim up to `limit` conversations that are due."""
        now = self.clock.now(connection)
        until = self.policy.lease_end(now)
        version = analysis_version(self.gateway)
        return Claim(now, self.token(), until, version, self.policy, self.of).take(connection, limit)

    def _asked(self, works: Iterable[Work]) -> set[bytes]:
        return {self.of.asked_as(work.key) for work in works}

    def renew(self, connection: Connection, works: Sequence[Work], *, until: int) -> list[Work]:
        """Hold conversations for one more call; gives those that are still held."""
        still = {job.number for job in analysis.renew(connection, [work.job for work in works], until=until)}
        held = [work for work in works if work.job.number in still]
        single_flight.extend(connection, self._asked(held), leases=leases(held), until=until)
        return held

    def keep_held(self, connection: Connection, works: Sequence[Work], *, until: int) -> None:
        """Hold conversations for longer whose answers are there and wait to be stored."""
        analysis.keep_held(connection, [work.job for work in works], until=until)
        single_flight.extend(connection, self._asked(works), leases=leases(works), until=until)

    def reserve(self, connection: Connection, budget: Budget, works: Sequence[Work]) -> Booked:
        """Reserve the cost of a call with as many of these, in order, as the day's budget covers."""
        texts = [work.excerpt.text for work in works]
        tomorrow = next_day(self.clock())  # now: the reservation may be made a moment after midnight
        fitting, reservation = budget.reserve_for(connection, texts, conversations=len(texts))
        return Booked(fitting, reservation, None if reservation else tomorrow)

    def settle(
        self, connection: Connection, outcomes: Sequence[Outcome], *, asked: Sequence[Work]
    ) -> list[Outcome]:
        """Store what became of conversations; gives the outcomes that still counted."""
        return analysis.settle(connection, outcomes, now=self.clock(), asked=self._asked(asked))

    def charge(self, connection: Connection, calls: Sequence[PaidCall]) -> None:
        """The day's spending is all that they are charged to."""


def analysis_version(gateway: Gateway) -> str:
    """Model and prompt: what an analysis depends on beside the text. The prompt changes with the topics it tells."""
    return f"{gateway.analyzer.model}/{gateway.analyzer.prompt_version}"


def leases(works: Iterable[Work]) -> set[str]:
    """The leases under which conversations are held."""
    return {work.job.lease for work in works if work.job.lease is not None}
