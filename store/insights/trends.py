"""Trends: how sentiment and topics went over a window, hour by hour or day by day."""

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
from store.insights.rollups import MONTHS, SENTIMENTS, Kind, WindowPiece, kind_of

IN_HOURS = 7 * MICROSECONDS[DAY]
"""Longer windows are shown in days."""
TOP = 10
ONE_IN = 500
CANDIDATES = 40
"""Topics that are counted exactly at first; the ten best were among them in every window that was tried."""
MOST_CANDIDATES = 2_000

Counts = Mapping[int, int]
"""How many insights of each sentiment: 1, 0 and -1."""


class Point(NamedTuple):
    """An hour or a day of the series."""

    start: int
    negative: int
    neutral: int
    positive: int
    score_sum: int
    partial: bool
    """The window or the present cuts it: there may be more than was counted."""


@dataclass(frozen=True, slots=True)
class Trends:
    """What `[start, end)` holds, and the sentiments of the window of the same length before it."""

    counts: Counts
    skipped: int
    top_topics: Sequence[tuple[str, int]]
    series: Sequence[Point]
    previous: Counts


def trends(
    connection: Connection, start: int, end: int, *, cluster: str | None, now: int, one_in: int = ONE_IN
) -> Trends:
    """The trends of a window, of one topic where `cluster` names it; times in UTC microseconds.

    A topic with less than one of `one_in` of the window's insights in any month is looked at only if it can matter.
    """
    topic = windows.topic_of(connection, cluster)
    series = _series(connection, topic, start, end, now)
    counts = _sums(series)
    total = sum(counts.values())
    return Trends(
        counts=counts,
        skipped=windows.skipped(connection, start, end),
        top_topics=_top(connection, start, end, max(1, total // one_in))
        if cluster is None
        else _alone(cluster, total),
        series=series,
        previous=_by_sentiment(connection, topic, start - (end - start), start),
    )


def _alone(cluster: str, total: int) -> Sequence[tuple[str, int]]:
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
    """For each bucket itself, what it holds, as SENTIMENTS are ordered, and last the sum of its scores."""
    kind = kind_of(topic)
    given = {"topic": topic} | rollups.where(kind, totals, start, end, coarsest=level)
    found: dict[int, Sequence[int]] = {}
    for row in SUMS[kind, level].rows(connection, given):
        bucket = row[0]
        had = found.get(bucket)
        found[bucket] = row if had is None else [bucket, *map(add, had[1:], row[1:])]
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
        rows = BY_SENTIMENT[kind].rows(connection, {"topic": topic} | rollups.where(kind, totals, start, end))
    return {sentiment: sum(row[place] or 0 for row in rows) for place, sentiment in enumerate(SENTIMENTS)}


def _summing(kind: Kind, level: int) -> CompoundSelect[Any]:
    """What each bucket holds; one that is cut comes in pieces."""
    return union_all(*(_of_buckets(part, level) for part in rollups.pieces(kind, totals, coarsest=level)))


def _of_buckets(part: WindowPiece, level: int) -> Select[Any]:
    bucket: ColumnElement[int] = part.bucket(level).label("bucket")
    if part.level == level:
        # As they are: of a year's 1.4 ms it took 1.2 to add up what had a row for each sentiment.
        return select(bucket).add_columns(*part.amounts).where(*part.within)
    return select(bucket).add_columns(*map(part.sum, part.amounts)).where(*part.within).group_by(bucket)


def _counting(kind: Kind) -> CompoundSelect[Any]:
    """What the window holds, in pieces."""
    each = (select(*map(part.sum, part.amounts)).where(*part.within) for part in rollups.pieces(kind, totals))
    return union_all(*each)


NOTHING = (0,) * (len(SENTIMENTS) + 2)
KINDS = (Kind.ALL, Kind.TOPIC)
SUMS = {(kind, level): Prepared(_summing(kind, level)) for kind in KINDS for level in (HOUR, DAY)}
BY_SENTIMENT = {kind: Prepared(_counting(kind)) for kind in KINDS}


# --- the best topics ----------------------------------------------------------------------------------------


def _top(connection: Connection, start: int, end: int, common: int) -> Sequence[tuple[str, int]]:
    """The ten topics with the most insights, exactly; equal ones by slug.

    At first among those with `common` insights or more in a month or year of the window: the others can be left out
    unseen where what they may have in all of them is less than the tenth best has.
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
    """The months that a window touches or, where it is long, the years."""

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
        """The most that a topic can have in periods in which it is not common."""
        return (self.last - self.first + 1) * (common - 1)


def _best(
    connection: Connection, start: int, end: int, periods: _Periods, common: int
) -> list[tuple[str, int]]:
    """The best of the topics that have `common` insights or more in a period.

    They are counted from the one with the highest bound down, until no bound reaches the tenth best: with 2,000
    topics that took 5 to 9 ms, and counting all of them 425.
    """
    best: list[tuple[str, int]] = []
    counted, size = 0, CANDIDATES
    while True:
        found = _candidates(connection, start, end, periods, common, offset=counted, limit=size)
        exactly = [(each.slug, each.n) for each in found if each.n]
        best = sorted((*best, *exactly), key=lambda each: (-each[1], each[0]))[:TOP]
        settled = len(best) == TOP and found and min(each.bound for each in found) < best[-1][1]
        if settled or len(found) < size:
            return best
        counted, size = counted + size, min(2 * size, MOST_CANDIDATES)


class _Candidate(NamedTuple):
    """A topic that may be among the best."""

    slug: str
    bound: int
    """How many insights it has at most in the periods."""
    n: int
    """How many it has in the window, exactly."""


def _candidates(
    connection: Connection, start: int, end: int, periods: _Periods, common: int, *, offset: int, limit: int
) -> list[_Candidate]:
    """Common topics, those with the highest bounds, so many after as many others."""
    given = {"first": periods.first, "last": periods.last, "common": common, "offset": offset, "limit": limit}
    rows = CANDIDATES_OF[periods.by_year].rows(
        connection, given | rollups.where(Kind.TOPIC, totals, start, end)
    )
    left_out = periods.left_out(common)
    return [_Candidate(slug, int(bound) + left_out, n) for slug, bound, n in rows]


def _counted(bounds: Subquery) -> Select[Any]:
    """These topics, and how many insights of the window each has.

    Piece by piece for each, because grouping all of a piece's rows by their topic took three times as long.
    """
    pieces = rollups.pieces(Kind.TOPIC, totals, topic=bounds.c.topic)
    counts = (select(part.n).where(*part.within).scalar_subquery() for part in pieces)
    n = reduce(add, (func.coalesce(count, 0) for count in counts))
    return select(topics.c.slug, bounds.c.n, n).join_from(bounds, topics, topics.c.number == bounds.c.topic)


def _bounding(rolled: Table, period: ColumnElement[int]) -> Subquery:
    """The common topics with the highest bounds."""
    n = func.sum(rolled.c.n)
    of_window = period.between(bindparam("first"), bindparam("last"))
    # What is left out here need not be grouped and sorted: of 4,040 rows in 1.0 ms 40 remain, in 0.2.
    bounds = select(rolled.c.topic, n.label("n")).where(of_window, rolled.c.n >= bindparam("common"))
    highest = bounds.group_by(rolled.c.topic).order_by(n.desc(), rolled.c.topic)
    return highest.offset(bindparam("offset")).limit(bindparam("limit")).subquery()


MOST_MONTHS = 6
"""Of a window whose topics are bounded by the month; for a longer one years bound as well and are fewer."""
CANDIDATES_OF = {
    False: Prepared(_counted(_bounding(topic_months, topic_months.c.month))),
    True: Prepared(_counted(_bounding(topic_years, topic_years.c.year))),
}
