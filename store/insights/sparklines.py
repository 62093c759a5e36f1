"""Sparklines: the insights of topics in 24 equal parts of a window."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    bindparam,
    func,
    literal_column,
    select,
)

from domain.buckets import DAY, HOUR, MICROSECONDS
from models import insight_topics, totals
from store.engine.prepared import Prepared, among, listed
from store.insights.filtered_topics import UNION, How, given_of, how_narrowed, narrowed
from store.insights.listed_topics import ListedTopic
from store.insights.value_days import DaysOfValue
from store.insights.windows import Selection

POINTS = 24
IN_HOURS, IN_DAYS = MICROSECONDS[DAY], 240 * MICROSECONDS[DAY]
"""Windows from this length on are counted by whole hours, or days: each lies in the part that its middle is in."""


def sparklines(
    connection: Connection, topics: Sequence[ListedTopic], chosen: Selection, *, filtered: bool
) -> dict[int, list[int]]:
    """POINTS numbers of insights for each topic that has some, by the number that it is counted as."""
    found: defaultdict[int, list[int]] = defaultdict(lambda: [0] * POINTS)
    if chosen.start >= chosen.end or not topics:
        return found
    start, end = chosen.start, chosen.end
    level = DAY if end - start >= IN_DAYS else HOUR
    unit = MICROSECONDS[level] if end - start >= IN_HOURS else 1
    edges = [(start, end)]
    if not filtered and unit > 1:
        edges = [(start, -(-start // unit) * unit), (end // unit * unit, end)]
        given = _borders(start, end, unit) | {"topics": [each.counted_as for each in topics], "level": level}
        for topic, *points in WHOLE.rows(connection, given):
            found[topic] = [n or 0 for n in points]
    given = given_of(chosen) | {"length": end - start, "unit": unit}
    for first, last in edges:
        for topic, point, n in _counted(
            connection, topics, how_narrowed(chosen), given | {"first": first, "end_at": last}
        ):
            found[topic][min(max(point, 0), POINTS - 1)] += n
    return found


def sparklines_of_value(
    days: DaysOfValue, topics: Sequence[ListedTopic], chosen: Selection
) -> dict[int, list[int]]:
    """The same, of the insights with a value of a field in a window of IN_HOURS at least."""
    found: defaultdict[int, list[int]] = defaultdict(lambda: [0] * POINTS)
    start, length = chosen.start, chosen.end - chosen.start
    unit = MICROSECONDS[DAY if length >= IN_DAYS else HOUR]
    hours = unit // MICROSECONDS[HOUR]
    first, last = start // unit, (chosen.end - 1) // unit
    points = [
        min(max(((bucket * unit + unit // 2 - start) * POINTS) // length, 0), POINTS - 1)
        for bucket in range(first, last + 1)
    ]
    for topic, hour, n in days.by_hour([each.counted_as for each in topics], start, chosen.end):
        bucket = min(max(hour // hours, first), last)
        found[topic][points[bucket - first]] += n
    return found


def _borders(start: int, end: int, unit: int) -> dict[str, int]:
    """The first whole bucket of each part of the window, and that after the last, as parameters."""
    first, last = -(-start // unit), end // unit
    # The first bucket whose middle is not before the part's beginning.
    beginnings = (
        -(-(POINTS * (start - unit // 2) + place * (end - start)) // (POINTS * unit))
        for place in range(POINTS + 1)
    )
    return {f"border_{place}": min(max(each, first), last) for place, each in enumerate(beginnings)}


def _counted(
    connection: Connection, topics: Sequence[ListedTopic], how: How, given: dict[str, Any]
) -> Iterator[Sequence[int]]:
    """Insight by insight."""
    single = {"topics": [each.counted_as for each in topics if not each.is_union]}
    yield from _of_topics(how).rows(connection, given | single)
    for union in (each.counted_as for each in topics if each.is_union):
        for row in _of_union(how).rows(connection, given | {"topic": union}):
            yield (union, *row)


def _point(bucket: ColumnElement[int]) -> ColumnElement[int]:
    """The part of the window in which the middle of a bucket of `unit` microseconds is."""
    start, length, unit = (bindparam(name, type_=BigInteger) for name in ("start", "length", "unit"))
    middle = bucket * unit + unit // literal_column("2", BigInteger)
    return ((middle - start) * literal_column(str(POINTS), BigInteger) // length).label("point")


@lru_cache(maxsize=64)
def _of_topics(how: How) -> Prepared:
    f = insight_topics.c
    found = select(f.topic, _point_of(insight_topics), func.count()).where(among(f.topic, "topics"))
    chosen = found.where(*_within(insight_topics.c.timestamp), *narrowed(insight_topics, how))
    return Prepared(chosen.group_by(f.topic, literal_column("point")))


@lru_cache(maxsize=64)
def _of_union(how: How) -> Prepared:
    found = select(_point_of(UNION), func.count())
    chosen = found.where(*_within(UNION.c.timestamp), *narrowed(UNION, how))
    return Prepared(chosen.group_by(literal_column("point")))


def _point_of(table: FromClause) -> ColumnElement[int]:
    return _point(table.c.timestamp // bindparam("unit", type_=BigInteger))


def _within(column: ColumnElement[int]) -> tuple[ColumnElement[bool], ...]:
    return column >= bindparam("first"), column < bindparam("end_at")


def _of_totals() -> Prepared:
    """Select each topic's numbers along its range of the key. Grouping all rows by part took twice as long."""
    c, topic = totals.c, listed("topics")
    of_topic = c.topic == topic, c.level == bindparam("level")
    points = []
    for place in range(POINTS):
        inside = c.bucket >= bindparam(f"border_{place}"), c.bucket < bindparam(f"border_{place + 1}")
        n = select(func.sum(c.n).cast(BigInteger)).where(*of_topic, *inside).correlate_except(totals)
        points.append(n.scalar_subquery().label(f"point_{place}"))
    return Prepared(select(topic.label("topic")).add_columns(*points))


WHOLE = _of_totals()
