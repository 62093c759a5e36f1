"""One batch: its leases renewed, its cost reserved, the call made, and each conversation settled by the answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.tasks import Once, uninterrupted
from database import Database
from domain.analysis import BatchFault, CallFailed, Reply
from llm.budget import Budget, End, Reservation, usage_of
from llm.gateway import Gateway
from store.engine.faults import database_fault
from store.queue.analysis import Completed, Outcome
from store.queue.clock import ProcessClock
from worker.accounting import Accounting
from worker.outcomes import Policy, Provenance, Work, given_back, is_suspect, outcomes_after, outcomes_of
from worker.packing import BatchSize
from worker.settlement import Renewal, persist
from worker.sources import AnalysisSource, PaidCall

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Started:
    """The part of a batch that is still held and fits the budget, with its reservation where there is a budget."""

    held: Sequence[Work]
    reservation: Reservation | None
    spent_until: int | None = None
    """Where not even one of them fits the day's budget: when the next day begins, UTC microseconds."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over: what it carried, how it ended, whether its request was sent, and on which budget."""

    started: Started
    end: End
    left: bool
    budget: Budget | None

    def close(self, connection: Connection, *, keep: bool) -> PaidCall | None:
        """Record how it ended, and give what it cost unless that was recorded before, or there is no budget.

        `keep` is whether an unreadable answer may be kept.
        """
        reservation, cost = self.started.reservation, self.cost
        if self.budget is None or reservation is None or cost is None:
            return None
        is_first = self.budget.record(connection, reservation, self.end, sent=self.left, keep=keep)
        return PaidCall(self.started.held, reservation.reserved, cost) if is_first else None

    @property
    def cost(self) -> int | None:
        """In ticks; None where there is no budget."""
        if self.budget is None or self.started.reservation is None:
            return None
        return self.budget.cost(self.started.reservation, self.end, sent=self.left)


@dataclass(frozen=True)
class Dispatch:
    """Sends batches through the gateway and settles them."""

    database: Database
    gateway: Gateway
    size: BatchSize
    policy: Policy
    accounting: Accounting
    clock: ProcessClock
    source: AnalysisSource
    given_up: list[Ended] = field(default_factory=list)
    """Calls that were cancelled; `give_back` gives back what they carried."""

    async def send(self, batch: Sequence[Work], on_sent: Once) -> None:
        """Send a batch; `on_sent` is called as its request is sent, or when none will be."""
        # Of two providers, the one in use now gets the whole call: reservation, canary and settlement.
        via = replace(self, gateway=self.gateway.current)
        try:
            started = await via._started(batch)
            if started.held:
                await via._ask(started, on_sent)
        except (SQLAlchemyError, OSError) as error:
            # A defect of ours. Nothing is lost: the leases end, and the rows are due again.
            log.error("call_not_settled", exc_info=error)
        finally:
            on_sent()

    async def _started(self, batch: Sequence[Work]) -> Started:
        settlements = self.gateway.hold.settlements
        try:
            started = await self.database.write(partial(self._start, batch))
        except (SQLAlchemyError, OSError) as error:
            if database_fault(error) is None:
                raise
            log.error("call_not_started", exc_info=error)
            await self.give_back(batch)
            return Started((), None)
        if started.spent_until is not None:
            self.gateway.hold.budget_spent(started.spent_until, settlements)
        return started

    def _start(self, batch: Sequence[Work], connection: Connection) -> Started:
        # A conversation that is alone may have to wait for a canary's call as well.
        until = self.policy.lease_end(self.clock.now(connection), calls=2 if len(batch) == 1 else 1)
        held = self.source.renew(connection, batch, until=until)
        if not held or self.gateway.budget is None:
            return Started(held, None)
        return self._book(connection, held)

    def _book(self, connection: Connection, held: Sequence[Work]) -> Started:
        assert self.gateway.budget is not None  # noqa: S101  for the type checker: `_start` has checked
        booked = self.source.reserve(connection, self.gateway.budget, held)
        left_out = held[booked.fitting :]
        back = given_back([work.job for work in left_out], at=self.clock())
        self.source.settle(connection, back, asked=left_out)
        return Started(held[: booked.fitting], booked.reservation, booked.spent_until)

    async def _ask(self, started: Started, on_sent: Once) -> None:
        end: Reply | CallFailed | None = None
        asked_by = self.gateway.analyzer.prompt_version  # it may be told other topics before the answer comes
        try:
            end = await self._ended(started, on_sent)
            outcomes = await self._outcomes(started, end, asked_by)
        except asyncio.CancelledError:
            # The service is stopping in the middle of the call, or of the canary after it.
            self.given_up.append(Ended(started, end, on_sent.done, self.gateway.budget))
            raise
        ended = Ended(started, end, on_sent.done, self.gateway.budget)
        await uninterrupted(self._settle([ended], outcomes))

    async def _ended(self, started: Started, on_sent: Once) -> Reply | CallFailed:
        epoch = self.size.epoch
        try:
            texts = [work.excerpt.text for work in started.held]
            return await self.gateway.call(texts, on_sent, self.source.lane)
        except CallFailed as fault:
            if isinstance(fault, BatchFault):
                self.size.failed(epoch)
            return fault

    async def _outcomes(self, started: Started, end: Reply | CallFailed, asked_by: str) -> list[Outcome]:
        if isinstance(end, CallFailed):
            return await self._blame(end, started.held)
        call = started.reservation.call if started.reservation else None
        by = Provenance(self.gateway.analyzer.name, end.model, call, self.clock(), asked_by)
        outcomes = outcomes_of(end, started.held, by, self.policy)
        if all(isinstance(outcome, Completed) for outcome in outcomes):
            self.size.succeeded()
        return outcomes

    async def _blame(self, fault: CallFailed, held: Sequence[Work]) -> list[Outcome]:
        alone = len(held) == 1 and is_suspect(fault)
        canary_passed = alone and await self.gateway.canary_passes()
        wait = self.policy.backoff(self.gateway.faults)
        return outcomes_after(
            fault, held, canary_passed=canary_passed, at=self.clock(), policy=self.policy, wait=wait
        )

    async def _settle(self, calls: Sequence[Ended], outcomes: Sequence[Outcome]) -> None:
        """Store what calls brought. It is paid for, so the write is repeated until it succeeds."""

        def settle(connection: Connection) -> list[Outcome]:
            asked = [work for call in calls for work in call.started.held]
            counted = self.source.settle(connection, outcomes, asked=asked)
            # The answer may quote a conversation that was deleted meanwhile, and nobody would delete that.
            all_there = len(counted) == len(outcomes)
            closed = [call.close(connection, keep=all_there) for call in calls]
            self.source.charge(connection, [paid for paid in closed if paid is not None])
            return counted

        renewal = Renewal(partial(self._keep_held, calls), self.policy.renew_every)
        self.accounting.settled(await persist(self.database, self.gateway.hold, settle, renewal))
        for call in calls:
            if (cost := call.cost) is not None:
                self.accounting.call_ended(usage_of(call.end), cost)
                self.gateway.hold.reservation_settled()

    def _keep_held(self, calls: Sequence[Ended], connection: Connection) -> None:
        works = [work for call in calls for work in call.started.held]
        until = self.policy.lease_end(self.clock.now(connection), calls=2)  # no sooner than before
        self.source.keep_held(connection, works, until=until)

    async def give_back(self, works: Sequence[Work]) -> None:
        """Make held conversations due again, and those of calls that were given up, in one transaction."""
        calls = [Ended(Started(works, None), None, False, None), *self.given_up]
        self.given_up.clear()
        if held := [work for call in calls for work in call.started.held]:
            await self._settle(calls, given_back([work.job for work in held], at=self.clock()))
