"""The queue: what is due, who holds it, and how it ends. The only place that writes across aggregates.

Lock order, for every transaction that takes several: conversations by number, `asking` by key, insights and
roll-ups by key, calls. PostgreSQL made 0.75 batches a second and a deadlock a second without one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from models import COMPLETED, FAILED, NOT_COMPLETED, PROCESSING, QUEUED, SKIPPED, conversations
from store import asking, insights, revisions, spending, turns
from store.insights import Insight
from store.revisions import Overtaken
from text import Turn


@dataclass(frozen=True, slots=True)
class Job:
    """One due conversation, as it was read."""

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


@dataclass(frozen=True, slots=True)
class Completed:
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
Held = Mapping[int, Row[Any]]
"""Conversations that are held, by number; rows of `conversations`."""


JOB_COLUMNS = tuple(
    conversations.c[name]
    for name in (
        "number",
        "id",
        "revision",
        "timestamp",
        "author",
        "is_chat",
        "run_at",
        "failures",
        "pack_limit",
        "pass_prefilter",
        "pass_cache",
        "message_count",
        "lease",
    )
)
HELD_COLUMNS = tuple(
    conversations.c[name]
    for name in ("number", "lease", "revision", "received_at", "waiting_since", "quiet_at")
)
# Of every ending: an ended row is nobody's, and a text's answer must not make it due again.
ENDED = {"run_at": None, "lease": None, "waits_for": None, "waiting_since": None, "quiet_at": None}


def due(connection: Connection, *, limit: int, now: int) -> list[Job]:
    """Up to `limit` conversations that are due, the longest first, locked until the transaction ends.

    New ones, those to be asked again, and those whose holder died are all due alike.
    """
    c = conversations.c
    statement = (
        select(*JOB_COLUMNS)
        .where(c.run_at <= now)
        .order_by(c.run_at, c.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(statement).all()
    said = turns.of(connection, rows)
    return [
        Job(
            number=row.number,
            id=row.id,
            revision=row.revision,
            timestamp=row.timestamp,
            author=row.author,
            is_chat=row.is_chat,
            turns=said[row.number],
            due_at=row.run_at,
            failures=row.failures,
            pack_limit=row.pack_limit,
            pass_prefilter=row.pass_prefilter,
            pass_cache=row.pass_cache,
            message_count=row.message_count,
            lease=row.lease,
        )
        for row in rows
    ]


def lease(connection: Connection, numbers: Sequence[int], *, token: str, until: int) -> None:
    """Hold conversations that `due` gave in this transaction until `until`."""
    if not numbers:
        return
    c = conversations.c
    held = {"status": PROCESSING, "lease": token, "run_at": until, "waits_for": None, "quiet_at": None}
    connection.execute(update(conversations).where(c.number.in_(numbers)).values(held))


def renew(connection: Connection, jobs: Sequence[Job], *, until: int) -> list[Job]:
    """Hold conversations for one more call, counting the attempt; gives those that are still held."""
    held = _held(connection, jobs)
    c = conversations.c
    connection.execute(
        update(conversations).where(c.number.in_(held)).values(run_at=until, attempts=c.attempts + 1)
    )
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
    asking.release(connection, asked, leases=leases, now=now)
    old = [each for each in outcomes if each.job.number in held and _is_old(each, held)]
    counted = [_still_true(each, held, now) for each in outcomes if each.job.number in held]
    _complete(connection, [each for each in counted if isinstance(each, Completed)], now)
    _skip(connection, [each for each in counted if isinstance(each, Skipped)], now)
    _fail(connection, [each for each in counted if isinstance(each, Failed)], now)
    _requeue(connection, [each for each in counted if isinstance(each, Requeued)])
    revisions.queue_again(connection, [_overtaken(each, held[each.job.number]) for each in old])
    _count(connection, counted, now)
    return counted


def _held(connection: Connection, jobs: Iterable[Job]) -> Held:
    """The rows of those conversations that are still held as they were when read, locked."""
    by_number = {job.number: job for job in jobs}
    c = conversations.c
    statement = select(*HELD_COLUMNS).where(c.number.in_(sorted(by_number))).order_by(c.number)
    rows = connection.execute(statement.with_for_update()).all()
    return {row.number: row for row in rows if row.lease == by_number[row.number].lease}


def _is_old(outcome: Outcome, held: Held) -> bool:
    return bool(held[outcome.job.number].revision > outcome.job.revision)


def _still_true(outcome: Outcome, held: Held, now: int) -> Outcome:
    """An insight is one of an older revision too; that there is none says nothing about the newer."""
    if isinstance(outcome, Skipped | Failed) and _is_old(outcome, held):
        return Requeued(outcome.job, now, failures=0)
    return outcome


def _overtaken(outcome: Outcome, row: Row[Any]) -> Overtaken:
    read = outcome.job.message_count
    if not isinstance(outcome, Requeued):
        return Overtaken(row, read, answered=True)
    return Overtaken(row, read, False, outcome.run_at, outcome.failures, outcome.pack_limit)


def _complete(connection: Connection, done: Sequence[Completed], now: int) -> None:
    if not done:
        return
    c = conversations.c
    ended = {**ENDED, "status": COMPLETED, "error": None, "finished_at": now}
    numbers = [each.job.number for each in done]
    connection.execute(update(conversations).where(c.number.in_(numbers)).values(ended))
    insights.put(connection, [each.insight for each in done])


def _skip(connection: Connection, skipped: Sequence[Skipped], now: int) -> None:
    _end(connection, SKIPPED, [(each.job, each.reason, each.job.failures) for each in skipped], now)
    insights.count_skipped(connection, [each.job.timestamp for each in skipped], 1)


def _fail(connection: Connection, failed: Sequence[Failed], now: int) -> None:
    _end(connection, FAILED, [(each.job, each.error, each.failures) for each in failed], now)


def _end(connection: Connection, status: str, jobs: Sequence[tuple[Job, str, int]], now: int) -> None:
    if not jobs:
        return
    ended = {**ENDED, "status": status, "finished_at": now}
    own: dict[str, object] = {"error": bindparam("why"), "failures": bindparam("count")}
    connection.execute(
        update(conversations).where(conversations.c.number == bindparam("at")).values({**ended, **own}),
        [{"at": job.number, "why": why, "count": failures} for job, why, failures in jobs],
    )


def _requeue(connection: Connection, back: Sequence[Requeued]) -> None:
    if not back:
        return
    names = ("run_at", "failures", "pack_limit", "error", "waits_for")
    values: dict[str, object] = {
        "status": QUEUED,
        "lease": None,
        "quiet_at": None,
        **{name: bindparam(f"new_{name}") for name in names},
    }
    connection.execute(
        update(conversations).where(conversations.c.number == bindparam("at")).values(values),
        [{"at": b.job.number, **{f"new_{name}": getattr(b, name) for name in names}} for b in back],
    )


def _count(connection: Connection, counted: Sequence[Outcome], now: int) -> None:
    done = [each.insight.cached for each in counted if isinstance(each, Completed)]
    skipped = sum(isinstance(each, Skipped) for each in counted)
    day = spending.day_of(now)
    spending.count(connection, day, analysed=len(done) - sum(done), cached=sum(done), skipped=skipped)


def recover(connection: Connection, *, now: int) -> int:
    """Put back what another life of this process held: nobody else can. Gives how many."""
    c = conversations.c
    left = update(conversations).where(NOT_COMPLETED, c.status == PROCESSING)
    found = connection.execute(left.values(status=QUEUED, lease=None, run_at=now, quiet_at=None)).rowcount
    asking.forget_all(connection, now=now)
    return found
