"""Sparklines: the insights of topics in 24 equal parts of a window."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, func, literal_column, select

from domain.buckets import DAY, HOUR, MICROSECONDS
from models import insight_topics, totals
from store.engine.prepared import Prepared, among
from store.insights.filtered_topics import narrowed
from store.insights.listed_topics import ListedTopic
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
    for topic, point, n in _rows(connection, topics, chosen, filtered=filtered):
        found[topic][min(max(point, 0), POINTS - 1)] += n
    return found


def _rows(
    connection: Connection, topics: Sequence[ListedTopic], chosen: Selection, *, filtered: bool
) -> Iterator[Sequence[int]]:
    start, end = chosen.start, chosen.end
    level = DAY if end - start >= IN_DAYS else HOUR
    unit = MICROSECONDS[level] if end - start >= IN_HOURS else 1
    given = chosen.parameters(0) | {
        "analyzer": chosen.analyzer,
        "start": start,
        "length": end - start,
        "unit": unit,
    }
    numbers = {"topics": [each.counted_as for each in topics]}
    by_row = _of_rows(chosen.analyzer is not None)
    if filtered or unit == 1:
        yield from by_row.rows(connection, given | numbers | {"first": start, "end": end})
        return
    first, last = -(-start // unit), end // unit
    whole = {"level": level, "first": first, "end": last}
    yield from WHOLE.rows(connection, given | numbers | whole)
    for edge in ((start, first * unit), (last * unit, end)):
        yield from by_row.rows(connection, given | numbers | {"first": edge[0], "end": edge[1]})


def _point(bucket: ColumnElement[int]) -> ColumnElement[int]:
    """The part of the window in which the middle of a bucket of `unit` microseconds is."""
    start, length, unit = (bindparam(name, type_=BigInteger) for name in ("start", "length", "unit"))
    middle = bucket * unit + unit // literal_column("2", BigInteger)
    return ((middle - start) * literal_column(str(POINTS), BigInteger) // length).label("point")


@lru_cache(maxsize=2)
def _of_rows(by_analyzer: bool) -> Prepared:
    f = insight_topics.c
    point = _point(f.timestamp // bindparam("unit", type_=BigInteger))
    within = among(f.topic, "topics"), f.timestamp >= bindparam("first"), f.timestamp < bindparam("end")
    found = select(f.topic, point, func.count()).where(*within, *narrowed(by_analyzer))
    return Prepared(found.group_by(f.topic, literal_column("point")))


def _of_totals() -> Prepared:
    c = totals.c
    point = _point(c.bucket)
    of_level = among(c.topic, "topics"), c.level == bindparam("level")
    within = c.bucket >= bindparam("first"), c.bucket < bindparam("end")
    found = select(c.topic, point, func.sum(c.n).cast(BigInteger)).where(*of_level, *within)
    return Prepared(found.group_by(c.topic, literal_column("point")))


WHOLE = _of_totals()
