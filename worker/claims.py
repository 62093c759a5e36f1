"""One claim, in one transaction: each due conversation is skipped, answered from the cache, parked, or leased."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from sqlalchemy import Connection

from store.engine.vault import vault_of
from store.insights import cached_answers
from store.queue import analysis, single_flight
from store.queue.analysis import AnalysisJob, Completed, Outcome, Parked, Skipped
from worker.outcomes import Policy, Provenance, Work, completed, skip_reason, unreadable, work_of

DIGITS = 4_000
"""What a claim reads before it ends. Redaction takes up to 150 us for a digit, so 0.6 s, and SQLite has one writer."""
DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim found."""

    due: int
    """How many conversations were due."""
    work: Sequence[Work]
    """Those that have to be asked about; the claim holds them."""
    ended: Sequence[Outcome]
    """What became of the others."""
    cut_short: bool = False
    """Whether it ended before its limit, and left some that are due to the next claim."""


class Claimable(Protocol):
    """Conversations of the analysis queue that are claimed alike."""

    def due(self, connection: Connection, *, limit: int, now: int) -> Sequence[AnalysisJob]:
        """Up to `limit` that are due, locked until the transaction ends."""
        ...

    def lease(self, connection: Connection, numbers: Sequence[int], *, token: str, until: int) -> None:
        """Hold those."""
        ...

    def asked_as(self, key: bytes) -> bytes:
        """The name under which a text is asked about, by its key in the cache."""
        ...


class ClaimedAtOnce:
    """All that are due."""

    due, lease = staticmethod(analysis.due), staticmethod(analysis.lease)

    def asked_as(self, key: bytes) -> bytes:
        """The key itself."""
        return key


AT_ONCE = ClaimedAtOnce()


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims, when, until when, and by which rules. Times are UTC microseconds."""

    now: int
    token: str
    until: int
    version: str
    """Model and prompt: what an analysis depends on beside the text."""
    policy: Policy
    of: Claimable = AT_ONCE

    def take(self, connection: Connection, limit: int) -> Claimed:
        """Claim up to `limit` conversations that are due."""
        due = self.of.due(connection, limit=limit, now=self.now)
        jobs = _first(due)
        if not jobs:
            return Claimed(0, (), ())
        failed = [unreadable(job) for job in jobs if not job.is_readable]
        readable = [job for job in jobs if job.is_readable]
        skipped = [Skipped(job, why) for job in readable if (why := skip_reason(job, self.policy))]
        spared = {each.job.number for each in skipped}
        key, shown = vault_of(connection).key, self.policy.shown
        works = [work_of(job, self.version, shown, key) for job in readable if job.number not in spared]
        hold, ended = self._share(connection, works)
        settled = analysis.settle(connection, [*failed, *skipped, *ended], now=self.now)
        self.of.lease(connection, [work.job.number for work in hold], token=self.token, until=self.until)
        held = [work._replace(job=work.job._replace(lease=self.token)) for work in hold]
        return Claimed(len(jobs), held, settled, cut_short=len(jobs) < len(due))

    def _share(self, connection: Connection, works: Sequence[Work]) -> tuple[list[Work], list[Outcome]]:
        """Hold one conversation of each text, but not its twins, nor those whose answer is known."""
        keys = {work.key for work in works}
        names = {key: self.of.asked_as(key) for key in keys}
        asking = {*names.values()}
        asked = single_flight.lead(connection, asking, lease=self.token, until=self.until, now=self.now)
        others = {key: asked[name] for key, name in names.items() if name in asked}
        # Looked up after the lock is taken: whoever released it a moment ago has left the answer.
        known = cached_answers.cached_answers(connection, keys)
        answered = {key for key in keys if key in known}
        hold: dict[bytes, Work] = {}
        ended: list[Outcome] = []
        for work in works:
            if work.key in answered and not work.job.pass_cache:
                ended.append(self._copy(work, known[work.key]))
            elif work.key in others or work.key in hold:
                ended.append(self._parked(work, others.get(work.key, self.until)))
            else:
                hold[work.key] = work
        idle = {names[key] for key in keys - hold.keys() - others.keys()}
        single_flight.release(connection, idle, leases={self.token}, now=self.now)
        return list(hold.values()), ended

    def _copy(self, work: Work, source: cached_answers.CachedAnswer) -> Completed:
        by = Provenance(source.analyzer, source.model, None, self.now, source.prompt_version)
        return completed(work, source.analysis, by, cached=True)

    def _parked(self, work: Work, until: int) -> Parked:
        until = max(until, work.job.can_wait_until or 0)
        return Parked(work.job, until, work.job.failures, waits_for=self.of.asked_as(work.key))


def _first(jobs: Sequence[AnalysisJob]) -> Sequence[AnalysisJob]:
    """The first of the jobs, with DIGITS digits in all, but at least one."""
    read = accumulate(map(_digits, jobs), initial=0)
    return [job for job, before in zip(jobs, read, strict=False) if before < DIGITS]


def _digits(job: AnalysisJob) -> int:
    return sum(len(DIGIT.findall(text)) for _, text in job.turns)
