"""The queue of long jobs: work of any kind that a client asked for and that takes longer than a request.

Whoever holds a job stores how far it has come in the same transaction as what it did, so that a job whose process dies
goes on where it was. Times are UTC microseconds.
"""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, String, func, insert, select, update

from core.priority import BATCHES
from models import CANCELLED, PAUSED, PROCESSING, QUEUED, jobs
from store.engine.prepared import among
from store.engine.vault import vault_of
from store.queue.jobs import JobKind, JobQueue

Json = dict[str, Any]
_j = jobs.c
ONE_CLAIM = select(func.pg_advisory_xact_lock(7_201_714))
"""Else two processes could each begin a job of one kind, which they may not: two merges of topics, for example."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come."""

    state: Json | None = None
    """What its kind needs to go on after a restart."""
    done: int = 0
    total: int | None = None
    cost_ticks: int = 0
    conversations: int = 0
    """Conversations that it has changed or made something of."""


READ = (_j.number, _j.id, _j.kind, _j.failures, _j.created_by, _j.parameters, _j.state)
PROGRESS = (_j.done, _j.total, _j.cost_ticks, _j.conversations)
QUEUE = JobQueue(
    JobKind(
        table=jobs,
        key=_j.number,
        lane=BATCHES,
        reads=(*READ, *PROGRESS),
        only=among(_j.kind, "kinds", String),
        end_columns=("error", "ended_at"),
    )
)


class LongJob(NamedTuple):
    """A job as it was claimed."""

    number: int
    id: str
    kind: str
    failures: int
    parameters: Json
    """What was asked for."""
    progress: Progress
    created_by: str
    """Whoever asked for it."""
    lease: str


def create(
    connection: Connection,
    kind: str,
    parameters: Mapping[str, Any],
    *,
    by: str,
    now: int,
    total: int | None = None,
) -> str:
    """Queue a job, asked for by a caller; gives its id."""
    new = {
        "id": f"job_{uuid.uuid4().hex}",
        "kind": kind,
        "status": QUEUED,
        "run_at": now,
        "parameters": json.dumps(parameters),
        "total": total,
        "created_at": now,
        "created_by": by[:100],
    }
    connection.execute(insert(jobs).values(vault_of(connection).sealed(jobs, new)))
    return str(new["id"])


def get(connection: Connection, id_: str) -> Row[Any] | None:
    """A stored job, whatever became of it."""
    row = connection.execute(select(jobs).where(_j.id == id_)).one_or_none()
    return None if row is None else vault_of(connection).opened(jobs, row)


def page(
    connection: Connection, *, limit: int, before: int | None = None, kind: str | None = None
) -> Sequence[Row[Any]]:
    """Up to `limit` jobs below a number, the newest first."""
    found = select(jobs).order_by(_j.number.desc()).limit(limit)
    if before is not None:
        found = found.where(_j.number < before)
    if kind is not None:
        found = found.where(_j.kind == kind)
    return vault_of(connection).all_opened(jobs, connection.execute(found).all())


def open_job(connection: Connection, kinds: Collection[str]) -> str | None:
    """The id of a job of these kinds that has not ended; None if all have."""
    is_open = _j.status.in_((QUEUED, PROCESSING, PAUSED))
    return connection.scalar(select(_j.id).where(is_open, _j.kind.in_(kinds)).order_by(_j.number).limit(1))


def is_due(connection: Connection, kinds: Collection[str], *, now: int) -> bool:
    """Whether a job of these kinds is due."""
    free = _idle(connection, kinds, now)
    due = select(_j.number).where(_j.run_at <= now, _j.kind.in_(free)).limit(1)
    return connection.scalar(due) is not None


def _idle(connection: Connection, kinds: Collection[str], now: int) -> set[str]:
    """Those of which no process runs a job."""
    running = select(_j.kind).where(_j.run_at > now, _j.status == PROCESSING)
    return {*kinds} - {*connection.scalars(running)}


# --- whoever holds it -----------------------------------------------------------------------------------------


def claim(
    connection: Connection, *, kinds: Collection[str], now: int, token: str, until: int
) -> LongJob | None:
    """Hold the job of these kinds that has been due longest, and of whose kind no process runs another."""
    if connection.dialect.name == "postgresql":
        connection.execute(ONE_CLAIM)
    found = QUEUE.due(connection, limit=1, now=now, kinds=[*_idle(connection, kinds, now)])
    if not found:
        return None
    (number, id_, kind, failures, by, parameters, state, *come), vault = found[0], vault_of(connection)
    opened = vault.opened_values(jobs, {"id": id_, "parameters": parameters, "state": state})
    kept = None if opened["state"] is None else json.loads(opened["state"])
    QUEUE.lease(connection, [number], token=token, until=until)
    return LongJob(
        number, id_, kind, failures, json.loads(opened["parameters"]), Progress(kept, *come), by, token
    )


def renew(connection: Connection, job: LongJob, *, until: int) -> bool:
    """Hold a job until later; False if it is not held any more: it was paused or cancelled, or its lease ended."""
    return bool(QUEUE.renew(connection, {job.number: job.lease}, until=until))


def keep(connection: Connection, job: LongJob, progress: Progress) -> None:
    """Store how far a job has come, which the transaction has found to be held."""
    values = asdict(progress) | {"id": job.id}
    values["state"] = None if progress.state is None else json.dumps(progress.state)
    stored = vault_of(connection).sealed(jobs, values)
    connection.execute(update(jobs).where(_j.number == job.number).values(stored))


def charge(connection: Connection, number: int, ticks: int) -> None:
    """Add to what a job has cost, whoever holds it: for work that others do for it. Before any other row is locked."""
    connection.execute(update(jobs).where(_j.number == number).values(cost_ticks=_j.cost_ticks + ticks))


def cost(connection: Connection, job: LongJob) -> int:
    """What a job has cost by now, in ticks, in a transaction that has found it to be held."""
    return connection.scalar(select(_j.cost_ticks).where(_j.number == job.number)) or 0


def end(connection: Connection, job: LongJob, status: str, *, now: int, error: str | None = None) -> bool:
    """End a job; False if it is not held any more."""
    if not QUEUE.held(connection, {job.number: job.lease}):
        return False
    sealed = vault_of(connection).sealed(jobs, {"id": job.id, "error": error})
    ending = {"status": status, "failures": job.failures, "error": sealed["error"], "ended_at": now}
    QUEUE.end(connection, [(job.number, ending)])
    return True


def give_back(connection: Connection, job: LongJob, *, run_at: int, failures: int) -> None:
    """Give back a job that is held, to go on at a time."""
    if QUEUE.held(connection, {job.number: job.lease}):
        QUEUE.requeue(connection, [(job.number, {"run_at": run_at, "failures": failures})])


# --- whoever asked for it ---------------------------------------------------------------------------------------


def cancel(connection: Connection, id_: str, *, now: int) -> LongJob | None:
    """End a job that has not ended, whoever holds it; None if it has, or there is none."""
    row = _locked(connection, id_, QUEUED, PROCESSING, PAUSED)
    if row is None:
        return None
    _set(connection, row.number, status=CANCELLED, run_at=None, ended_at=now)
    state = None if row.state is None else json.loads(row.state)
    progress = Progress(state, row.done, row.total, row.cost_ticks, row.conversations)
    return LongJob(
        row.number, row.id, row.kind, row.failures, json.loads(row.parameters), progress, row.created_by, ""
    )


def pause(connection: Connection, id_: str) -> bool:
    """Stop a job after its present step, until it is resumed; False if it is neither queued nor running."""
    row = _locked(connection, id_, QUEUED, PROCESSING)
    if row is not None:
        _set(connection, row.number, status=PAUSED, run_at=None)
    return row is not None


def resume(connection: Connection, id_: str, *, now: int) -> bool:
    """Let a paused job go on; False if it is not paused."""
    row = _locked(connection, id_, PAUSED)
    if row is not None:
        _set(connection, row.number, status=QUEUED, run_at=now)
    return row is not None


def recover(connection: Connection, *, now: int) -> int:
    """Give back what this process held before it was started again; gives how much. Only without other processes."""
    return QUEUE.recover(connection, now=now)


def _locked(connection: Connection, id_: str, *statuses: str) -> Row[Any] | None:
    found = select(jobs).where(_j.id == id_, _j.status.in_(statuses)).with_for_update()
    row = connection.execute(found).one_or_none()
    return None if row is None else vault_of(connection).opened(jobs, row)


def _set(connection: Connection, number: int, **values: object) -> None:
    connection.execute(update(jobs).where(_j.number == number).values(lease=None, **values))
