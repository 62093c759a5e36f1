"""Trends: sentiment and top topics of a window, with a series by hour or by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Subquery,
    Table,
    bindparam,
    func,
    select,
    union_all,
)

from domain.buckets import DAY, HOUR, MICROSECONDS, MONTH, touching
from models import topic_months, topic_years, topics, totals
from store.engine.prepared import Prepared
from store.insights import rollups, windows
from store.insights.rollups import MONTHS, SENTIMENTS, Kind, WindowPart, kind_of

IN_HOURS = 7 * MICROSECONDS[DAY]
"""Windows longer than this have a series by day."""
TOP = 10
ONE_IN = 500
CANDIDATES = 40
"""Topics counted exactly in the first step; in every window that was tried they included the top ten."""
MOST_CANDIDATES = 2_000

Counts = Mapping[int, int]
"""The number of insights of each sentiment: 1, 0 and -1."""


class Point(NamedTuple):
    """An hour or a day of the series."""

    start: int
    negative: int
    neutral: int
    positive: int
    score_sum: int
    partial: bool
    """Whether the window or the present cuts the bucket, so that it may have more insights than counted."""


@dataclass(frozen=True, slots=True)
class Trends:
    """The trends of `[start, end)`, and the sentiments of the window of the same length before it."""

    counts: Counts
    skipped: int
    top_topics: Sequence[tuple[str, int]]
    series: Sequence[Point]
    previous: Counts


def trends(
    connection: Connection, start: int, end: int, *, cluster: str | None, now: int, one_in: int = ONE_IN
) -> Trends:
    """Compute the trends of a window, of one topic if `cluster` names it; times in UTC microseconds.

    A topic that never has one in `one_in` of the window's insights in a month is counted only if it can be in the top.
    """
    topic = windows.topic_number(connection, cluster)
    series = _series(connection, topic, start, end, now)
    counts = _sums(series)
    total = sum(counts.values())
    return Trends(
        counts=counts,
        skipped=windows.count_skipped(connection, start, end),
        top_topics=_top_topics(connection, start, end, max(1, total // one_in))
        if cluster is None
        else _only_topic(cluster, total),
        series=series,
        previous=_by_sentiment(connection, topic, start - (end - start), start),
    )


def _only_topic(cluster: str, total: int) -> Sequence[tuple[str, int]]:
    return [(cluster, total)] if total else []


def _series(connection: Connection, topic: int | None, start: int, end: int, now: int) -> list[Point]:
    level = HOUR if end - start <= IN_HOURS else DAY
    found = {} if topic is None else _by_bucket(connection, topic, start, end, level)
    length, whole_until = MICROSECONDS[level], min(end, now)
    points = []
    for bucket in touching(level, start, end):
        first = bucket * length
        partial = first < start or first + length > whole_until
        _, negative, neutral, positive, score_sum = found.get(bucket, NOTHING)
        points.append(Point(first, negative, neutral, positive, score_sum, partial))
    return points


def _by_bucket(
    connection: Connection, topic: int, start: int, end: int, level: int
) -> Mapping[int, Sequence[int]]:
    """For each bucket: its number, its insights per sentiment in the order of SENTIMENTS, and its sum of scores."""
    kind = kind_of(topic)
    parameters = {"topic": topic} | rollups.window_parameters(kind, totals, start, end, coarsest=level)
    found: dict[int, Sequence[int]] = {}
    for row in SUMS[kind, level].rows(connection, parameters):
        bucket = row[0]
        earlier = found.get(bucket)
        found[bucket] = row if earlier is None else [bucket, *map(add, earlier[1:], row[1:])]
    return found


def _sums(series: Sequence[Point]) -> Counts:
    return {
        -1: sum([point.negative for point in series]),
        0: sum([point.neutral for point in series]),
        1: sum([point.positive for point in series]),
    }


def _by_sentiment(connection: Connection, topic: int | None, start: int, end: int) -> Counts:
    rows: Sequence[Any] = []
    if topic is not None:
        kind = kind_of(topic)
        rows = BY_SENTIMENT[kind].rows(
            connection, {"topic": topic} | rollups.window_parameters(kind, totals, start, end)
        )
    return {sentiment: sum(row[place] or 0 for row in rows) for place, sentiment in enumerate(SENTIMENTS)}


def _summing(kind: Kind, level: int) -> CompoundSelect[Any]:
    """Select the sums of each bucket; a bucket that is cut comes in several rows."""
    return union_all(
        *(_of_buckets(part, level) for part in rollups.window_parts(kind, totals, coarsest=level))
    )


def _of_buckets(part: WindowPart, level: int) -> Select[Any]:
    bucket: ColumnElement[int] = part.bucket(level).label("bucket")
    if part.level == level:
        # Without GROUP BY: with a row per sentiment, adding them up took 1.2 of a year's 1.4 ms.
        return select(bucket).add_columns(*part.amounts).where(*part.within)
    return select(bucket).add_columns(*map(part.sum, part.amounts)).where(*part.within).group_by(bucket)


def _counting(kind: Kind) -> CompoundSelect[Any]:
    """Select the sums of each part of the window."""
    each = (
        select(*map(part.sum, part.amounts)).where(*part.within)
        for part in rollups.window_parts(kind, totals)
    )
    return union_all(*each)


NOTHING = (0,) * (len(SENTIMENTS) + 2)
KINDS = (Kind.ALL, Kind.TOPIC)
SUMS = {(kind, level): Prepared(_summing(kind, level)) for kind in KINDS for level in (HOUR, DAY)}
BY_SENTIMENT = {kind: Prepared(_counting(kind)) for kind in KINDS}


# --- top topics ---------------------------------------------------------------------------------------------


def _top_topics(connection: Connection, start: int, end: int, common: int) -> Sequence[tuple[str, int]]:
    """The ten topics with the most insights, counted exactly; equal ones are ordered by slug.

    Topics with `common` insights or more in a month or year of the window are counted first. The others are left out
    if the most they can have in all periods together is less than the tenth topic has.
    """
    periods = _Periods.of(start, end)
    if periods is None:
        return []
    best = _best(connection, start, end, periods, common)
    if len(best) == TOP and periods.left_out(common) < best[-1][1]:
        return best
    return best if common == 1 else _best(connection, start, end, periods, common=1)


@dataclass(frozen=True, slots=True)
class _Periods:
    """The months that a window overlaps; the years if it is long."""

    first: int
    last: int
    by_year: bool

    @classmethod
    def of(cls, start: int, end: int) -> "_Periods | None":
        months = touching(MONTH, start, end)
        if not months:
            return None
        by_year = len(months) > MOST_MONTHS
        unit = MONTHS if by_year else 1
        return cls(months[0] // unit, months[-1] // unit, by_year)

    def left_out(self, common: int) -> int:
        """The most insights that a topic can have in periods in which it is not common."""
        return (self.last - self.first + 1) * (common - 1)


def _best(
    connection: Connection, start: int, end: int, periods: _Periods, common: int
) -> list[tuple[str, int]]:
    """The top topics among those that have `common` insights or more in a period.

    Topics are counted from the highest upper bound down, until no bound reaches the tenth best. With 2,000 topics that
    took 5 to 9 ms; counting all of them took 425.
    """
    best: list[tuple[str, int]] = []
    counted, size = 0, CANDIDATES
    while True:
        found = _candidates(connection, start, end, periods, common, offset=counted, limit=size)
        exact = [(each.slug, each.n) for each in found if each.n]
        best = sorted((*best, *exact), key=lambda each: (-each[1], each[0]))[:TOP]
        decided = len(best) == TOP and found and min(each.bound for each in found) < best[-1][1]
        if decided or len(found) < size:
            return best
        counted, size = counted + size, min(2 * size, MOST_CANDIDATES)


class _Candidate(NamedTuple):
    """A topic that may be among the top."""

    slug: str
    bound: int
    """The upper bound of its insights in the periods."""
    n: int
    """Its exact number of insights in the window."""


def _candidates(
    connection: Connection, start: int, end: int, periods: _Periods, common: int, *, offset: int, limit: int
) -> list[_Candidate]:
    """A page of the common topics, highest bound first."""
    parameters = {
        "first": periods.first,
        "last": periods.last,
        "common": common,
        "offset": offset,
        "limit": limit,
    }
    rows = CANDIDATES_OF[periods.by_year].rows(
        connection, parameters | rollups.window_parameters(Kind.TOPIC, totals, start, end)
    )
    left_out = periods.left_out(common)
    return [_Candidate(slug, int(bound) + left_out, n) for slug, bound, n in rows]


def _counted(bounds: Subquery) -> Select[Any]:
    """Select these topics with the number of insights that each has in the window.

    One subquery per part and topic, because grouping the rows of a part by topic took three times as long.
    """
    pieces = rollups.window_parts(Kind.TOPIC, totals, topic=bounds.c.topic)
    counts = (select(part.n).where(*part.within).scalar_subquery() for part in pieces)
    n = reduce(add, (func.coalesce(count, 0) for count in counts))
    return select(topics.c.slug, bounds.c.n, n).join_from(bounds, topics, topics.c.number == bounds.c.topic)


def _bounding(rolled: Table, period: ColumnElement[int]) -> Subquery:
    """Select a page of the common topics, highest bound first."""
    n = func.sum(rolled.c.n)
    of_window = period.between(bindparam("first"), bindparam("last"))
    # Rare topics are dropped before grouping and sorting: 40 of 4,040 rows remain, and 1.0 ms becomes 0.2.
    bounds = select(rolled.c.topic, n.label("n")).where(of_window, rolled.c.n >= bindparam("common"))
    highest = bounds.group_by(rolled.c.topic).order_by(n.desc(), rolled.c.topic)
    return highest.offset(bindparam("offset")).limit(bindparam("limit")).subquery()


MOST_MONTHS = 6
"""Up to this many months a window's topics are bounded by month; for longer ones years suffice and are fewer."""
CANDIDATES_OF = {
    False: Prepared(_counted(_bounding(topic_months, topic_months.c.month))),
    True: Prepared(_counted(_bounding(topic_years, topic_years.c.year))),
}
