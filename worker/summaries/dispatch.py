"""One summary: the chat is cut into parts, each is summarised, they are merged into one, and its quotes verified.

The result of every call is kept, so that an interrupted summary goes on where it was.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND
from core.errors import DoesNotOpen
from core.tasks import Once, uninterrupted
from domain.evidence import verified
from domain.jobs import Failed, Requeued
from domain.summaries import Material, Merge, Message, Part, Stretch
from llm.budget import OverBudget
from store.engine.faults import database_fault
from store.queue import summaries
from store.queue.summaries import Outcome, SummaryJob, Written
from worker.outcomes import Policy, charged, due_again, is_suspect
from worker.settlement import Renewal, persist
from worker.summaries.calls import CallFault, LeaseLost, OverDailyBudget, SummaryCalls, UnusableAnswer
from worker.summaries.gathering import gathered
from worker.summaries.splitting import Packer, groups

log = structlog.get_logger()

PARTS_AT_ONCE = 4
"""Calls in flight for one chat: a long one must not take every place, nor hold all its messages in memory."""
PAGE = 25
"""Messages read at a time by each of up to MAX_IN_FLIGHT summaries; so many of the longest take 2 MB."""
BUDGET_SECONDS = 60.0
"""How long a summary waits until it may fit the rest of the day's budget."""

Failure = CallFault | UnusableAnswer | OverBudget


@dataclass
class _Tree:
    """One summary in the making: the known parts by their ranges, and those that it is made of."""

    job: SummaryJob
    on_sent: Once
    calls: SummaryCalls
    known: dict[tuple[int, int], Part]
    used: set[tuple[int, int]] = field(default_factory=set)
    has_grown: bool = False

    async def part(self, material: Material) -> Part:
        """The summary of the material, from the kept parts or by a call."""
        at = (material.first, material.last)
        if at not in self.known:
            self.known[at] = await self.calls.ask(self.job, material, self.on_sent)
            self.has_grown = True
        self.used.add(at)
        return self.known[at]

    async def root(self) -> Part:
        """The summary of the whole chat. Raises as `SummaryCalls.ask` does."""
        # One call at a time for a suspect, or its parts could open the circuit by themselves.
        at_once = PARTS_AT_ONCE if self.job.error is None else 1
        level = await gathered(self._stretches(), self.part, at_once=at_once)
        while len(level) > 1:
            level = await gathered(_grouped(level), self._merged, at_once=at_once)
        if not level:  # the chat was deleted, with all its messages
            raise LeaseLost
        return level[0]

    async def _stretches(self) -> AsyncGenerator[Stretch, None]:
        packer: Packer[Message] = Packer()
        after = 0
        while page := await self._page(after):
            for messages in packer.add(page):
                yield Stretch(messages)
            after = page[-1].position
        if rest := packer.rest():
            yield Stretch(rest)

    async def _page(self, after: int) -> list[Message]:
        shown = self.calls.policy.shown
        read = partial(summaries.conversation_messages, job=self.job, after=after, limit=PAGE, shown=shown)
        return await self.calls.database.read(read)

    async def _merged(self, group: Sequence[Part]) -> Part:
        """One part for several. A part that is alone in its group is passed on as it is."""
        return await self.part(Merge(group)) if len(group) > 1 else group[0]


async def _grouped(level: Sequence[Part]) -> AsyncGenerator[Sequence[Part], None]:
    for group in groups(level, Packer[Part]()):
        yield group


@dataclass(frozen=True)
class SummaryDispatch:
    """Writes summaries and settles them."""

    calls: SummaryCalls

    async def write(self, job: SummaryJob, on_sent: Once) -> None:
        """Write a summary; `on_sent` is called as its first request is sent, or when none will be."""
        try:
            renewal = Renewal(partial(self._renew, job), self.calls.policy.renew_every)
            # However long its calls wait for their turns.
            async with renewal.going_on(self.calls.database):
                outcome = await self._outcome(job, on_sent)
                await self._settle(outcome)
        except LeaseLost:
            log.info("summary_lost", conversation=job.id)
        except DoesNotOpen:
            await self._settle(Failed(job, "unreadable", "a stored value of it does not open", job.failures))
        except (SQLAlchemyError, OSError) as error:
            # What was paid for is kept. After a defect of ours the lease ends, and the summary is due again.
            log.error("summary_not_written", exc_info=error)
            if database_fault(error) is not None:
                await self._give_back(job)
        except asyncio.CancelledError:
            await uninterrupted(self._give_back(job))
            raise
        finally:
            on_sent()

    async def _outcome(self, job: SummaryJob, on_sent: Once) -> Outcome:
        database = self.calls.database
        kept = await database.read(partial(summaries.parts, job=job, version=self.calls.version))
        tree = _Tree(job, on_sent, self.calls, {(part.first, part.last): part for part in kept})
        try:
            root = await tree.root()
        except (CallFault, UnusableAnswer, OverBudget) as failure:
            # A summary that got further starts counting anew; its attempts are bounded all the same, as its parts are.
            counted = replace(job, failures=0) if tree.has_grown else job
            return outcome_after(failure, counted, at=self.calls.clock(), policy=self.calls.policy)
        # A quote is looked up in what the model saw.
        shown = self.calls.policy.shown
        cited = partial(summaries.texts, job=job, positions=root.summary.cited, shown=shown)
        texts = await database.read(cited)
        return Written(job, replace(root, summary=verified(root.summary, texts)), tree.used)

    async def _give_back(self, job: SummaryJob) -> None:
        await self._settle(Requeued(job, self.calls.clock(), job.failures, job.error))

    async def _settle(self, outcome: Outcome) -> None:
        settle = partial(summaries.settle, outcome=outcome, now=self.calls.clock())
        if await persist(self.calls.database, self.calls.gateway.hold, settle):
            self.calls.accounting.summary_settled(outcome)

    def _renew(self, job: SummaryJob, connection: Connection) -> bool:
        return summaries.renew(connection, job, until=self.calls.lease_end(connection))


def outcome_after(failure: Failure, job: SummaryJob, *, at: int, policy: Policy) -> Outcome:
    """The outcome of a summary whose call brought nothing."""
    match failure:
        case UnusableAnswer():
            return charged(job, "invalid_row", str(failure), at=at, policy=policy)
        case OverDailyBudget():
            return Failed(job, failure.outcome, "a call for it costs more than a day's budget", job.failures)
        case OverBudget():
            return Requeued(job, at + round(BUDGET_SECONDS * SECOND), job.failures, job.error)
        case CallFault(fault=fault, canary_passed=canary_passed, wait=wait):
            again = due_again(fault, at=at, wait=wait)
            if canary_passed:
                return charged(job, fault.outcome, str(fault), at=again, policy=policy)
            return Requeued(job, again, job.failures, str(fault) if is_suspect(fault) else job.error)
