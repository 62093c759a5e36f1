"""One call for a summary: held and booked, asked, and what it brought kept, or its fault raised."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from core.clock import Clock
from core.errors import SummaryFailed
from core.priority import Lane, Turns
from core.tasks import Once, to_the_end
from database import Database
from domain.analysis import CallFailed, Invalid
from domain.summaries import Heard, Material, Part, Summarised
from llm.budget import End, Entry, OverBudget, usage_of
from llm.gateway import Gate
from store.money.spending import Kind
from store.queue import summaries
from store.queue.summaries import Job
from worker.accounting import Bookkeeping
from worker.outcomes import Policy, is_suspect
from worker.settlement import persist

Keep = Callable[[Connection], bool]


class LeaseLost(SummaryFailed):
    """The summary is not held any more: its chat was deleted, or another process holds it."""


class UnusableAnswer(SummaryFailed):
    """The call came back, and what it brought is no summary."""


class OverDailyBudget(OverBudget):
    """Not even a whole day's budget takes the call."""


class CallFault(SummaryFailed):
    """The call failed. `vouched` says whether a canary after it came back, `wait` the seconds to wait."""

    def __init__(self, fault: CallFailed, *, vouched: bool, wait: float) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.vouched = vouched
        self.wait = wait


@dataclass(frozen=True)
class SummaryCalls:
    """Sends calls for summaries through the gate, ahead of the batches. `clock` gives UTC microseconds."""

    database: Database
    gate: Gate
    policy: Policy
    books: Bookkeeping
    in_flight: Turns
    clock: Clock
    hearing: Callable[[str], Heard | None] = lambda _: None
    """Who hears the summary of this chat (an id) while it is written, if anybody."""

    @property
    def version(self) -> str:
        """Who is asked, and how they are told: parts of another version are not used."""
        analyzer = self.gate.analyzer
        return f"{analyzer.name}/{analyzer.model}/{analyzer.summary_version}"

    async def ask(self, job: Job, material: Material, departed: Once) -> Part:
        """The summary of the material, kept as a part; `departed` is called as the request leaves.

        Raises CallFault, UnusableAnswer, OverBudget, LeaseLost.
        """
        # Of two providers the one that answers now has all of the call: its booking, its canary, its settlement.
        via = self.gate.current
        try:
            return await self._asked(via, job, material, departed)
        except OverBudget:
            raise
        except CallFailed as fault:
            vouched = is_suspect(fault) and await via.vouch()
            raise CallFault(fault, vouched=vouched, wait=self.policy.backoff(via.faults)) from fault

    async def _asked(self, via: Gate, job: Job, material: Material, departed: Once) -> Part:
        async with self.in_flight.taken(Lane.SUMMARIES):
            entry = await self._start(via, job, material)
            left = Once(departed)
            try:
                came = await via.summarise(material, left, self._hearing(job, material))
            except CallFailed as fault:
                await self._end(via, entry, fault, left=left.done)
                raise
            except asyncio.CancelledError:
                await to_the_end(self._end(via, entry, None, left=left.done))
                raise
            return await to_the_end(self._keep(via, job, Came(material, came, entry)))

    def _hearing(self, job: Job, material: Material) -> Heard | None:
        """Only of the last call: the others' answers are parts."""
        is_whole = (material.first, material.last) == (1, job.last)
        return self.hearing(job.id) if is_whole else None

    async def _start(self, via: Gate, job: Job, material: Material) -> Entry | None:
        ledger = via.ledger
        worst = 0 if ledger is None else ledger.most(via.analyzer.worst_summary(material))
        if ledger is not None and ledger.budget is not None and worst > ledger.budget:
            raise OverDailyBudget

        def start(connection: Connection) -> Entry | None:
            if not summaries.renew(connection, job, until=self.policy.lease_end(self.clock())):
                raise LeaseLost
            if ledger is None:
                return None
            entry = ledger.book(connection, worst, conversations=1, kind=Kind.SUMMARY)
            if entry is None:
                raise OverBudget
            return entry

        return await self.database.write(start)

    async def _keep(self, via: Gate, job: Job, came: "Came") -> Part:
        end = came.answer
        if isinstance(end.summary, Invalid):
            await self._end(via, came.entry, end, left=True)
            raise UnusableAnswer(end.summary.reason)
        first, last = came.material.first, came.material.last
        part = Part(first, last, end.summary, via.analyzer.name, end.model, end.raw)
        until = self.policy.lease_end(self.clock())
        keep = partial(summaries.keep, job=job, part=part, version=self.version, until=until)
        if not await self._end(via, came.entry, end, left=True, keep=keep):
            raise LeaseLost
        return part

    async def _end(
        self, via: Gate, entry: Entry | None, end: End, *, left: bool, keep: Keep | None = None
    ) -> bool:
        """Store how a call ended; it is paid for, so it is tried until it is stored."""
        ledger = via.ledger

        def store(connection: Connection) -> bool:
            kept = keep is not None and keep(connection)
            if ledger is not None and entry is not None:
                ledger.close(connection, entry, end, left=left)
            return kept

        kept = await persist(self.database, via.brake, store)
        if ledger is not None and entry is not None:
            self.books.call_ended(usage_of(end), ledger.cost(entry, end, left=left))
            via.brake.settled()
        return kept


@dataclass(frozen=True, slots=True)
class Came:
    """What was asked, what came back, and where the call is booked."""

    material: Material
    answer: Summarised
    entry: Entry | None
