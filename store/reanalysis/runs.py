"""Re-analyses as such: what each may spend, and what it has come to.

`jobs` has what they share with other long jobs. Here is what is counted as conversations are settled, by whichever
process, in the transaction that settles them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from models import DAY, PROCESSING, jobs, reanalyses

KIND = "reanalyse"
"""The kind of the long job."""
_r, _j = reanalyses.c, jobs.c
ALONE = select(func.pg_advisory_xact_lock(7_201_719))
"""Else two could begin at once."""


class Reanalysis(NamedTuple):
    """A re-analysis and what it has come to. Money in ticks."""

    job: int
    wanted: str
    sample: int | None
    cap_ticks: int | None
    cost_ticks: int
    reserved_ticks: int
    is_spent: bool
    changed: int
    unchanged: int
    dropped: int
    failed: int
    freshness: str | None
    """`day` if batches at the provider may have its conversations."""
    lane_until: int | None
    """Until when; then they go live."""

    @property
    def done(self) -> int:
        """Conversations that are done with."""
        return self.changed + self.unchanged + self.dropped + self.failed

    @property
    def left_ticks(self) -> int | None:
        """What it may still spend. What was reserved for a call that never came back counts as spent."""
        return None if self.cap_ticks is None else self.cap_ticks - self.cost_ticks - self.reserved_ticks


ALL = select(*(_r[name] for name in Reanalysis._fields))
RUNNING = (
    ALL.join(jobs, _j.number == _r.job)
    .where(_j.run_at.is_not(None), _j.kind == KIND, _j.status == PROCESSING, ~_r.is_spent)
    .limit(1)
)
"""Made once, like every statement that is executed each second: making it took longer than executing it."""


def hold_beginnings(connection: Connection) -> None:
    """Keep others from beginning a re-analysis until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(ALONE)


def begin_reanalysis(
    connection: Connection,
    job: int,
    *,
    wanted: str,
    sample: int | None,
    cap: int | None,
    lane_until: int | None = None,
) -> None:
    """Note what a long job is to analyse again; `lane_until` is until when batches may have it."""
    new = {"job": job, "wanted": wanted, "sample": sample, "cap_ticks": cap, "lane_until": lane_until}
    freshness = None if lane_until is None else DAY
    connection.execute(insert(reanalyses).values(**new, freshness=freshness))


def get(connection: Connection, job: int) -> Reanalysis | None:
    """The re-analysis of a long job, by its number."""
    row = connection.execute(ALL.where(_r.job == job)).one_or_none()
    return None if row is None else Reanalysis(*row)


def running(connection: Connection, *, locked: bool = False) -> Reanalysis | None:
    """The re-analysis whose job is running and has money left, if there is one."""
    row = connection.execute(RUNNING.with_for_update(of=reanalyses) if locked else RUNNING).one_or_none()
    return None if row is None else Reanalysis(*row)


def is_running(connection: Connection, job: int) -> bool:
    """Whether a long job is neither paused nor over."""
    return connection.scalar(select(_j.number).where(_j.number == job, _j.run_at.is_not(None))) is not None


def is_open(connection: Connection, job: int) -> bool:
    """Whether a long job is not over; it may be paused."""
    return connection.scalar(select(_j.number).where(_j.number == job, _j.ended_at.is_(None))) is not None


def locked(connection: Connection, wanted: Iterable[int]) -> Mapping[int, Reanalysis]:
    """Those of these jobs, by their numbers, locked."""
    rows = connection.execute(ALL.where(_r.job.in_({*wanted})).order_by(_r.job).with_for_update())
    return {row.job: Reanalysis(*row) for row in rows}


def still_running(connection: Connection, wanted: Iterable[int]) -> set[int]:
    """Those of these jobs that are running, their re-analyses locked."""
    found = locked(connection, wanted)
    of_job = select(_j.number).where(_j.number.in_([*found]), _j.status == PROCESSING)
    return {*connection.scalars(of_job)}


def add_counts(connection: Connection, sums: Mapping[tuple[int, str], int]) -> None:
    """Add to what has become of conversations, by job and column."""
    for (job, name), number in sorted(sums.items()):
        connection.execute(update(reanalyses).where(_r.job == job).values({name: _r[name] + number}))


# --- money --------------------------------------------------------------------------------------------------


def reserve_for_call(connection: Connection, job: int, ticks: int) -> None:
    """Take the most that a call may cost from what a re-analysis may spend."""
    connection.execute(
        update(reanalyses).where(_r.job == job).values(reserved_ticks=_r.reserved_ticks + ticks)
    )


def note_spent(connection: Connection, job: int) -> None:
    """No call fits what is left. Calls under way may cost less than was reserved for them."""
    connection.execute(update(reanalyses).where(_r.job == job).values(is_spent=True))


def charge_call(connection: Connection, job: int, *, reserved: int, cost: int) -> None:
    """Replace what was reserved for a call by its cost."""
    changed = {
        "reserved_ticks": _r.reserved_ticks - reserved,
        "cost_ticks": _r.cost_ticks + cost,
        "is_spent": False,
    }
    connection.execute(update(reanalyses).where(_r.job == job).values(changed))
