"""Trends: how sentiment and topics went over a window, hour by hour or day by day."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Table,
    bindparam,
    func,
    select,
    union_all,
)

from buckets import MICROSECONDS, start_of, touching
from models import DAY, HOUR, MONTH, topic_months, topic_years, topics, totals
from store import rollups, windows
from store.rollups import MONTHS, Kind, kind_of
from store.windows import SENTIMENTS

IN_HOURS = 7 * MICROSECONDS[DAY]
"""Longer windows are shown in days."""
TOP = 10
CANDIDATES = 20
"""Topics that are counted exactly at first; the ten best were among them in every window that was tried."""
MOST_CANDIDATES = 2_000

Counts = Mapping[int, int]
"""How many insights of each sentiment: 1, 0 and -1."""


@dataclass(frozen=True, slots=True)
class Point:
    """An hour or a day of the series."""

    start: int
    counts: Counts
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


def trends(connection: Connection, start: int, end: int, *, cluster: str | None, now: int) -> Trends:
    """The trends of a window, of one topic where `cluster` names it; times in UTC microseconds."""
    topic = windows.topic_of(connection, cluster)
    series = _series(connection, topic, start, end, now)
    counts = {sentiment: sum(point.counts[sentiment] for point in series) for sentiment in SENTIMENTS}
    return Trends(
        counts=counts,
        skipped=windows.skipped(connection, start, end),
        top_topics=_top(connection, start, end) if cluster is None else _alone(cluster, counts),
        series=series,
        previous=_by_sentiment(connection, topic, start - (end - start), start),
    )


def _alone(cluster: str, counts: Counts) -> Sequence[tuple[str, int]]:
    total = sum(counts.values())
    return [(cluster, total)] if total else []


def _series(connection: Connection, topic: int | None, start: int, end: int, now: int) -> list[Point]:
    level = HOUR if end - start <= IN_HOURS else DAY
    found = {} if topic is None else _by_bucket(connection, topic, start, end, level)
    points = []
    for bucket in touching(level, start, end):
        first, last = start_of(level, bucket), start_of(level, bucket + 1)
        *counts, score_sum = found.get(bucket, NOTHING)
        partial = first < start or last > end or last > now
        points.append(Point(first, dict(zip(SENTIMENTS, counts, strict=True)), score_sum, partial))
    return points


def _by_bucket(
    connection: Connection, topic: int, start: int, end: int, level: int
) -> Mapping[int, Sequence[int]]:
    """What each bucket holds, as SENTIMENTS are ordered, and last the sum of its scores."""
    given = rollups.where([topic], start, end, coarsest=level)
    found: dict[int, Sequence[int]] = {}
    for bucket, *sums in connection.execute(SUMS[kind_of(topic), level], given).all():
        had = found.get(bucket)
        found[bucket] = sums if had is None else _added(had, sums)
    return found


def _by_sentiment(connection: Connection, topic: int | None, start: int, end: int) -> Counts:
    rows: Sequence[Any] = []
    if topic is not None:
        rows = connection.execute(BY_SENTIMENT[kind_of(topic)], rollups.where([topic], start, end)).all()
    return {sentiment: sum(row[place] or 0 for row in rows) for place, sentiment in enumerate(SENTIMENTS)}


def _added(one: Iterable[int], other: Iterable[int]) -> Sequence[int]:
    return [a + b for a, b in zip(one, other, strict=True)]


def _summing(kind: Kind, level: int) -> CompoundSelect[Any]:
    """What each bucket holds; one that is cut comes in pieces."""
    each = []
    for part in rollups.parts(kind, totals, coarsest=level):
        bucket = part.bucket(level).label("bucket")
        sums = (part.n_of(sentiment) for sentiment in SENTIMENTS)
        each.append(select(bucket, *sums, part.score_sum).where(*part.within).group_by(bucket))
    return union_all(*each)


def _counting(kind: Kind) -> CompoundSelect[Any]:
    """What the window holds, in pieces."""
    each = (
        select(*(part.n_of(sentiment) for sentiment in SENTIMENTS)).where(*part.within)
        for part in rollups.parts(kind, totals)
    )
    return union_all(*each)


def _counting_topics() -> CompoundSelect[Any]:
    """What the window holds of each topic, in pieces."""
    each = (
        select(part.table.c.topic, part.n).where(*part.within).group_by(part.table.c.topic)
        for part in rollups.parts(Kind.TOPIC, totals)
    )
    return union_all(*each)


SLUGS = select(topics.c.number, topics.c.slug).where(
    topics.c.number.in_(bindparam("numbers", expanding=True))
)
NOTHING = (0,) * (len(SENTIMENTS) + 1)
SUMS = {(kind, level): _summing(kind, level) for kind in (Kind.ALL, Kind.TOPIC) for level in (HOUR, DAY)}
BY_SENTIMENT = {kind: _counting(kind) for kind in (Kind.ALL, Kind.TOPIC)}
BY_TOPIC = _counting_topics()


# --- the best topics ----------------------------------------------------------------------------------------


def _top(connection: Connection, start: int, end: int) -> Sequence[tuple[str, int]]:
    """The ten topics with the most insights, exactly; equal ones by slug.

    Topics are counted from the one with the highest bound down, until no bound reaches the tenth best: with
    2,000 topics that took 5 to 9 ms, and counting all of them 425.
    """
    best: list[tuple[str, int]] = []
    counted, size = 0, CANDIDATES
    while True:
        candidates = _bounds(connection, start, end, offset=counted, limit=size)
        exactly = _exactly(connection, [topic for topic, _ in candidates], start, end)
        best = sorted((*best, *exactly), key=lambda each: (-each[1], each[0]))[:TOP]
        settled = len(best) == TOP and candidates and candidates[-1][1] < best[-1][1]
        if settled or len(candidates) < size:
            return best
        counted, size = counted + size, min(2 * size, MOST_CANDIDATES)


def _bounds(
    connection: Connection, start: int, end: int, *, offset: int, limit: int
) -> list[tuple[int, int]]:
    """Topics by how many insights they have in the months, or years, that the window touches, falling."""
    months = touching(MONTH, start, end)
    if not months:
        return []
    by_year = len(months) > MOST_MONTHS
    unit = MONTHS if by_year else 1
    given = {"first": months[0] // unit, "last": months[-1] // unit, "offset": offset, "limit": limit}
    return [(topic, int(bound)) for topic, bound in connection.execute(BOUNDS[by_year], given).all()]


def _bounding(rolled: Table, period: ColumnElement[int]) -> Select[Any]:
    n = func.sum(rolled.c.n)
    of_window = period.between(bindparam("first"), bindparam("last"))
    bounds = select(rolled.c.topic, n).where(of_window).group_by(rolled.c.topic)
    return bounds.order_by(n.desc(), rolled.c.topic).offset(bindparam("offset")).limit(bindparam("limit"))


MOST_MONTHS = 6
"""Of a window whose topics are bounded by the month; for a longer one years bound as well and are fewer."""
BOUNDS = {
    False: _bounding(topic_months, topic_months.c.month),
    True: _bounding(topic_years, topic_years.c.year),
}


def _exactly(
    connection: Connection, candidates: Sequence[int], start: int, end: int
) -> list[tuple[str, int]]:
    if not candidates:
        return []
    counts = Counter[int]()
    for topic, n in connection.execute(BY_TOPIC, rollups.where(candidates, start, end)).all():
        counts[topic] += n
    found = connection.execute(SLUGS, {"numbers": [topic for topic, n in counts.items() if n]}).all()
    return [(slug, counts[number]) for number, slug in found]
