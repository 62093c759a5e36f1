"""Pure rules that turn what was claimed and what came back into an outcome."""

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
from domain.jobs import Failed, Job, Requeued
from domain.text import Excerpt, Show, cache_key, excerpt_of, prefilter_reason
from llm.prompts import text_tokens
from store.insights.writing import Insight
from store.queue.analysis import AnalysisJob, Completed, Outcome
from worker.settlement import LEASE_MARGIN, RENEWALS


@dataclass(frozen=True, slots=True)
class Policy:
    """How often, how long, how many. Durations in seconds."""

    max_retries: int
    """Attempts after the first, for a row that comes back invalid or a conversation that fails alone."""
    max_in_flight: int
    batch_tokens: int
    """The most tokens that the conversations of a call may add to its prompt."""
    call_timeout: float
    flush_after: float
    backoff: Callable[[int], float]
    """Seconds to wait after so many faults in a row."""
    prefilter: bool
    shown: Show
    """What analyzers are shown of a text, for analyses and summaries alike."""
    lease_margin: float = LEASE_MARGIN
    """By how much a lease outlives the longest call."""

    @property
    def renew_every(self) -> float:
        """How often a lease is renewed by whoever goes on for longer than a call."""
        return self.lease_margin / RENEWALS

    def lease_end(self, at: int, calls: int = 1) -> int:
        """When a lease taken at `at` ends: after `calls` calls that each take their full time-out, and a margin."""
        return at + round((calls * self.call_timeout + self.lease_margin) * SECOND)

    def gives_up(self, failures: int) -> bool:
        """Whether a job that failed so often by itself gets no further attempt."""
        return failures > self.max_retries


class Work(NamedTuple):
    """A conversation that is held and has to be asked about, with what is sent of it."""

    job: AnalysisJob
    excerpt: Excerpt
    key: bytes
    tokens: int
    """The most tokens that it adds to a call's prompt."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who gave an answer, when, and in which call."""

    analyzer: str
    model: str
    call: int | None
    at: int
    prompt_version: str


def work_of(job: AnalysisJob, version: str, shown: Show, stored: Callable[[bytes], bytes] = bytes) -> Work:
    """The job with what is sent of it and the key of its answer in the cache, as `stored` makes it of a hash."""
    whole = excerpt_of(job.turns, shown, is_chat=job.is_chat)
    return Work(job, whole, stored(cache_key(whole.text, version)), text_tokens(whole.text))


def unreadable(job: AnalysisJob) -> Failed[AnalysisJob]:
    """A conversation of which a sealed value does not open has failed. The log names the value."""
    return Failed(job, "unreadable", "a stored value of it does not open", job.failures)


def skip_reason(job: AnalysisJob, policy: Policy) -> str | None:
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
        prompt_version=by.prompt_version,
    )
    return Completed(job, insight)


def outcomes_of(reply: Reply, asked: Sequence[Work], by: Provenance, policy: Policy) -> list[Outcome]:
    """The outcome of each row by itself: a valid row counts even where its neighbour does not."""
    return [_judged(row, work, by, policy) for row, work in zip(reply.rows, asked, strict=True)]


def _judged(row: Row, work: Work, by: Provenance, policy: Policy) -> Outcome:
    if isinstance(row, Invalid):
        return charged(work.job, "invalid_row", row.reason, at=by.at, policy=policy)
    return completed(work, row, by)


def charged(job: Job, reason: str, error: str, *, at: int, policy: Policy) -> Failed[Job] | Requeued[Job]:
    """One more failure of the job's own: due again at `at`, or given up. `reason` labels a metric."""
    failures = job.failures + 1
    if policy.gives_up(failures):
        return Failed(job, reason, error, failures)
    return Requeued(job, at, failures, error)


def is_suspect(fault: CallFailed) -> bool:
    """Whether what the call carried may be to blame, rather than the provider alone."""
    if isinstance(fault, ProviderFault):
        return not isinstance(fault, RateLimited) and fault.outcome != "unreachable"
    return isinstance(fault, BatchFault)


def due_again(fault: CallFailed, *, at: int, wait: float) -> int:
    """When the jobs of a failed call are due again; `wait` is the seconds to wait after a provider's fault."""
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
    """The outcomes of a call that failed as a whole.

    Suspects are asked about in halves until one is alone. It is charged if a canary sent after the fault came back
    (`canary_passed`). All others go back uncharged. `wait` is the seconds to wait after a provider's fault.
    """
    jobs = [work.job for work in asked]
    again = due_again(fault, at=at, wait=wait)
    if not is_suspect(fault):
        return given_back(jobs, at=again)
    if len(jobs) == 1 and canary_passed:
        return [charged(jobs[0], fault.outcome, str(fault), at=again, policy=policy)]
    half = max(1, len(jobs) // 2)
    return [Requeued(job._replace(pack_limit=half), again, job.failures, str(fault)) for job in jobs]


def given_back(jobs: Sequence[AnalysisJob], *, at: int) -> list[Outcome]:
    """The conversations are due again at `at`, uncharged: it was not their fault."""
    return [Requeued(job, at, job.failures) for job in jobs]
