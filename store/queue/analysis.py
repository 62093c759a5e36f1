"""The queue: what is due, who holds it, and how it ends. The only place that writes across aggregates.

Lock order, for every transaction that takes several: conversations by number, `asking` by key, insights and
roll-ups by key, calls. PostgreSQL made 0.75 batches a second and a deadlock a second without one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, update

from domain.text import Turn
from models import FAILED, NOT_COMPLETED, PROCESSING, QUEUED, SKIPPED, conversations
from store.conversations import revisions, turns
from store.conversations.revisions import GrownSinceClaim, LeasedConversation
from store.insights import writing
from store.insights.writing import Insight
from store.money import spending
from store.queue import in_flight, statements
from store.queue.statements import Due


class Job(NamedTuple):
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
    """The most conversations a call with it may carry, after calls that failed as a whole."""
    pass_prefilter: bool = False
    pass_cache: bool = False
    message_count: int = 1
    """How many messages it had."""
    lease: str | None = None
    """Who held it when it was read. Its end counts only while that is still so."""


class Completed(NamedTuple):
    """It has an insight."""

    job: Job
    insight: Insight


@dataclass(frozen=True, slots=True)
class Skipped:
    """It needs no analysis."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It was asked often enough."""

    job: Job
    reason: str
    """One word, of a small set."""
    error: str
    failures: int


@dataclass(frozen=True, slots=True)
class Requeued:
    """It goes back, to be asked again at `run_at` or when the text it waits for is answered."""

    job: Job
    run_at: int
    failures: int
    pack_limit: int | None = None
    error: str | None = None
    waits_for: bytes | None = None


Outcome = Completed | Skipped | Failed | Requeued
Held = Mapping[int, LeasedConversation]
"""Conversations that are held, by number."""


def due(connection: Connection, *, limit: int, now: int) -> list[Job]:
    """Up to `limit` conversations that are due, the longest first, locked until the transaction ends.

    New ones, those to be asked again, and those whose holder died are all due alike.
    """
    rows = [Due(*row) for row in statements.DUE.rows(connection, {"now": now, "most": limit})]
    said = turns.load_turns(connection, {row.number: row.message_count for row in rows})
    return [
        Job(
            number=row.number,
            id=row.id,
            revision=row.revision,
            timestamp=row.timestamp,
            author=row.author,
            is_chat=bool(row.is_chat),
            turns=said[row.number],
            due_at=row.run_at,
            failures=row.failures,
            pack_limit=row.pack_limit,
            pass_prefilter=bool(row.pass_prefilter),
            pass_cache=bool(row.pass_cache),
            message_count=row.message_count,
            lease=row.lease,
        )
        for row in rows
    ]


def lease(connection: Connection, numbers: Sequence[int], *, token: str, until: int) -> None:
    """Hold conversations that `due` gave in this transaction until `until`."""
    if numbers:
        connection.execute(statements.LEASE, {"numbers": numbers, "token": token, "until": until})


def renew(connection: Connection, jobs: Sequence[Job], *, until: int) -> list[Job]:
    """Hold conversations for one more call, counting the attempt; gives those that are still held."""
    held = _held(connection, jobs)
    connection.execute(statements.RENEW, {"numbers": list(held), "until": until})
    return [job for job in jobs if job.number in held]


def settle(
    connection: Connection, outcomes: Sequence[Outcome], *, now: int, asked: Collection[bytes] = ()
) -> list[Outcome]:
    """Carry out what became of conversations; gives the outcomes that still counted.

    A conversation that was deleted, or that somebody else holds by now, is left as it is. One that got messages
    meanwhile keeps an insight, and is queued again whatever the outcome. `asked` are the keys of texts that
    were asked about under these leases and are so no more.
    """
    if not outcomes:
        return []
    held = _held(connection, [outcome.job for outcome in outcomes])
    leases = {outcome.job.lease for outcome in outcomes if outcome.job.lease is not None}
    # Here, for the lock order: roll-ups come after it.
    in_flight.release(connection, asked, leases=leases, now=now)
    old = [each for each in outcomes if each.job.number in held and _is_old(each, held)]
    counted = [_still_true(each, held, now) for each in outcomes if each.job.number in held]
    _complete(connection, [each for each in counted if isinstance(each, Completed)], now)
    _skip(connection, [each for each in counted if isinstance(each, Skipped)], now)
    _fail(connection, [each for each in counted if isinstance(each, Failed)], now)
    _requeue(connection, [each for each in counted if isinstance(each, Requeued)])
    revisions.requeue_grown(connection, [_overtaken(each, held[each.job.number]) for each in old])
    _count(connection, counted, now)
    return counted


def _held(connection: Connection, jobs: Iterable[Job]) -> Held:
    """The rows of those conversations that are still held as they were when read, locked."""
    by_number = {job.number: job for job in jobs}
    rows = (
        LeasedConversation(*row) for row in statements.HELD.rows(connection, {"numbers": sorted(by_number)})
    )
    return {row.number: row for row in rows if row.lease == by_number[row.number].lease}


def _is_old(outcome: Outcome, held: Held) -> bool:
    return bool(held[outcome.job.number].revision > outcome.job.revision)


def _still_true(outcome: Outcome, held: Held, now: int) -> Outcome:
    """An insight is one of an older revision too; that there is none says nothing about the newer."""
    if isinstance(outcome, Skipped | Failed) and _is_old(outcome, held):
        return Requeued(outcome.job, now, failures=0)
    return outcome


def _overtaken(outcome: Outcome, row: LeasedConversation) -> GrownSinceClaim:
    read = outcome.job.message_count
    if not isinstance(outcome, Requeued):
        return GrownSinceClaim(row, read, answered=True)
    return GrownSinceClaim(row, read, False, outcome.run_at, outcome.failures, outcome.pack_limit)


def _complete(connection: Connection, done: Sequence[Completed], now: int) -> None:
    if not done:
        return
    connection.execute(statements.COMPLETE, {"numbers": [each.job.number for each in done], "now": now})
    writing.store_insights(connection, [each.insight for each in done])


def _skip(connection: Connection, skipped: Sequence[Skipped], now: int) -> None:
    _end(connection, SKIPPED, [(each.job, each.reason, each.job.failures) for each in skipped], now)
    writing.adjust_skipped(connection, [each.job.timestamp for each in skipped], 1)


def _fail(connection: Connection, failed: Sequence[Failed], now: int) -> None:
    _end(connection, FAILED, [(each.job, each.error, each.failures) for each in failed], now)


def _end(connection: Connection, status: str, jobs: Sequence[tuple[Job, str, int]], now: int) -> None:
    if not jobs:
        return
    connection.execute(
        statements.END,
        [
            {"at": job.number, "new_status": status, "why": why, "count": failures, "now": now}
            for job, why, failures in jobs
        ],
    )


def _requeue(connection: Connection, back: Sequence[Requeued]) -> None:
    if not back:
        return
    rows = [
        {"at": b.job.number, **{f"new_{name}": getattr(b, name) for name in statements.ANEW}} for b in back
    ]
    connection.execute(statements.REQUEUE, rows)


def _count(connection: Connection, counted: Sequence[Outcome], now: int) -> None:
    done = [each.insight.cached for each in counted if isinstance(each, Completed)]
    skipped = sum(isinstance(each, Skipped) for each in counted)
    day = spending.day_of(now)
    spending.count_conversations(
        connection, day, analysed=len(done) - sum(done), cached=sum(done), skipped=skipped
    )


def recover(connection: Connection, *, now: int) -> int:
    """Put back what another life of this process held: nobody else can. Gives how many."""
    c = conversations.c
    left = update(conversations).where(NOT_COMPLETED, c.status == PROCESSING)
    found = connection.execute(left.values(status=QUEUED, lease=None, run_at=now, quiet_at=None)).rowcount
    in_flight.forget_all(connection, now=now)
    return found
