"""The daily budget: reserves a call's worst-case cost before it is sent and records its real cost when it ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from core.clock import SECOND, Clock
from domain.analysis import Analyzer, CallFailed, Envelope, Unsent, Usage
from domain.budget_days import DailyMoney
from llm import prices
from llm.hold import Hold
from store.money import calls, spending
from store.money.spending import CallKind

OK = 200
TYPICAL_TEXT = " " * 200
SMALL_BATCH = 5
GIVEN_BACK = "given_back"
"""The outcome of a call that was cancelled before its answer came, because the service stops."""
End = Envelope | CallFailed | None
"""How a call ended; None if it was cancelled before its answer came."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The worst-case cost of a call, reserved in ticks on the UTC day (days since 1970) the call was made."""

    call: int
    day: int
    reserved: int
    kind: CallKind = CallKind.ANALYSIS


class OverBudget(CallFailed):
    """The rest of the day's budget does not cover this call."""

    def __init__(self) -> None:
        super().__init__("over_budget", "the daily budget is spent")


@dataclass(frozen=True)
class Budget:
    """Reserves and records what the calls to one provider cost. `limit` is in ticks per UTC day; None is unlimited."""

    analyzer: Analyzer
    clock: Clock
    limit: int | None = None
    cost_per_1k: float | None = None
    reasoning_tokens: int = 0
    """The most reasoning tokens a call may use, for a model whose reasoning cannot be turned off."""
    in_batch: bool = False
    """Whether its calls are requests of batches at the provider, at their price."""

    @property
    def of_batches(self) -> "Budget":
        """For requests of batches at the provider."""
        return replace(self, in_batch=True)

    def of_what_can_wait(self) -> "Budget":
        """For calls that go behind everything fresh: they may use the first half of what a day has for all."""
        return replace(self, limit=None if self.limit is None else self.limit // 2)

    def covers(self, connection: Connection, texts: Sequence[str]) -> bool:
        """Whether what is left of the day covers a call with these texts."""
        if self.limit is None:
            return True
        left = spending.remaining(connection, spending.day_of(self.clock()), self.limit)
        return self.worst_case_cost(texts) <= left

    def reserve_for(
        self, connection: Connection, texts: Sequence[str], *, conversations: int
    ) -> tuple[int, Reservation | None]:
        """Reserve a call with as many of the texts as the budget covers; return how many, and the reservation.

        `conversations` is how many the log says the call carries, 0 for a canary.
        """
        fitting = len(texts)
        while fitting:
            worst, kind = self.worst_case_cost(texts[:fitting]), self._kind
            reservation = self.reserve(connection, worst, min(conversations, fitting), kind)
            if reservation is not None:
                return fitting, reservation
            fitting = self._affordable(connection, texts[: fitting - 1])
        return 0, None

    @property
    def _kind(self) -> CallKind:
        return CallKind.BATCH if self.in_batch else CallKind.ANALYSIS

    def reserve(
        self, connection: Connection, worst: int, conversations: int, kind: CallKind = CallKind.ANALYSIS
    ) -> Reservation | None:
        """Reserve `worst` ticks for a call and log its start; None if the budget does not cover it."""
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
    ) -> bool:
        """Log how a call ended and replace its reservation by its cost; False if that was done before.

        `sent` says whether the call got its turn. `keep` stores an answer that could not be parsed.
        """
        usage = usage_of(end)
        is_first = calls.finish(
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
        if not is_first:
            return False
        spending.record(
            connection,
            reservation.day,
            reserved=reservation.reserved,
            cost=cost,
            usage=usage,
            kind=reservation.kind,
            is_unpriced=self._is_unpriced(reservation, end, sent=sent),
        )
        return True

    def cost(self, reservation: Reservation, end: End, *, sent: bool) -> int:
        """The call's cost in ticks. If its usage is unknown it may have been billed, so it costs its reservation."""
        usage = usage_of(end)
        if not sent or isinstance(end, Unsent):
            return 0
        if usage != Usage():
            model, day, in_batch = self.analyzer.model, reservation.day, reservation.kind is CallKind.BATCH
            return prices.cost_ticks(model, usage, self.cost_per_1k, day=day, in_batch=in_batch)
        return 0 if _is_refused(end) else reservation.reserved

    def _is_unpriced(self, reservation: Reservation, end: End, *, sent: bool) -> bool:
        """Whether the call may have been billed, and nobody knows at what price."""
        usage = usage_of(end)
        if not sent or isinstance(end, Unsent) or (usage == Usage() and _is_refused(end)):
            return False
        return not prices.is_priced(self.analyzer.model, usage, self.cost_per_1k, day=reservation.day)

    def money(self, used_today: int, hold: Hold) -> DailyMoney | None:
        """What may be spent from now on, in ticks; None if there is no limit.

        `used_today` is what is spent or reserved. While the hold waits for the next budget, nothing is left today.
        """
        if self.limit is None:
            return None
        left = 0 if hold.spent_seconds else max(0, self.limit - used_today)
        now = self.clock()
        # A budget that never covers a call pays for nothing, however many days come.
        a_day = self.limit if self.limit >= self.worst_case_cost([TYPICAL_TEXT]) else 0
        return DailyMoney(left, a_day, (next_day(now) - now) / SECOND)

    def most_of_one(self) -> float:
        """The most that a conversation of usual length costs in a small batch, in ticks."""
        return self.worst_case_cost([TYPICAL_TEXT] * SMALL_BATCH) / SMALL_BATCH

    def overhead(self) -> int:
        """About what the instructions of one call cost, in ticks; a batch pays for them once."""
        tariff = prices.tariff_of(self.analyzer.model, spending.day_of(self.clock()))
        return 0 if tariff is None else tariff.usual.prompt * self.analyzer.fixed_tokens

    def worst_case_cost(self, texts: Sequence[str]) -> int:
        """The worst-case cost of a call with these texts, in ticks."""
        return self.cost_of_worst(self.analyzer.worst_case(texts))

    def cost_of_worst(self, usage: Usage) -> int:
        """The cost in ticks of a worst-case usage plus all the reasoning tokens that a call may use.

        A call that leaves around midnight may be made on the next day, at that day's price.
        """
        with_reasoning = replace(usage, reasoning_tokens=self.reasoning_tokens)
        today = spending.day_of(self.clock())
        return max(
            prices.cost_ticks(
                self.analyzer.model, with_reasoning, self.cost_per_1k, day=day, in_batch=self.in_batch
            )
            for day in (today, today + 1)
        )


def _is_refused(end: End) -> bool:
    return isinstance(end, CallFailed) and end.status is not None and end.status != OK


def usage_of(end: End) -> Usage:
    """The usage that the server reported for a call; zero if it reported none."""
    return (end.usage if end is not None else None) or Usage()


def next_day(now: int) -> int:
    """The start of the UTC day after `now`, both in UTC microseconds."""
    return (spending.day_of(now) + 1) * spending.DAY
