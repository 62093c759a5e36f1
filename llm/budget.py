"""The money: the most that a call can cost is reserved before it leaves, and settled when it has ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from core.clock import Clock
from domain.analysis import Analyzer, CallFailed, Envelope, Usage
from llm import prices
from store.money import calls, spending
from store.money.spending import CallKind

OK = 200
GIVEN_BACK = "given_back"
"""The outcome of a call that was given up before its answer, because the service stops."""
End = Envelope | CallFailed | None
"""How a call ended; None where it was given up before its answer."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A call in the books. `reserved` is in ticks, on the UTC day (days since 1970) on which it was made."""

    call: int
    day: int
    reserved: int
    kind: CallKind = CallKind.ANALYSIS


class OverBudget(CallFailed):
    """The day's budget takes no call of this size."""

    def __init__(self) -> None:
        super().__init__("over_budget", "the daily budget is spent")


@dataclass(frozen=True)
class Budget:
    """The books of one provider. `limit` is in ticks a UTC day, None without one."""

    analyzer: Analyzer
    clock: Clock
    limit: int | None = None
    cost_per_1k: float | None = None
    reasoning_tokens: int = 0
    """The most that a call may think, for a model that cannot be told not to."""

    def reserve_for(
        self, connection: Connection, texts: Sequence[str], *, conversations: int
    ) -> tuple[int, Reservation | None]:
        """Book a call with as many of the texts as the budget takes; gives how many, and the entry.

        `conversations` is what the log says the call carries, 0 for one that carries none.
        """
        fitting = len(texts)
        while fitting:
            reservation = self.reserve(
                connection, self.worst_case_cost(texts[:fitting]), min(conversations, fitting)
            )
            if reservation is not None:
                return fitting, reservation
            fitting = self._affordable(connection, texts[: fitting - 1])
        return 0, None

    def reserve(
        self, connection: Connection, worst: int, conversations: int, kind: CallKind = CallKind.ANALYSIS
    ) -> Reservation | None:
        """Book a call that costs at most `worst` ticks, if the budget takes it."""
        now = self.clock()
        day = spending.day_of(now)
        if not spending.reserve(connection, day, worst, budget=self.limit, kind=kind):
            return None
        number = calls.start(
            connection,
            provider=self.analyzer.name,
            model=self.analyzer.model,
            conversations=conversations,
            reserved=worst,
            now=now,
        )
        return Reservation(number, day, worst, kind)

    def _affordable(self, connection: Connection, texts: Sequence[str]) -> int:
        left = spending.remaining(connection, spending.day_of(self.clock()), self.limit or 0)
        low, high = 0, len(texts)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.worst_case_cost(texts[:middle]) <= left
            low, high = (middle, high) if fits else (low, middle - 1)
        return low

    def record(
        self, connection: Connection, reservation: Reservation, end: End, *, sent: bool, keep: bool = False
    ) -> None:
        """Book how a call ended; `sent` says whether its request was written at all.

        `keep` is whether what came is kept where it could not be read.
        """
        usage = usage_of(end)
        calls.finish(
            connection,
            reservation.call,
            outcome=GIVEN_BACK if end is None else getattr(end, "outcome", "ok"),
            now=self.clock(),
            usage=usage,
            cost_ticks=(cost := self.cost(reservation, end, sent=sent)),
            status=end.status if end else None,
            request_id=end.request_id if end else None,
            error=end.detail if isinstance(end, CallFailed) else None,
            body=end.body if keep and isinstance(end, CallFailed) else None,
        )
        spending.record(
            connection,
            reservation.day,
            reserved=reservation.reserved,
            cost=cost,
            usage=usage,
            kind=reservation.kind,
        )

    def cost(self, reservation: Reservation, end: End, *, sent: bool) -> int:
        """Ticks. A call whose outcome nobody knows may have been billed: it costs what was reserved."""
        usage = usage_of(end)
        if not sent:
            return 0
        if usage != Usage():
            return prices.cost_ticks(self.analyzer.model, usage, self.cost_per_1k)
        refused = isinstance(end, CallFailed) and end.status is not None and end.status != OK
        return 0 if refused else reservation.reserved

    def overhead(self) -> int:
        """About what the instructions of one call cost, in ticks; packing pays them once for many texts."""
        return prices.price_of(self.analyzer.model).prompt * self.analyzer.fixed_tokens

    def worst_case_cost(self, texts: Sequence[str]) -> int:
        """The most that a call with these texts can cost, in ticks."""
        return self.cost_of_worst(self.analyzer.worst_case(texts))

    def cost_of_worst(self, usage: Usage) -> int:
        """The most that a call can cost, in ticks, that uses up so much and thinks as long as it may."""
        thinking = replace(usage, reasoning_tokens=self.reasoning_tokens)
        return prices.cost_ticks(self.analyzer.model, thinking, self.cost_per_1k)


def usage_of(end: End) -> Usage:
    """What the server said that a call used, nothing where it did not."""
    return (end.usage if end is not None else None) or Usage()


def next_day(now: int) -> int:
    """When the UTC day after `now` begins, both in UTC microseconds."""
    return (spending.day_of(now) + 1) * spending.DAY
