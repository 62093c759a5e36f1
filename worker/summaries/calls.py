"""One call for a summary: lease renewed, cost reserved, call made, and its answer kept or its fault raised."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from core.errors import SummaryFailed
from core.priority import PrioritySemaphore
from core.tasks import Once, uninterrupted
from database import Database
from domain.analysis import BatchFault, CallFailed, Invalid, ProviderFault
from domain.summaries import DraftListener, Material, Part, Summarised
from llm.budget import End, OverBudget, Reservation, usage_of
from llm.gateway import Gateway
from store.money.spending import CallKind
from store.queue import long_jobs, summaries
from store.queue.clock import ProcessClock
from store.queue.summaries import SummaryJob
from worker.accounting import Accounting
from worker.outcomes import Policy, is_suspect
from worker.settlement import persist

Keep = Callable[[Connection], bool]
WITHDRAWN = ""
"""The draft of an answer that will not be finished."""


class LeaseLost(SummaryFailed):
    """The summary is no longer held: its chat was deleted, or another process holds it."""


class UnusableAnswer(SummaryFailed):
    """The call came back, but not with a summary."""


class OverDailyBudget(OverBudget):
    """The call costs more than a whole day's budget."""


class CallFault(SummaryFailed):
    """The call failed. `canary_passed` says whether a canary sent afterwards came back, `wait` the seconds to wait."""

    def __init__(self, fault: CallFailed, *, canary_passed: bool, wait: float) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.canary_passed = canary_passed
        self.wait = wait


@dataclass(frozen=True)
class SummaryCalls:
    """Sends calls for summaries through the gateway, ahead of the batches."""

    database: Database
    gateway: Gateway
    policy: Policy
    accounting: Accounting
    in_flight: PrioritySemaphore
    clock: ProcessClock
    hearing: Callable[[str, str], DraftListener | None] = lambda _, __: None
    """Who hears the summary of a chat while it is being written, given the chat's id and the lease under which that is
    done; None where nobody does."""

    @property
    def version(self) -> str:
        """Model and prompt: parts of another version are not used."""
        analyzer = self.gateway.analyzer
        return f"{analyzer.name}/{analyzer.model}/{analyzer.summary_version}"

    def lease_end(self, connection: Connection) -> int:
        """When a lease ends that is taken or renewed in this transaction, UTC microseconds."""
        return self.policy.lease_end(self.clock.now(connection))

    async def ask(self, job: SummaryJob, material: Material, on_sent: Once) -> Part:
        """The summary of the material, kept as a part; `on_sent` is called as the request is sent.

        Raises CallFault, UnusableAnswer, OverBudget, LeaseLost.
        """
        # Of two providers, the one in use now gets the whole call: reservation, canary and settlement.
        via = self.gateway.current
        try:
            return await self._heard(via, job, material, on_sent)
        except OverBudget:
            raise
        except CallFailed as fault:
            canary_passed = is_suspect(fault) and await via.canary_passes()
            raise CallFault(
                fault, canary_passed=canary_passed, wait=self.policy.backoff(via.faults)
            ) from fault

    async def _heard(self, via: Gateway, job: SummaryJob, material: Material, on_sent: Once) -> Part:
        """Ask, streamed if somebody listens. If the stream may be at fault, ask once more for it in one piece.

        A gateway may end a stream that was cut upstream as if it were complete (LiteLLM 1.108.7 does). Until the answer
        in one piece is known, neither the chat nor the provider is to blame.
        """
        on_draft = self._hearing(job, material)
        if on_draft is None:
            return await self._asked(via, job, material, on_sent)
        try:
            return await self._asked(via, job, material, on_sent, on_draft)
        except (CallFailed, UnusableAnswer) as failure:
            on_draft(WITHDRAWN)
            if not may_be_the_streams(failure):
                raise
        return await self._asked(via, job, material, on_sent)

    async def _asked(
        self,
        via: Gateway,
        job: SummaryJob,
        material: Material,
        on_sent: Once,
        on_draft: DraftListener | None = None,
    ) -> Part:
        async with self.in_flight.taken(summaries.QUEUE.kind.lane):
            reservation = await self._start(via, job, material)
            left = Once(on_sent)
            try:
                came = await via.summarise(material, left, on_draft)
            except CallFailed as fault:
                await self._end(via, job, reservation, fault, left=left.done)
                raise
            except asyncio.CancelledError:
                await uninterrupted(self._end(via, job, reservation, None, left=left.done))
                raise
            return await uninterrupted(self._keep(via, job, Came(material, came, reservation)))

    def _hearing(self, job: SummaryJob, material: Material) -> DraftListener | None:
        """Only of the last call: the others' answers are parts. After a fault the answer comes in one piece."""
        is_whole = (material.first, material.last) == (1, job.last)
        return self.hearing(job.id, job.lease) if is_whole and job.error is None else None

    async def _start(self, via: Gateway, job: SummaryJob, material: Material) -> Reservation | None:
        budget = via.budget
        worst = 0 if budget is None else budget.cost_of_worst(via.analyzer.worst_summary(material))
        if budget is not None and budget.limit is not None and worst > budget.limit:
            raise OverDailyBudget

        def start(connection: Connection) -> Reservation | None:
            if not summaries.renew(connection, job, until=self.lease_end(connection)):
                raise LeaseLost
            if budget is None:
                return None
            reservation = budget.reserve(connection, worst, conversations=1, kind=CallKind.SUMMARY)
            if reservation is None:
                raise OverBudget
            return reservation

        return await self.database.write(start)

    async def _keep(self, via: Gateway, job: SummaryJob, came: "Came") -> Part:
        end = came.answer
        if isinstance(end.summary, Invalid):
            await self._end(via, job, came.reservation, end, left=True)
            raise UnusableAnswer(end.summary.reason)
        first, last = came.material.first, came.material.last
        part = Part(first, last, end.summary, via.analyzer.name, end.model, end.raw)

        def keep(connection: Connection) -> bool:
            until = self.lease_end(connection)
            return summaries.keep(connection, job, part, version=self.version, until=until)

        if not await self._end(via, job, came.reservation, end, left=True, keep=keep):
            raise LeaseLost
        return part

    async def _end(
        self,
        via: Gateway,
        job: SummaryJob,
        reservation: Reservation | None,
        end: End,
        *,
        left: bool,
        keep: Keep | None = None,
    ) -> bool:
        """Store how a call ended. It is paid for, so the write is repeated until it succeeds."""
        budget = via.budget
        if budget is None or reservation is None:
            return await persist(self.database, via.hold, keep or _keep_nothing)
        cost = budget.cost(reservation, end, sent=left)

        def store(connection: Connection) -> bool:
            if job.charged_to is not None:
                long_jobs.charge(connection, job.charged_to, cost)
            kept = keep is not None and keep(connection)
            budget.record(connection, reservation, end, sent=left)
            return kept

        kept = await persist(self.database, via.hold, store)
        self.accounting.call_ended(usage_of(end), cost)
        via.hold.reservation_settled()
        return kept


def _keep_nothing(_: Connection) -> bool:
    return False


def may_be_the_streams(failure: CallFailed | UnusableAnswer) -> bool:
    """Whether an answer that failed as a stream may be whole in one piece: it broke off, or came to nothing."""
    if isinstance(failure, BatchFault):
        is_empty = failure.outcome == "refused" and not failure.body
        return is_empty or failure.outcome in ("malformed", "unfinished")
    return isinstance(failure, ProviderFault) and failure.outcome == "cut_off"


@dataclass(frozen=True, slots=True)
class Came:
    """What was asked, what came back, and the reservation for it."""

    material: Material
    answer: Summarised
    reservation: Reservation | None
