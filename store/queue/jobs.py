"""A job queue over any table with the queue's columns: what is due, who holds it, how it ends, what goes back.

A kind of job is a value. A job is held by whoever knows its row's lease, until the lease ends at `run_at`; what
somebody else has taken over, or deleted, is no longer among what `held` and `renew` give. Times are UTC
microseconds, keys are the numbers by which the table knows its rows. All functions raise SQLAlchemyError.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Table,
    TextClause,
    bindparam,
    select,
    update,
)

from core.priority import Lane
from models import PROCESSING, QUEUED
from store.engine.prepared import Prepared, PreparedChange, among

Values = Mapping[str, object]
"""New values of a row by the names of its columns."""
Leases = Mapping[int, str | None]
"""The lease under which each job, by its key, was read; None where nobody held it."""


@dataclass(frozen=True, eq=False)
class JobKind:
    """One kind of job: its table, in which lane its calls wait, and what it has beyond the queue's columns."""

    table: Table
    key: Column[Any]
    lane: Lane
    reads: tuple[ColumnElement[Any], ...]
    """What is read of a job that is due."""
    source: FromClause | None = None
    """Where `reads` come from, if not from the table alone."""
    only: ColumnElement[bool] | None = None
    """A further condition of being due; its parameters are handed to `due`."""
    holds: tuple[Column[Any], ...] = ()
    """What is read of a job that is held, beside its key and its lease."""
    outlives: ColumnElement[bool] | None = None
    """Of a job that is held: whether it is so by something that a restart of the process does not end."""
    unfinished: ColumnElement[Any] | TextClause | None = None
    """The condition of the index that finds what is being processed; by default the index of what is due."""
    on_lease: Values = field(default_factory=dict)
    """Columns that a claim sets, beside the queue's; likewise the next three."""
    on_renew: Values = field(default_factory=dict)
    on_end: Values = field(default_factory=dict)
    on_requeue: Values = field(default_factory=dict)
    end_columns: tuple[str, ...] = ()
    """Columns whose values come with each job that ends."""
    requeue_columns: tuple[str, ...] = ()
    """Columns whose values come with each job that goes back."""


class JobQueue:
    """The jobs of one kind.

    The statements are made once: making them anew for every batch was a quarter of the engine's CPU.
    """

    def __init__(self, kind: JobKind) -> None:
        self.kind = kind
        self._due, self._held = _due(kind), _held(kind)
        leased = {"status": PROCESSING, "lease": bindparam("token"), "run_at": bindparam("until")}
        self._lease = _update(kind, {**leased, **kind.on_lease})
        self._renew = _update(kind, {"run_at": bindparam("until"), **kind.on_renew})
        ended = {"run_at": None, "lease": None, **kind.on_end}
        self._keep_held = _update(kind, {"run_at": bindparam("until")})
        self._end = _update(kind, {**ended, **_given("status", "failures", *kind.end_columns)})
        freed = {"status": QUEUED, "lease": None, **kind.on_requeue}
        self._requeue = _update(kind, {**freed, **_given("run_at", "failures", *kind.requeue_columns)})
        is_processing = kind.table.c.status == PROCESSING
        unfinished = kind.table.c.run_at.is_not(None) if kind.unfinished is None else kind.unfinished
        lost = update(kind.table).where(unfinished, is_processing)
        lost = lost if kind.outlives is None else lost.where(~kind.outlives)
        self._recover = lost.values({**freed, **_given("run_at")})

    def due(
        self, connection: Connection, *, limit: int, now: int, **given: object
    ) -> Sequence[Sequence[Any]]:
        """Up to `limit` jobs that are due, the longest due first, as the kind's `reads`.

        Their rows stay locked until the transaction ends; rows that another transaction has locked are left out.
        New jobs, those that went back and those whose lease has ended are all due alike.
        """
        return self._due.rows(connection, {"now": now, "most": limit, **given})

    def lease(
        self, connection: Connection, keys: Sequence[int], *, token: str, until: int, **given: object
    ) -> None:
        """Hold jobs that `due` gave in this transaction until `until`."""
        if keys:
            self._lease.run(connection, {"keys": keys, "token": token, "until": until, **given})

    def renew(self, connection: Connection, leases: Leases, *, until: int) -> list[int]:
        """Hold jobs until `until`; gives the keys of those that are still held."""
        return self._held_until(self._renew, connection, leases, until)

    def keep_held(self, connection: Connection, leases: Leases, *, until: int) -> list[int]:
        """Like `renew`, for jobs whose work is done and waits to be stored: `on_renew` sets nothing."""
        return self._held_until(self._keep_held, connection, leases, until)

    def _held_until(
        self, change: PreparedChange, connection: Connection, leases: Leases, until: int
    ) -> list[int]:
        held = list(self.held(connection, leases))
        if held:
            change.run(connection, {"keys": held, "until": until})
        return held

    def held(self, connection: Connection, leases: Leases) -> dict[int, Sequence[Any]]:
        """The jobs that are still under the lease they were read with, locked, as key, lease and `holds`.

        Rows are locked by key in order, so that two transactions wait for each other in one direction.
        """
        rows = self._held.rows(connection, {"keys": sorted(leases)})
        return {row[0]: row for row in rows if row[1] == leases[row[0]]}

    def end(self, connection: Connection, jobs: Iterable[tuple[int, Values]]) -> None:
        """End jobs that are held: `status`, `failures` and the kind's `end_columns` of each."""
        _change(connection, self._end, jobs)

    def requeue(self, connection: Connection, jobs: Iterable[tuple[int, Values]]) -> None:
        """Give back jobs that are held: `run_at`, `failures` and the kind's `requeue_columns` of each."""
        _change(connection, self._requeue, jobs)

    def recover(self, connection: Connection, *, now: int) -> int:
        """Give back every job that is held, due at once; gives how many. Only while no other process runs."""
        return connection.execute(self._recover, {"new_run_at": now}).rowcount


def _due(kind: JobKind) -> Prepared:
    c = kind.table.c
    source = kind.table if kind.source is None else kind.source
    due = select(*kind.reads).select_from(source).where(c.run_at <= bindparam("now"))
    chosen = due if kind.only is None else due.where(kind.only)
    first = chosen.order_by(c.run_at, kind.key).limit(bindparam("most", type_=Integer))
    return Prepared(first.with_for_update(of=kind.table, skip_locked=True))


def _held(kind: JobKind) -> Prepared:
    rows = select(kind.key, kind.table.c.lease, *kind.holds).where(among(kind.key, "keys"))
    return Prepared(rows.order_by(kind.key).with_for_update())


def _update(kind: JobKind, values: Values) -> PreparedChange:
    return PreparedChange(update(kind.table).values(values), kind.key)


def _given(*names: str) -> dict[str, object]:
    # A parameter of an UPDATE must not have a column's name.
    return {name: bindparam(f"new_{name}") for name in names}


def _change(connection: Connection, change: PreparedChange, jobs: Iterable[tuple[int, Values]]) -> None:
    """Change all jobs at once that get the same values: mostly a batch does."""
    alike: dict[tuple[tuple[str, object], ...], list[int]] = defaultdict(list)
    for key, values in jobs:
        alike[tuple(values.items())].append(key)
    for pairs, keys in alike.items():
        change.run(connection, {"keys": keys, **{f"new_{name}": value for name, value in pairs}})
