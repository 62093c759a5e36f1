"""The queue of conversations to be analysed. The only place that writes across aggregates.

Lock order, for every transaction that takes several: conversations by number, `asking` by key, insights and
roll-ups by key, calls. PostgreSQL made 0.75 batches a second and a deadlock a second without one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from core.errors import DoesNotOpen
from core.priority import BATCHES
from domain.jobs import Failed, Requeued
from domain.text import Turn
from models import COMPLETED, FAILED, NOT_COMPLETED, SKIPPED, conversations, provider_batches
from store.conversations import revisions, turns
from store.conversations.revisions import GrownSinceClaim, LeasedConversation
from store.engine.vault import Vault, vault_of
from store.insights import writing
from store.insights.writing import Insight
from store.money import spending
from store.queue import conversation_events, single_flight
from store.queue.jobs import JobKind, JobQueue, Leases


class Due(NamedTuple):
    """What is read of a conversation that is due."""

    number: int
    id: str
    revision: int
    timestamp: int
    author: str | None
    sealed_author: str | None
    is_chat: int
    run_at: int
    failures: int
    pack_limit: int | None
    pass_prefilter: int
    pass_cache: int
    message_count: int
    lease: str | None


QUEUE = JobQueue(
    JobKind(
        table=conversations,
        key=conversations.c.number,
        lane=BATCHES,
        reads=tuple(conversations.c[name] for name in Due._fields),
        holds=tuple(conversations.c[name] for name in LeasedConversation._fields[2:]),
        unfinished=NOT_COMPLETED,
        outlives=conversations.c.lease.in_(
            select(provider_batches.c.holder).where(provider_batches.c.run_at.is_not(None))
        ),
        # Whoever claims it here is not willing to let it wait.
        on_lease={"waits_for": None, "quiet_at": None, "freshness": None},
        on_renew={"attempts": conversations.c.attempts + 1},
        # The answer to a text must not make a conversation due again that has ended.
        on_end={"waits_for": None, "waiting_since": None, "quiet_at": None, "freshness": None},
        on_requeue={"quiet_at": None},
        end_columns=("error", "finished_at"),
        requeue_columns=("error", "pack_limit", "waits_for"),
    )
)


class AnalysisJob(NamedTuple):
    """One due conversation, as it was read.

    A tuple, like what else is made for every conversation: 1.8 us, and 6.5 as a frozen dataclass of as many fields.
    """

    number: int
    id: str
    revision: int
    timestamp: int
    author: str | None
    is_chat: bool
    turns: Sequence[Turn]
    due_at: int
    """When it fell due, UTC microseconds."""
    failures: int = 0
    pack_limit: int | None = None
    """The most conversations that a call with it may carry, after calls that failed as a whole."""
    pass_prefilter: bool = False
    pass_cache: bool = False
    message_count: int = 1
    """How many messages it had."""
    lease: str | None = None
    """Who held it when it was read. Its outcome counts only while that is still so."""
    is_readable: bool = True
    """Whether its texts and its author opened. If not, it has no turns."""
    reanalysis: int | None = None
    """The number of the long job that has it analysed again; None in the analysis queue."""
    can_wait_until: int | None = None
    """Of one that can wait: when it no longer can, UTC microseconds."""


class Completed(NamedTuple):
    """The conversation has an insight."""

    job: AnalysisJob
    insight: Insight


@dataclass(frozen=True, slots=True)
class Skipped:
    """The conversation needs no analysis."""

    job: AnalysisJob
    reason: str


@dataclass(frozen=True, slots=True)
class Parked(Requeued[AnalysisJob]):
    """Somebody else is asking about the same text; due again when that is answered, at the latest at `run_at`."""

    waits_for: bytes = field(kw_only=True)
    """The key of the text."""


Outcome = Completed | Skipped | Failed[AnalysisJob] | Requeued[AnalysisJob]
Held = Mapping[int, LeasedConversation]
"""Conversations that are still held, by number."""


def due(connection: Connection, *, limit: int, now: int) -> list[AnalysisJob]:
    """Up to `limit` conversations that are due, the longest first, locked until the transaction ends."""
    return jobs_read(connection, QUEUE.due(connection, limit=limit, now=now))


def jobs_read(connection: Connection, found: Sequence[Sequence[Any]]) -> list[AnalysisJob]:
    """Conversations that were read as `Due`, with their texts."""
    rows = [Due(*row) for row in found]
    said = turns.load_turns(connection, {row.number: row.message_count for row in rows})
    vault = vault_of(connection)
    return [job_of(vault, row, said[row.number]) for row in rows]


def job_of(vault: Vault, row: Due, said: Sequence[Turn] | None) -> AnalysisJob:
    """A conversation as it was read, with its texts; None are texts that do not open."""
    try:
        author = vault.open_author(conversations, row.id, row.author, row.sealed_author)
    except DoesNotOpen:
        author, said = None, None
    return AnalysisJob(
        number=row.number,
        id=row.id,
        revision=row.revision,
        timestamp=row.timestamp,
        author=author,
        is_chat=bool(row.is_chat),
        turns=said or (),
        due_at=row.run_at,
        failures=row.failures,
        pack_limit=row.pack_limit,
        pass_prefilter=bool(row.pass_prefilter),
        pass_cache=bool(row.pass_cache),
        message_count=row.message_count,
        lease=row.lease,
        is_readable=said is not None,
    )


def lease(connection: Connection, numbers: Sequence[int], *, token: str, until: int) -> None:
    """Hold conversations that `due` gave in this transaction until `until`."""
    QUEUE.lease(connection, numbers, token=token, until=until)


def renew(connection: Connection, jobs: Sequence[AnalysisJob], *, until: int) -> list[AnalysisJob]:
    """Hold conversations for one more call, counting the attempt; gives those that are still held."""
    held = {*QUEUE.renew(connection, _leases(jobs), until=until)}
    return [job for job in jobs if job.number in held]


def keep_held(connection: Connection, jobs: Sequence[AnalysisJob], *, until: int) -> None:
    """Hold those conversations for longer that are still held; no call is made for it."""
    QUEUE.keep_held(connection, _leases(jobs), until=until)


def settle(
    connection: Connection, outcomes: Sequence[Outcome], *, now: int, asked: Collection[bytes] = ()
) -> list[Outcome]:
    """Store what became of conversations; gives the outcomes that still counted.

    A conversation that was deleted, or that somebody else holds by now, is left as it is. One that got messages
    meanwhile keeps an insight, and is queued again whatever the outcome. `asked` are the keys of the texts that
    these leases were asking about, and no longer are.
    """
    if not outcomes:
        return []
    held = _held(connection, [outcome.job for outcome in outcomes])
    leases = {outcome.job.lease for outcome in outcomes if outcome.job.lease is not None}
    # Here, for the lock order: roll-ups come after it.
    single_flight.release(connection, asked, leases=leases, now=now)
    old = [each for each in outcomes if each.job.number in held and _is_old(each, held)]
    counted = [_still_true(each, held, now) for each in outcomes if each.job.number in held]
    stored = _store(connection, counted, now)
    revisions.requeue_grown(connection, [_overtaken(each, held[each.job.number]) for each in old])
    _count(connection, counted, now)
    _note_events(connection, counted, stored, now)
    return counted


def _leases(jobs: Sequence[AnalysisJob]) -> Leases:
    return {job.number: job.lease for job in jobs}


def _held(connection: Connection, jobs: Sequence[AnalysisJob]) -> Held:
    return {number: LeasedConversation(*row) for number, row in QUEUE.held(connection, _leases(jobs)).items()}


def _is_old(outcome: Outcome, held: Held) -> bool:
    return bool(held[outcome.job.number].revision > outcome.job.revision)


def _still_true(outcome: Outcome, held: Held, now: int) -> Outcome:
    """An insight of an older revision is one all the same; that there was none says nothing about the newer."""
    if isinstance(outcome, Skipped | Failed) and _is_old(outcome, held):
        return Requeued(outcome.job._replace(pack_limit=None), now, failures=0)
    return outcome


def _overtaken(outcome: Outcome, row: LeasedConversation) -> GrownSinceClaim:
    read = outcome.job.message_count
    if not isinstance(outcome, Requeued):
        return GrownSinceClaim(row, read, answered=True)
    return GrownSinceClaim(row, read, False, outcome.run_at, outcome.failures, outcome.job.pack_limit)


def _store(connection: Connection, counted: Sequence[Outcome], now: int) -> Sequence[Insight]:
    """End the conversations or give them back, with what belongs to each ending; gives the insights as they count."""
    back = [each for each in counted if isinstance(each, Requeued)]
    ended = [each for each in counted if not isinstance(each, Requeued)]
    sealed = partial(_sealed, vault_of(connection))
    QUEUE.end(connection, [sealed(each.job, {**_ending(each), "finished_at": now}) for each in ended])
    QUEUE.requeue(connection, [sealed(each.job, _return(each)) for each in back])
    made = [each.insight for each in ended if isinstance(each, Completed)]
    insights = writing.store_insights(connection, made)
    skipped = [each.job.timestamp for each in ended if isinstance(each, Skipped)]
    writing.adjust_skipped(connection, skipped, 1)
    return insights


def _sealed(vault: Vault, job: AnalysisJob, values: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return job.number, values | {"error": vault.seal("conversations.error", job.id, values["error"])}


def _ending(outcome: Completed | Skipped | Failed[AnalysisJob]) -> dict[str, Any]:
    match outcome:
        case Completed(job):
            return {"status": COMPLETED, "failures": job.failures, "error": None}
        case Skipped(job, reason):
            return {"status": SKIPPED, "failures": job.failures, "error": reason}
        case Failed():
            return {"status": FAILED, "failures": outcome.failures, "error": outcome.error}


def _return(back: Requeued[AnalysisJob]) -> dict[str, Any]:
    return {
        "run_at": back.run_at,
        "failures": back.failures,
        "error": back.error,
        "pack_limit": back.job.pack_limit,
        "waits_for": back.waits_for if isinstance(back, Parked) else None,
    }


def _count(connection: Connection, counted: Sequence[Outcome], now: int) -> None:
    done = [each for each in counted if isinstance(each, Completed)]
    skipped = sum(isinstance(each, Skipped) for each in counted)
    spending.count_conversations(connection, spending.day_of(now), **by_origin(done), skipped=skipped)


def by_origin(done: Sequence[Completed]) -> dict[str, int]:
    """How many a call has analysed, and how many have an answer from the cache.

    The offline analyzer's are neither: they cost nothing, and the cost of a conversation is a mean over those of calls.
    """
    cached = sum(each.insight.cached for each in done)
    return {"analysed": sum(each.insight.call is not None for each in done), "cached": cached}


def _note_events(
    connection: Connection, counted: Sequence[Outcome], insights: Sequence[Insight], now: int
) -> None:
    errors = {each.job.number: each.error for each in counted if isinstance(each, Failed)}
    conversation_events.note_analysed(connection, insights, errors, now=now)


def recover(connection: Connection, *, now: int) -> int:
    """Give back what this process held before it was started again; gives how many. Only without other processes."""
    found = QUEUE.recover(connection, now=now)
    single_flight.forget_all(connection, now=now)
    return found
