"""Conversations that a re-analysis has chosen, as a source for the batch processor.

They are asked about with the prompt, the validation and the budget of fresh conversations, behind all of those: in a
lane that yields, with half of a day's budget at most, and with the re-analysis's own cap of money.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from core.clock import SECOND
from llm.budget import Budget
from llm.gateway import Gateway
from models import DAY
from store.engine.vault import vault_of
from store.insights import cached_answers
from store.queue import single_flight
from store.queue.analysis import AnalysisJob, Completed, Outcome
from store.queue.clock import ProcessClock
from store.reanalysis import queue, runs
from store.reanalysis.queue import Unchanged
from store.reanalysis.runs import Reanalysis
from worker.claims import Claimed
from worker.outcomes import Policy, Provenance, Work, completed, given_back, unreadable, work_of
from worker.sources import Booked, PaidCall, analysis_version, leases

TWIN_AGAIN_AFTER = SECOND
"""How long a conversation waits whose text is being asked about for another one."""
BUDGET_AGAIN_AFTER = 60 * SECOND
"""How long all wait when their half of the day's budget is spent."""


@dataclass
class ReanalysedConversations:
    """The queue of conversations that are analysed again. `token` makes the token of a lease."""

    gateway: Gateway
    policy: Policy
    clock: ProcessClock
    token: Callable[[], str]
    lane = queue.QUEUE.kind.lane
    is_mostly_empty = True
    wanted: Callable[[], Sequence[str | None]] = lambda: (None, DAY)
    """Of which freshness; `day` are those that batches at the provider may have."""
    _not_before: int = field(default=0, init=False)
    """When the day's budget is looked at again, UTC microseconds."""

    def is_due(self, connection: Connection) -> bool:
        """Whether anything may be due."""
        now = self.clock()
        if now < self._not_before:
            return False
        return any(queue.is_due(connection, now=now, freshness=each) for each in self._of(connection, now))

    def _of(self, connection: Connection, now: int) -> Sequence[str | None]:
        """What is taken; once no batch may have them any more, all of them."""
        wanted, run = self.wanted(), runs.running(connection)
        is_late = run is not None and run.lane_until is not None and run.lane_until <= now
        return (None, DAY) if is_late and None in wanted else wanted

    def take(self, connection: Connection, limit: int) -> Claimed:
        """Claim up to `limit` conversations that are due. Those whose answer is known are settled with it."""
        run = runs.running(connection, locked=True)
        if run is None:
            return Claimed(0, (), ())
        now = self.clock.now(connection)
        jobs: list[AnalysisJob] = []
        for each in self._of(connection, now):
            left = limit - len(jobs)
            jobs += queue.due_items(connection, run, limit=left, now=now, freshness=each) if left else ()
        failed = [unreadable(job) for job in jobs if not job.is_readable]
        version, shown, key = analysis_version(self.gateway), self.policy.shown, vault_of(connection).key
        works = [work_of(job, version, shown, key) for job in jobs if job.is_readable]
        ended = [*failed, *self._known(connection, works, now)]
        spared = {each.job.number for each in ended}
        open_ = [work for work in works if work.job.number not in spared]
        held, twins = self._shared(connection, open_, now)
        settled = queue.settle(connection, [*ended, *twins], now=now)
        return Claimed(len(jobs), held, settled)

    def _known(
        self, connection: Connection, works: Sequence[Work], now: int
    ) -> Iterable[Completed | Unchanged]:
        """Those whose insight is of this version already, and those with the text of one that is."""
        keys = queue.keys_of(connection, [work.job.number for work in works])
        others = [work for work in works if keys.get(work.job.number) != work.key]
        known = cached_answers.cached_answers(connection, {work.key for work in others})
        for work in works:
            if keys.get(work.job.number) == work.key:
                yield Unchanged(work.job)
            elif (source := known.get(work.key)) is not None:
                by = Provenance(source.analyzer, source.model, None, now, source.prompt_version)
                yield completed(work, source.analysis, by, cached=True)

    def _shared(
        self, connection: Connection, works: Sequence[Work], now: int
    ) -> tuple[list[Work], list[Outcome]]:
        """Hold one conversation of each text; its twins wait for the answer."""
        token, until = self.token(), self.policy.lease_end(now)
        names = {asking_key(work) for work in works}
        others = single_flight.lead(connection, names, lease=token, until=until, now=now)
        first: dict[bytes, Work] = {}
        for work in works:
            if asking_key(work) not in others:
                first.setdefault(work.key, work)
        led = {work.job.number: work for work in first.values()}
        twins = given_back(
            [work.job for work in works if work.job.number not in led], at=now + TWIN_AGAIN_AFTER
        )
        queue.QUEUE.lease(connection, [*led], token=token, until=until)
        return [work._replace(job=work.job._replace(lease=token)) for work in led.values()], twins

    def renew(self, connection: Connection, works: Sequence[Work], *, until: int) -> list[Work]:
        """Hold conversations for one more call; gives those that are still held, and whose job was not stopped."""
        going_on = runs.still_running(connection, map(_job_of, works))
        stopped = [work for work in works if work.job.reanalysis not in going_on]
        self.settle(connection, given_back([work.job for work in stopped], at=self.clock()), asked=stopped)
        mine = [work for work in works if work.job.reanalysis in going_on]
        held = queue.hold_longer(connection, [work.job for work in mine], until=until)
        still = [work for work in mine if work.job.number in held]
        self._extend(connection, still, until)
        return still

    def keep_held(self, connection: Connection, works: Sequence[Work], *, until: int) -> None:
        """Hold conversations for longer whose answers are there and wait to be stored."""
        queue.hold_longer(connection, [work.job for work in works], until=until)
        self._extend(connection, works, until)

    def _extend(self, connection: Connection, works: Sequence[Work], until: int) -> None:
        names = {asking_key(work) for work in works}
        single_flight.extend(connection, names, leases=leases(works), until=until)

    def reserve(self, connection: Connection, budget: Budget, works: Sequence[Work]) -> Booked:
        """Reserve the cost of a call with as many of these, in order, as the cap and half of the day cover."""
        run = _run_of(connection, works)
        texts = [work.excerpt.text for work in works]
        fitting = _within(budget, texts, run.left_ticks)
        if not fitting:
            runs.note_spent(connection, run.job)
            return Booked(0, None)
        ours = budget.of_what_can_wait()
        fitting, reservation = ours.reserve_for(connection, texts[:fitting], conversations=fitting)
        if reservation is None:
            self._not_before = self.clock() + BUDGET_AGAIN_AFTER
        else:
            runs.reserve_for_call(connection, run.job, reservation.reserved)
        return Booked(fitting, reservation)

    def settle(
        self, connection: Connection, outcomes: Sequence[Outcome], *, asked: Sequence[Work]
    ) -> list[Outcome]:
        """Store what became of conversations; gives the outcomes that still counted."""
        counted = queue.settle(connection, outcomes, now=self.clock())
        names = {asking_key(work) for work in asked}
        single_flight.release(connection, names, leases=leases(asked), now=self.clock())
        return counted

    def charge(self, connection: Connection, calls: Sequence[PaidCall]) -> None:
        """Charge calls to their re-analyses."""
        reserved: defaultdict[int, int] = defaultdict(int)
        cost: defaultdict[int, int] = defaultdict(int)
        for call in calls:
            job = _job_of(call.carried[0])
            reserved[job] += call.reserved
            cost[job] += call.cost
        for job in sorted(reserved):
            runs.charge_call(connection, job, reserved=reserved[job], cost=cost[job])


def asking_key(work: Work) -> bytes:
    """The key of a text among those that are asked about again.

    Not the key of the text itself: a fresh conversation with this text would wait for a call that goes behind all.
    """
    return hashlib.sha256(b"again" + work.key).digest()


def _job_of(work: Work) -> int:
    job = work.job.reanalysis
    assert job is not None  # noqa: S101  for the type checker: nothing else is claimed here
    return job


def _run_of(connection: Connection, works: Sequence[Work]) -> Reanalysis:
    # All of a batch are of one job: while one is under way, no other begins.
    run = runs.get(connection, _job_of(works[0]))
    assert run is not None  # noqa: S101  for the type checker: it is never deleted
    return run


def _within(budget: Budget, texts: Sequence[str], left: int | None) -> int:
    """How many of the texts one call may carry, in order, for so many ticks at worst."""
    if left is None:
        return len(texts)
    low, high = 0, len(texts)
    while low < high:
        middle = (low + high + 1) // 2
        fits = budget.worst_case_cost(texts[:middle]) <= left
        low, high = (middle, high) if fits else (low, middle - 1)
    return low
