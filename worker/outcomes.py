"""What becomes of a conversation: pure rules, from what was claimed and what came back to an outcome."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.clock import SECOND
from domain.analysis import (
    Analysis,
    BatchFault,
    CallFailed,
    Invalid,
    ProviderFault,
    RateLimited,
    Reply,
    Row,
)
from domain.text import Excerpt, cache_key, excerpt, excerpt_of_turns, prefilter_reason
from llm.prompts import text_tokens
from store.insights.writing import Insight
from store.queue.analysis import Completed, Failed, Job, Outcome, Requeued
from worker.settlement import LEASE_MARGIN


@dataclass(frozen=True, slots=True)
class Policy:
    """How often, how long, how many. Durations in seconds."""

    max_retries: int
    """Askings after the first, for a row that comes back wrong or a conversation that fails alone."""
    max_in_flight: int
    batch_tokens: int
    """What the conversations of a call may add to its prompt, each counted at its most."""
    call_timeout: float
    flush_after: float
    backoff: Callable[[int], float]
    """Seconds to wait after so many faults in a row."""
    prefilter: bool

    def lease_end(self, at: int, calls: int = 1) -> int:
        """When a lease that is taken at `at` ends: after so many calls that take as long as they may."""
        return at + round((calls * self.call_timeout + LEASE_MARGIN) * SECOND)

    def gives_up(self, failures: int) -> bool:
        """Whether what failed so often by itself is not asked about again."""
        return failures > self.max_retries


class Work(NamedTuple):
    """A conversation that is held and has to be asked about."""

    job: Job
    excerpt: Excerpt
    key: bytes
    tokens: int
    """The most that it adds to a call's prompt."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who wrote an answer, when, and in which call."""

    analyzer: str
    model: str
    call: int | None
    at: int


def work_of(job: Job, version: str) -> Work:
    """The job with what is sent of it, and under which key its answer is kept."""
    whole = excerpt_of_turns(job.turns) if job.is_chat else excerpt(job.turns[0][1])
    return Work(job, whole, cache_key(whole.text, version), text_tokens(whole.text))


def skip_reason(job: Job, policy: Policy) -> str | None:
    """The prefilter's reason not to ask, or None."""
    if not policy.prefilter or job.pass_prefilter:
        return None
    return prefilter_reason([said for _, said in job.turns])


def completed(work: Work, analysis: Analysis, by: Provenance, *, cached: bool = False) -> Completed:
    """The conversation with its insight."""
    job = work.job
    insight = Insight(
        conversation=job.number,
        revision=job.revision,
        timestamp=job.timestamp,
        author=job.author,
        analysis=analysis,
        analyzer=by.analyzer,
        model=by.model,
        cached=cached,
        partial=work.excerpt.partial,
        analysed_at=by.at,
        call=by.call,
        cache_key=work.key,
    )
    return Completed(job, insight)


def outcomes_of(reply: Reply, asked: Sequence[Work], by: Provenance, policy: Policy) -> list[Outcome]:
    """Each row on its own: a valid one counts though its neighbour does not."""
    return [_judged(row, work, by, policy) for row, work in zip(reply.rows, asked, strict=True)]


def _judged(row: Row, work: Work, by: Provenance, policy: Policy) -> Outcome:
    if isinstance(row, Invalid):
        return charged(work.job, "invalid_row", row.reason, at=by.at, policy=policy)
    return completed(work, row, by)


def charged(job: Job, reason: str, error: str, *, at: int, policy: Policy) -> Outcome:
    """One more failure of this conversation's own: asked again, or given up; `reason` labels a metric."""
    failures = job.failures + 1
    if policy.gives_up(failures):
        return Failed(job, reason, error, failures)
    return Requeued(job, at, failures, job.pack_limit, error)


def is_suspect(fault: CallFailed) -> bool:
    """Whether what the call carried may be to blame, rather than the provider alone."""
    if isinstance(fault, ProviderFault):
        return not isinstance(fault, RateLimited) and fault.outcome != "unreachable"
    return isinstance(fault, BatchFault)


def due_again(fault: CallFailed, *, at: int, wait: float) -> int:
    """When what a failed call carried may be asked about again; `wait` is the seconds after a provider's fault."""
    if isinstance(fault, BatchFault):
        return at
    asked_for = fault.retry_after if isinstance(fault, RateLimited) else None
    return at + round((wait if asked_for is None else asked_for) * SECOND)


def outcomes_after(
    fault: CallFailed,
    asked: Sequence[Work],
    *,
    at: int,
    policy: Policy,
    wait: float,
    canary_passed: bool = True,
) -> list[Outcome]:
    """What a call that failed as a whole means for what it carried.

    Suspects are halved until one is alone; alone it is charged, if a canary sent after the fault came back
    (`canary_passed`). Everything else goes back uncharged. `wait` is the seconds to wait after a provider's fault.
    """
    jobs = [work.job for work in asked]
    again = due_again(fault, at=at, wait=wait)
    if not is_suspect(fault):
        return given_back(jobs, at=again)
    if len(jobs) == 1 and canary_passed:
        return [charged(jobs[0], fault.outcome, str(fault), at=again, policy=policy)]
    half = max(1, len(jobs) // 2)
    return [Requeued(job, again, job.failures, half, str(fault)) for job in jobs]


def given_back(jobs: Sequence[Job], *, at: int) -> list[Outcome]:
    """Nobody's fault: the conversations are due again at `at`, uncharged."""
    return [Requeued(job, at, job.failures, job.pack_limit) for job in jobs]
