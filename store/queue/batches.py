"""The queue of batches at the provider: what each has come to, who looks after it, and when it is looked at next.

Whoever holds a batch changes it, each time in a transaction that finds it still held. Lock order: the batch, a
re-analysis, its requests, and then as `store/queue/analysis.py` has it. Times are UTC microseconds.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Select, bindparam, delete, func, insert, select, update

from core.priority import BATCH_API
from models import (
    ENDED,
    FILLING,
    LATE,
    NOT_COMPLETED,
    PROCESSING,
    QUEUED,
    asking,
    batch_items,
    batch_requests,
    conversations,
    provider_batches,
    reanalysis_items,
)
from store.queue import single_flight
from store.queue.jobs import JobKind, JobQueue
from store.queue.waiting import count_waiting

_b, _r, _i = provider_batches.c, batch_requests.c, batch_items.c
HELD_AT_ONCE = 1_000
"""Conversations that one transaction has held for longer."""
SWEPT_AT_ONCE = 20
"""Requests of batches that the provider keeps no more which one transaction deletes."""


class Batch(NamedTuple):
    """A batch as it was read."""

    number: int
    id: str
    stage: str
    holder: str
    """The lease under which it holds its conversations."""
    provider_id: str | None
    is_tried: bool
    reanalysis: int | None
    model: str
    prompt_version: str
    created_at: int
    deadline: int
    kept_until: int
    cancelled_by: str | None
    seen: str | None
    seen_at: int | None
    failures: int
    requests: int
    answered: int
    lease: str | None


FIELDS = tuple(_b[name] for name in Batch._fields)
QUEUE = JobQueue(
    JobKind(
        table=provider_batches,
        key=_b.number,
        lane=BATCH_API,
        reads=FIELDS,
        end_columns=("stage", "ended_at"),
    )
)


def begin_batch(
    connection: Connection,
    *,
    model: str,
    prompt_version: str,
    reanalysis: int | None,
    now: int,
    deadline: int,
    kept: int,
) -> None:
    """Note an empty batch, to be filled. Its name and its lease are there before anybody hears of it."""
    new = {
        "id": f"insights-{uuid.uuid4().hex[:30]}",
        "status": QUEUED,
        "run_at": now,
        "stage": FILLING,
        "holder": uuid.uuid4().hex,
        "reanalysis": reanalysis,
        "model": model,
        "prompt_version": prompt_version,
        "created_at": now,
        "deadline": deadline,
        "kept_until": now + kept,
    }
    connection.execute(insert(provider_batches).values(new))


def has_filling(connection: Connection, reanalysis: int | None) -> bool:
    """Whether a batch is being filled with conversations of the analysis queue, or of a re-analysis."""
    found = select(_b.number).where(_b.run_at.is_not(None), _b.stage == FILLING)
    of = _b.reanalysis.is_(None) if reanalysis is None else _b.reanalysis == reanalysis
    return connection.scalar(found.where(of).limit(1)) is not None


def count_open(connection: Connection) -> int:
    """How many batches are not over."""
    return (
        connection.scalar(select(func.count()).select_from(provider_batches).where(_b.run_at.is_not(None)))
        or 0
    )


DUE = select(_b.number).where(_b.run_at <= bindparam("now", type_=BigInteger)).limit(1)


def is_due(connection: Connection, *, now: int) -> bool:
    """Whether a batch has to be looked at."""
    return connection.scalar(DUE, {"now": now}) is not None


def claim(connection: Connection, *, now: int, token: str, until: int, limit: int) -> list[Batch]:
    """Hold up to `limit` batches that have to be looked at."""
    found = [Batch(*row) for row in QUEUE.due(connection, limit=limit, now=now)]
    QUEUE.lease(connection, [each.number for each in found], token=token, until=until)
    return [each._replace(lease=token) for each in found]


def renewed(connection: Connection, batch: Batch, *, until: int) -> Batch | None:
    """The batch as it is now, locked and held until later; None if it is not held any more."""
    if not QUEUE.renew(connection, {batch.number: batch.lease}, until=until):
        return None
    return Batch(*connection.execute(select(*FIELDS).where(_b.number == batch.number)).one())


def put_batch(connection: Connection, number: int, **values: object) -> None:
    """Change a batch, in a transaction that has found it to be held."""
    connection.execute(update(provider_batches).where(_b.number == number).values(values))


def add_to(connection: Connection, number: int, **more: int) -> None:
    """Add to the counts of a batch."""
    connection.execute(
        update(provider_batches)
        .where(_b.number == number)
        .values({name: _b[name] + count for name, count in more.items()})
    )


def release_batch(connection: Connection, batch: Batch, *, run_at: int, failures: int) -> None:
    """Have it looked at later, by whomever."""
    if QUEUE.held(connection, {batch.number: batch.lease}):
        QUEUE.requeue(connection, [(batch.number, {"run_at": run_at, "failures": failures})])


def end_batch(connection: Connection, batch: Batch, *, now: int) -> None:
    """It is over, in a transaction that has found it to be held."""
    ending = {"status": "completed", "failures": batch.failures, "stage": ENDED, "ended_at": now}
    QUEUE.end(connection, [(batch.number, ending)])


def cancel_batch(connection: Connection, id_: str, *, by: str, now: int) -> bool:
    """Have a batch cancelled that is not over and not cancelled; False if there is none."""
    found = _b.id == id_, _b.run_at.is_not(None), _b.cancelled_by.is_(None)
    cancelled = update(provider_batches).where(*found).values(cancelled_by=by[:100])
    if connection.execute(cancelled).rowcount == 0:
        return False
    # One that is held is looked at again when its turn is over.
    idle = _b.id == id_, _b.status == QUEUED
    connection.execute(update(provider_batches).where(*idle).values(run_at=now))
    return True


def cancel_all(connection: Connection, *, by: str, now: int) -> None:
    """Have every batch cancelled that is not over."""
    for id_ in connection.scalars(select(_b.id).where(_b.run_at.is_not(None))).all():
        cancel_batch(connection, id_, by=by, now=now)


def get_batch(connection: Connection, id_: str) -> Mapping[str, Any] | None:
    """A batch, whatever became of it."""
    row = connection.execute(select(provider_batches).where(_b.id == id_)).one_or_none()
    return None if row is None else row._asdict()


def list_batches(connection: Connection, *, limit: int, is_open: bool = False) -> Sequence[Mapping[str, Any]]:
    """Up to `limit` batches, the newest first."""
    found = select(provider_batches).order_by(_b.number.desc()).limit(limit)
    found = found.where(_b.run_at.is_not(None)) if is_open else found
    return [row._asdict() for row in connection.execute(found)]


class LaneFigures(NamedTuple):
    """What there is in the lane."""

    waiting: int = 0
    """Conversations that no batch has yet."""
    batches: int = 0
    """Batches that are not over; the rest is of these."""
    requests: int = 0
    answered: int = 0
    pending: int = 0
    """Conversations of the analysis queue that they hold."""
    ends_at: int | None = None
    """When the last of them is over at the latest."""


def lane_figures(connection: Connection) -> LaneFigures:
    """Count what there is in the lane. What was cancelled and goes live is not in it any more."""
    columns = _b.requests, _b.answered
    sums = (func.coalesce(func.sum(each), 0) for each in columns)
    counted = select(func.count(), *sums, func.max(_b.deadline)).where(
        _b.run_at.is_not(None), _b.stage != LATE
    )
    number, requests, answered, ends_at = connection.execute(counted).one()
    waiting = count_waiting(connection)
    of_queue = select(_b.holder).where(_b.run_at.is_not(None), _b.reanalysis.is_(None))
    held = select(func.count()).where(NOT_COMPLETED, conversations.c.status == PROCESSING)
    pending = connection.scalar(held.where(conversations.c.lease.in_(of_queue))) or 0
    return LaneFigures(waiting, number, int(requests), int(answered), pending, ends_at)


def recover(connection: Connection, *, now: int) -> int:
    """Give back what this process held before it was started again; gives how much. Only without other processes."""
    return QUEUE.recover(connection, now=now)


def hold_on(connection: Connection, *, until: int) -> bool:
    """Have batches that are not over hold some of theirs for longer; False once all of it is held until then.

    While no process ran, nobody looked after them, and what they hold falls due like anything else.
    """
    holders = connection.scalars(select(_b.holder).where(_b.run_at.is_not(None))).all()
    if not holders:
        return False
    c, i, a = conversations.c, reanalysis_items.c, asking.c
    held = NOT_COMPLETED, c.status == PROCESSING, c.lease.in_(holders), c.run_at < until
    again = i.run_at.is_not(None), i.lease.in_(holders), i.run_at < until
    numbers = _locked(connection, select(c.number).where(*held).order_by(c.number))
    items = _locked(connection, select(i.conversation).where(*again).order_by(i.conversation))
    asked = select(a.cache_key).where(a.lease.in_(holders), a.until < until)
    keys = connection.scalars(asked.limit(HELD_AT_ONCE)).all()
    connection.execute(update(conversations).where(c.number.in_(numbers)).values(run_at=until))
    connection.execute(update(reanalysis_items).where(i.conversation.in_(items)).values(run_at=until))
    single_flight.extend(connection, keys, leases=holders, until=until)
    return bool(numbers or items or keys)


def _locked(connection: Connection, found: Select[int]) -> Sequence[int]:
    # What another process is at work with just now, is looked after.
    return connection.scalars(found.limit(HELD_AT_ONCE).with_for_update(skip_locked=True)).all()


def sweep_batches(connection: Connection, *, now: int) -> bool:
    """Delete some of what the provider keeps no more; False once there is nothing."""
    old = select(_b.number).where(_b.run_at.is_(None), _b.kept_until < now).order_by(_b.number).limit(1)
    number = connection.scalar(old)
    if number is None:
        return False
    calls = connection.scalars(select(_r.call).where(_r.batch == number).limit(SWEPT_AT_ONCE)).all()
    if calls:
        connection.execute(delete(batch_items).where(_i.call.in_(calls)))
        connection.execute(delete(batch_requests).where(_r.call.in_(calls)))
    else:
        connection.execute(delete(provider_batches).where(_b.number == number))
    return True
