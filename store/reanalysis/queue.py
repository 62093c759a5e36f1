"""The queue of conversations that are analysed again: what is due, who holds it, and what becomes of it.

Lock order: the re-analysis, its items by conversation, and then as `store/queue/analysis.py` has it. The long job that
chose the items only reads what is counted here.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from core.priority import REANALYSES
from domain.jobs import Failed, Requeued
from domain.reanalysis import Change, Rating
from models import (
    COMPLETED,
    DAY,
    SKIPPED,
    conversations,
    insights,
    provider_batches,
    reanalysis_items,
)
from store.conversations import turns
from store.engine.prepared import among
from store.engine.vault import vault_of
from store.insights import writing
from store.insights.writing import parse_clusters
from store.money import spending
from store.queue import conversation_events
from store.queue.analysis import AnalysisJob, Completed, Due, Outcome, by_origin, job_of
from store.queue.jobs import JobKind, JobQueue, Leases
from store.reanalysis.runs import Reanalysis, add_counts, locked, running

_c, _i, _item = conversations.c, insights.c, reanalysis_items.c
KIND = JobKind(
    table=reanalysis_items,
    key=_item.conversation,
    lane=REANALYSES,
    reads=tuple(
        _item[name] for name in ("conversation", "revision", "run_at", "failures", "pack_limit", "lease")
    ),
    holds=(_item.job,),
    only=among(_item.job, "jobs") & _item.freshness.is_(None),
    outlives=_item.lease.in_(select(provider_batches.c.holder).where(provider_batches.c.run_at.is_not(None))),
    end_columns=("change",),
    requeue_columns=("pack_limit",),
)
QUEUE = JobQueue(KIND)
BATCHED = JobQueue(replace(KIND, only=among(_item.job, "jobs") & (_item.freshness == DAY)))
"""Those that batches at the provider may have."""
OF_FRESHNESS = {None: QUEUE, DAY: BATCHED}


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The insight that counts is of this text, model and prompt already."""

    job: AnalysisJob


@dataclass(frozen=True, slots=True)
class Dropped:
    """The conversation is gone, or not what it was when it was chosen."""

    job: AnalysisJob


Ended = Completed | Unchanged | Dropped | Failed[AnalysisJob]


def is_due(connection: Connection, *, now: int, freshness: str | None = None) -> bool:
    """Whether a conversation of this freshness is due."""
    run = running(connection)
    due = select(_item.conversation).where(_item.freshness == freshness, _item.run_at <= now)
    return run is not None and connection.scalar(due.where(_item.job == run.job).limit(1)) is not None


def has_open(connection: Connection, job: int) -> bool:
    """Whether conversations of a job are left."""
    left = select(_item.conversation).where(_item.job == job, _item.run_at.is_not(None))
    return connection.scalar(left.limit(1)) is not None


def has_held(connection: Connection, job: int, *, now: int) -> bool:
    """Whether anybody is asking about a conversation of a job, or about to."""
    held = select(_item.conversation).where(_item.job == job, _item.lease.is_not(None), _item.run_at > now)
    return connection.scalar(held.limit(1)) is not None


# --- claiming -----------------------------------------------------------------------------------------------


def due_items(
    connection: Connection, run: Reanalysis, *, limit: int, now: int, freshness: str | None = None
) -> list[AnalysisJob]:
    """Up to `limit` conversations that are due, the longest first, locked; and drops those that have changed."""
    rows = OF_FRESHNESS[freshness].due(connection, limit=limit, now=now, jobs=[run.job])
    items = {number: state for number, *state in rows}
    found = _conversations(connection, [*items])
    there = [row for row in found if (row.revision, row.status) == (items[row.number][0], run.wanted)]
    gone = [_gone(number, run) for number in items.keys() - {row.number for row in there}]
    _end(connection, gone, {})
    _count(connection, gone)
    return [_due(job, items[job.number], run) for job in _jobs(connection, there)]


def read(connection: Connection, numbers: Sequence[int]) -> list[AnalysisJob]:
    """Conversations with their texts, whatever their status; without those that are gone."""
    return _jobs(connection, _conversations(connection, numbers))


def _conversations(connection: Connection, numbers: Sequence[int]) -> Sequence[Row[Any]]:
    columns = (*(_c[name] for name in Due._fields), _c.status)
    return connection.execute(select(*columns).where(_c.number.in_(numbers)).order_by(_c.number)).all()


def _jobs(connection: Connection, rows: Sequence[Row[Any]]) -> list[AnalysisJob]:
    said = turns.load_turns(connection, {row.number: row.message_count for row in rows})
    vault, width = vault_of(connection), len(Due._fields)
    return [job_of(vault, Due(*row[:width]), said[row.number]) for row in rows]


def _due(job: AnalysisJob, item: Sequence[Any], run: Reanalysis) -> AnalysisJob:
    _, due_at, failures, pack_limit, lease = item
    return job._replace(
        due_at=due_at, failures=failures, pack_limit=pack_limit, lease=lease, reanalysis=run.job
    )


def _gone(number: int, run: Reanalysis) -> Dropped:
    return Dropped(AnalysisJob(number, "", 0, 0, None, False, (), 0, reanalysis=run.job))


def goes_live_again(connection: Connection, numbers: Collection[int]) -> None:
    """No batch takes these any more."""
    if numbers:
        these = update(reanalysis_items).where(_item.conversation.in_(numbers))
        connection.execute(these.values(freshness=None))


def keys_of(connection: Connection, numbers: Sequence[int]) -> Mapping[int, bytes | None]:
    """The key of the text, the model and the prompt that each conversation's insight is of."""
    rows = connection.execute(select(_i.conversation, _i.cache_key).where(_i.conversation.in_(numbers)))
    return {number: None if key is None else bytes(key) for number, key in rows}


def hold_longer(connection: Connection, held: Sequence[AnalysisJob], *, until: int) -> set[int]:
    """Hold conversations until later; gives those that are still held."""
    return {*QUEUE.renew(connection, leases_of(held), until=until)}


def leases_of(held: Iterable[AnalysisJob]) -> Leases:
    """The lease under which each conversation was read."""
    return {job.number: job.lease for job in held}


# --- settling -----------------------------------------------------------------------------------------------


def settle(connection: Connection, outcomes: Sequence[Outcome | Unchanged], *, now: int) -> list[Outcome]:
    """Store what became of conversations; gives the outcomes that still counted.

    One that was deleted meanwhile, or has changed, is done with and gets nothing. Of a sample nothing is stored but
    what would change.
    """
    if not outcomes:
        return []
    runs = locked(connection, map(_run_of, outcomes))
    held = QUEUE.held(connection, leases_of(each.job for each in outcomes))
    mine = [each for each in outcomes if each.job.number in held]
    back = [each for each in mine if isinstance(each, Requeued)]
    QUEUE.requeue(connection, [(each.job.number, _return(each)) for each in back])
    ended = _still_true(connection, [each for each in mine if not isinstance(each, Requeued)], runs)
    answered = [each for each in ended if isinstance(each, Completed)]
    changes = _changes(connection, [each for each in ended if runs[_run_of(each)].sample is not None])
    _store(connection, [each for each in answered if each.job.number not in changes], runs, now)
    _end(connection, ended, changes)
    _count(connection, ended)
    spending.count_conversations(connection, spending.day_of(now), **by_origin(answered))
    return [*back, *(each for each in ended if isinstance(each, Completed | Failed))]


def _run_of(outcome: Outcome | Ended) -> int:
    assert outcome.job.reanalysis is not None  # noqa: S101  for the type checker: nothing else is claimed here
    return outcome.job.reanalysis


def _return(back: Requeued[AnalysisJob]) -> dict[str, Any]:
    return {"run_at": back.run_at, "failures": back.failures, "pack_limit": back.job.pack_limit}


def _still_true(
    connection: Connection, ended: Sequence[Any], runs: Mapping[int, Reanalysis]
) -> Sequence[Ended]:
    """The same, with those dropped that are gone or have changed; the conversations' rows are locked."""
    numbers = [each.job.number for each in ended]
    rows = select(_c.number, _c.revision, _c.status).where(_c.number.in_(numbers)).order_by(_c.number)
    found = {
        number: (revision, status) for number, revision, status in connection.execute(rows.with_for_update())
    }
    wanted = {each.job.number: (each.job.revision, runs[_run_of(each)].wanted) for each in ended}
    still = {number for number, state in wanted.items() if found.get(number) == state}
    return [each if each.job.number in still else Dropped(each.job) for each in ended]


def _store(
    connection: Connection, answered: Sequence[Completed], runs: Mapping[int, Reanalysis], now: int
) -> None:
    """Store insights. A conversation that had failed or was skipped is completed with it."""
    if not answered:
        return
    lacked = [each.job for each in answered if runs[_run_of(each)].wanted != COMPLETED]
    anew = {"status": COMPLETED, "error": None, "finished_at": now}
    if lacked:
        these = update(conversations).where(_c.number.in_([job.number for job in lacked]))
        connection.execute(these.values(anew))
    insights = [each.insight for each in answered]
    writing.store_insights(connection, insights)
    skipped = [each.job.timestamp for each in answered if runs[_run_of(each)].wanted == SKIPPED]
    writing.adjust_skipped(connection, skipped, -1)
    conversation_events.note_analysed(connection, insights, {}, now=now)


def _changes(connection: Connection, sampled: Sequence[Ended]) -> Mapping[int, str]:
    """What the conversations of a sample would change, as JSON; without those that have no answer."""
    columns = _i.conversation, _i.sentiment, _i.score, _i.clusters
    these = select(*columns).where(_i.conversation.in_([each.job.number for each in sampled]))
    before = {
        number: Rating(sentiment, score, parse_clusters(slugs))
        for number, sentiment, score, slugs in (connection.execute(these) if sampled else ())
    }
    found = {each.job.number: _after(each, before.get(each.job.number)) for each in sampled}
    return {
        number: json.dumps(Change(before.get(number), after))
        for number, after in found.items()
        if after is not None
    }


def _after(ended: Ended, before: Rating | None) -> Rating | None:
    match ended:
        case Completed(insight=insight):
            analysis = insight.analysis
            return Rating(analysis.sentiment, analysis.score, analysis.clusters)
        case Unchanged():
            return before
    return None


def sample_changes(connection: Connection, job: int) -> list[Change]:
    """What the conversations of a sample would change, as far as they are done."""
    stored = select(_item.change).where(_item.job == job, _item.change.is_not(None))
    return [_read(*json.loads(change)) for change in connection.scalars(stored)]


def _read(before: Sequence[Any] | None, after: Sequence[Any]) -> Change:
    return Change(None if before is None else Rating(*before), Rating(*after))


def _end(connection: Connection, ended: Sequence[Ended], changes: Mapping[int, str]) -> None:
    """What is done leaves the queue; of a sample it stays with what it would change."""
    kept = [each.job for each in ended if each.job.number in changes]
    ending = {"status": COMPLETED}
    QUEUE.end(
        connection,
        [(job.number, {**ending, "failures": job.failures, "change": changes[job.number]}) for job in kept],
    )
    gone = [each.job.number for each in ended if each.job.number not in changes]
    if gone:
        connection.execute(delete(reanalysis_items).where(_item.conversation.in_(gone)))


NAMES = {Completed: "changed", Unchanged: "unchanged", Dropped: "dropped", Failed: "failed"}


def _count(connection: Connection, ended: Iterable[Ended]) -> None:
    add_counts(connection, Counter((_run_of(each), NAMES[type(each)]) for each in ended))


def recover(connection: Connection, *, now: int) -> int:
    """Give back what this process held before it was started again; gives how many. Only without other processes."""
    return QUEUE.recover(connection, now=now)
