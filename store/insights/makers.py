"""Who made the insights of a stretch of time: analyzer, model and version of the prompt, counted at write time.

Two roll-ups: makers by UTC day say who may have made any, at the cost of the days; makers by quarter of an hour say
whether one of them did, at the cost of a look-up each.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, String, Table, bindparam, exists, func, select

from domain.buckets import DAY, MICROSECONDS, QUARTER
from models import insights, maker_days, maker_quarters
from store.engine.prepared import Prepared, listed
from store.insights.rollup_changes import add_changes

A_DAY, A_QUARTER = MICROSECONDS[DAY], MICROSECONDS[QUARTER]


class Maker(NamedTuple):
    """What makes insights: an analyzer with a model and a version of its prompt, empty if that is not known."""

    analyzer: str
    model: str
    prompt_version: str


Made = tuple[Maker, int]
"""An insight by its maker and its timestamp, UTC microseconds."""


def count_makers(connection: Connection, new: Iterable[Made], old: Iterable[Made]) -> None:
    """Count insights under their makers, and `old` ones no longer."""
    days: defaultdict[tuple[int, Maker], int] = defaultdict(int)
    quarters: defaultdict[tuple[Maker, int], int] = defaultdict(int)
    for sign, made in ((1, new), (-1, old)):
        for maker, at in made:
            days[at // A_DAY, maker] += sign
            quarters[maker, at // A_QUARTER] += sign
    add_changes(connection, maker_days, [(day, *maker, n) for (day, maker), n in days.items() if n])
    add_changes(connection, maker_quarters, [(*maker, at, n) for (maker, at), n in quarters.items() if n])


def makers_between(connection: Connection, moments: Sequence[int]) -> list[set[Maker]]:
    """Who made the insights from each of these ascending moments to the next; times in UTC microseconds.

    Exactly, if there are any: where only one maker can have made some, nobody looks whether there are some.
    """
    stretches = [*pairwise(moments)]
    if not stretches:
        return []
    by_day = _by_day(connection, moments[0], moments[-1])
    possible = [_possible(by_day, *stretch) for stretch in stretches]
    cut = [
        place
        for place, stretch in enumerate(stretches)
        if len(possible[place]) > 1 and not _is_whole(*stretch)
    ]
    found = [set() if place in cut else makers for place, makers in enumerate(possible)]
    _look_up_quarters(connection, stretches, possible, cut, found)
    _look_up_edges(connection, stretches, possible, cut, found)
    return found


def counts_of_days(connection: Connection, first: int, end: int) -> list[tuple[str, str, int]]:
    """How many insights of the UTC days `[first, end)`, counted from 1970, each analyzer has made with each model."""
    rows = COUNTS_OF_DAYS.rows(connection, {"first": first, "end": end})
    return [(analyzer, model, int(n)) for analyzer, model, n in rows]


def _by_day(connection: Connection, start: int, end: int) -> defaultdict[int, set[Maker]]:
    makers: defaultdict[int, set[Maker]] = defaultdict(set)
    days = {"first": start // A_DAY, "end": -(-end // A_DAY)}
    for day, *maker in DAYS.rows(connection, days):
        makers[day].add(Maker(*maker))
    return makers


def _possible(by_day: defaultdict[int, set[Maker]], start: int, end: int) -> set[Maker]:
    return {maker for day in range(start // A_DAY, -(-end // A_DAY)) for maker in by_day.get(day, ())}


def _is_whole(start: int, end: int) -> bool:
    """Whether it consists of UTC days."""
    return start % A_DAY == 0 == end % A_DAY


def _look_up_quarters(
    connection: Connection,
    stretches: Sequence[tuple[int, int]],
    possible: Sequence[set[Maker]],
    cut: Sequence[int],
    found: Sequence[set[Maker]],
) -> None:
    """Add the makers that have an insight in the whole quarters of these stretches."""
    asked: defaultdict[tuple[Maker, int], dict[int, int]] = defaultdict(dict)
    for place in cut:
        start, end = stretches[place]
        first, last = -(-start // A_QUARTER), end // A_QUARTER
        for maker in possible[place] if first < last else ():
            asked[maker, last - first][first] = place
    for (maker, length), places in asked.items():
        given = {**maker._asdict(), "starts": [*places], "length": length}
        for (first,) in QUARTERS.rows(connection, given):
            found[places[first]].add(maker)


def _look_up_edges(
    connection: Connection,
    stretches: Sequence[tuple[int, int]],
    possible: Sequence[set[Maker]],
    cut: Sequence[int],
    found: Sequence[set[Maker]],
) -> None:
    """Add the makers that have an insight between the ends of these stretches and the nearest quarter inside."""
    for place in cut:
        for start, end in _edges(*stretches[place]):
            for maker in sorted(possible[place] - found[place]):
                if EDGE.rows(connection, {**maker._asdict(), "start": start, "end": end}):
                    found[place].add(maker)


def _edges(start: int, end: int) -> Iterator[tuple[int, int]]:
    first, last = -(-start // A_QUARTER) * A_QUARTER, end // A_QUARTER * A_QUARTER
    if last < first:
        yield start, end
        return
    yield from ((a, b) for a, b in ((start, first), (last, end)) if a < b)


def _of_maker(table: Table) -> tuple[ColumnElement[bool], ...]:
    return tuple(table.c[name] == bindparam(name, type_=String) for name in Maker._fields)


def _quarters() -> Select[Any]:
    start, quarter = listed("starts"), maker_quarters.c.quarter
    inside = quarter >= start, quarter < start + bindparam("length")
    return select(start).where(exists().where(*_of_maker(maker_quarters), *inside))


def _days() -> Select[Any]:
    day = maker_days.c.day
    columns = (maker_days.c[name] for name in Maker._fields)
    return select(day, *columns).where(day >= bindparam("first"), day < bindparam("end"))


def _edge() -> Select[Any]:
    at = insights.c.timestamp
    inside = at >= bindparam("start"), at < bindparam("end")
    return select(insights.c.conversation).where(*_of_maker(insights), *inside).limit(1)


def _counts_of_days() -> Select[Any]:
    d = maker_days.c
    within = d.day >= bindparam("first"), d.day < bindparam("end")
    return select(d.analyzer, d.model, func.sum(d.n)).where(*within).group_by(d.analyzer, d.model)


COUNTS_OF_DAYS = Prepared(_counts_of_days())
DAYS, QUARTERS, EDGE = Prepared(_days()), Prepared(_quarters()), Prepared(_edge())


def count_made_by(connection: Connection, analyzer: str) -> int:
    """How many insights an analyzer has made that count, with whatever model."""
    theirs = select(func.sum(maker_days.c.n)).where(maker_days.c.analyzer == analyzer)
    return int(connection.scalar(theirs) or 0)
