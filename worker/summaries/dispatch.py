"""One summary's way: the chat read and cut into parts, each summarised, merged until one is left, its quotes looked up.

Every call's result is kept, so that what breaks off is taken up where it was.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND
from core.tasks import Once, uninterrupted
from core.waiters import wait_at_most
from domain.evidence import verified
from domain.summaries import Material, Merge, Message, Part, Stretch
from llm.budget import OverBudget
from store.engine.faults import database_fault
from store.queue import summaries
from store.queue.summaries import Failed, Job, Outcome, Requeued, Written
from worker.outcomes import Policy, due_again, is_suspect
from worker.settlement import LEASE_MARGIN, persist
from worker.summaries.calls import CallFault, LeaseLost, OverDailyBudget, SummaryCalls, UnusableAnswer
from worker.summaries.gathering import gathered
from worker.summaries.splitting import Packer, groups

log = structlog.get_logger()

PARTS_AT_ONCE = 4
"""Calls under way for one chat: a long one must not take every place in flight, nor memory for all its messages."""
PAGE = 25
"""Messages read at once, by each of up to MAX_IN_FLIGHT summaries; of the longest this many are 2 MB."""
RENEW_SECONDS = LEASE_MARGIN / 3
BUDGET_SECONDS = 60.0
"""How long a summary waits for what is left of the day's budget to take it."""

Failure = CallFault | UnusableAnswer | OverBudget


@dataclass
class _Tree:
    """One summary in the making: its parts by their ranges, and which of them it is made of."""

    job: Job
    on_sent: Once
    calls: SummaryCalls
    known: dict[tuple[int, int], Part]
    used: set[tuple[int, int]] = field(default_factory=set)
    has_grown: bool = False

    async def part(self, material: Material) -> Part:
        """The summary of the material: as it is kept, else asked for."""
        at = (material.first, material.last)
        if at not in self.known:
            self.known[at] = await self.calls.ask(self.job, material, self.on_sent)
            self.has_grown = True
        self.used.add(at)
        return self.known[at]

    async def root(self) -> Part:
        """The summary of the whole chat. Raises as `SummaryCalls.ask` does."""
        # Of a suspect one at a time, or its parts could open the circuit by themselves.
        at_once = PARTS_AT_ONCE if self.job.error is None else 1
        level = await gathered(self._stretches(), self.part, at_once=at_once)
        while len(level) > 1:
            level = await gathered(_grouped(level), self._merged, at_once=at_once)
        if not level:  # the chat is gone, with all its messages
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
        read = partial(summaries.conversation_messages, job=self.job, after=after, limit=PAGE)
        return await self.calls.database.read(read)

    async def _merged(self, group: Sequence[Part]) -> Part:
        """One part for several; who is alone in its group goes up as it is."""
        return await self.part(Merge(group)) if len(group) > 1 else group[0]


async def _grouped(level: Sequence[Part]) -> AsyncGenerator[Sequence[Part], None]:
    for group in groups(level, Packer[Part]()):
        yield group


@dataclass(frozen=True)
class SummaryDispatch:
    """Writes summaries and settles them."""

    calls: SummaryCalls

    async def write(self, job: Job, on_sent: Once) -> None:
        """Write a summary; `on_sent` is called as its first request leaves, or when there is none to leave."""
        try:
            async with self._held(job):
                outcome = await self._outcome(job, on_sent)
                await self._settle(outcome)
        except LeaseLost:
            log.info("summary_lost", conversation=job.id)
        except (SQLAlchemyError, OSError) as error:
            # What was paid for is kept. After a defect of ours the lease runs out, and the summary is due again.
            log.error("summary_not_written", exc_info=error)
            if database_fault(error) is not None:
                await self._give_back(job)
        except asyncio.CancelledError:
            await uninterrupted(self._give_back(job))
            raise
        finally:
            on_sent()

    async def _outcome(self, job: Job, on_sent: Once) -> Outcome:
        database = self.calls.database
        kept = await database.read(partial(summaries.parts, job=job, version=self.calls.version))
        tree = _Tree(job, on_sent, self.calls, {(part.first, part.last): part for part in kept})
        try:
            root = await tree.root()
        except (CallFault, UnusableAnswer, OverBudget) as failure:
            # What got further has earned its askings anew: they are bounded all the same, for parts are.
            failures = 0 if tree.has_grown else job.failures
            return after(failure, job, failures, at=self.calls.clock(), policy=self.calls.policy)
        texts = await database.read(partial(summaries.texts, job=job, positions=root.summary.cited))
        return Written(job, replace(root, summary=verified(root.summary, texts)), tree.used)

    async def _give_back(self, job: Job) -> None:
        await self._settle(Requeued(job, self.calls.clock(), job.failures, job.error))

    async def _settle(self, outcome: Outcome) -> None:
        settle = partial(summaries.settle, outcome=outcome, now=self.calls.clock())
        if await persist(self.calls.database, self.calls.gateway.hold, settle):
            self.calls.accounting.summary_settled(outcome)

    @asynccontextmanager
    async def _held(self, job: Job) -> AsyncIterator[None]:
        """Renew the lease inside the block, however long the calls have to wait for their turns."""
        over = asyncio.Event()
        renewing = asyncio.create_task(self._renew_until(over, job))
        try:
            yield
        finally:
            over.set()
            await renewing

    async def _renew_until(self, over: asyncio.Event, job: Job) -> None:
        while True:
            await wait_at_most(over, RENEW_SECONDS)
            if over.is_set():
                return
            until = self.calls.policy.lease_end(self.calls.clock())
            try:
                await self.calls.database.write(partial(summaries.renew, job=job, until=until))
            except (SQLAlchemyError, OSError) as error:
                log.warning("lease_not_renewed", exc_info=error)


def after(failure: Failure, job: Job, failures: int, *, at: int, policy: Policy) -> Outcome:
    """What a call that brought nothing means for its summary, which failed by itself so many times before."""
    match failure:
        case UnusableAnswer():
            return _charged(job, "invalid_row", str(failure), failures, at=at, policy=policy)
        case OverDailyBudget():
            return Failed(job, failure.outcome, "a call for it costs more than a day's budget", failures)
        case OverBudget():
            return Requeued(job, at + round(BUDGET_SECONDS * SECOND), failures, job.error)
        case CallFault(fault=fault, canary_passed=canary_passed, wait=wait):
            again = due_again(fault, at=at, wait=wait)
            if canary_passed:
                return _charged(job, fault.outcome, str(fault), failures, at=again, policy=policy)
            return Requeued(job, again, failures, str(fault) if is_suspect(fault) else job.error)


def _charged(job: Job, reason: str, error: str, failures: int, *, at: int, policy: Policy) -> Outcome:
    """One more failure of its own: asked for again, or given up."""
    if policy.gives_up(failures + 1):
        return Failed(job, reason, error, failures + 1)
    return Requeued(job, at, failures + 1, error)
