"""Trends: how sentiment and topics went over a window, hour by hour or day by day."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CompoundSelect, Connection, func, select, union_all

from buckets import MICROSECONDS, start_of, touching
from models import DAY, HOUR, MONTH, topic_months, topics, totals
from store import rollups, windows
from store.rollups import Kind, kind_of

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
    counts = _none()
    for point in series:
        counts.update(point.counts)
    return Trends(
        counts=counts,
        skipped=windows.skipped(connection, start, end),
        top_topics=_top(connection, start, end) if cluster is None else _alone(cluster, counts),
        series=series,
        previous=_by_sentiment(connection, topic, start - (end - start), start),
    )


def _none() -> Counter[int]:
    return Counter(dict.fromkeys(windows.SENTIMENTS, 0))


def _alone(cluster: str, counts: Counter[int]) -> Sequence[tuple[str, int]]:
    return [(cluster, counts.total())] if counts.total() else []


def _series(connection: Connection, topic: int | None, start: int, end: int, now: int) -> list[Point]:
    level = HOUR if end - start <= IN_HOURS else DAY
    found = {} if topic is None else _by_bucket(connection, topic, start, end, level)
    points = []
    for bucket in touching(level, start, end):
        first, last = start_of(level, bucket), start_of(level, bucket + 1)
        sums = {sentiment: found.get((bucket, sentiment), (0, 0)) for sentiment in windows.SENTIMENTS}
        points.append(
            Point(
                start=first,
                counts={sentiment: n for sentiment, (n, _) in sums.items()},
                score_sum=sum(score for _, score in sums.values()),
                partial=first < start or last > min(end, now),
            )
        )
    return points


def _summing(kind: Kind, level: int) -> CompoundSelect[Any]:
    """Number and sum of scores of each bucket and sentiment; a day that is cut comes in pieces."""
    each = []
    for part in rollups.parts(kind, totals, coarsest=level):
        key = part.bucket(level).label("bucket"), part.table.c.sentiment
        sums = part.n.label("n"), part.score_sum.label("score_sum")
        each.append(select(*key, *sums).where(*part.within).group_by(*key))
    return union_all(*each)


def _grouping(kind: Kind, name: str) -> CompoundSelect[Any]:
    """How many of each value of a column, in pieces."""
    each = []
    for part in rollups.parts(kind, totals):
        value = part.table.c[name].label("value")
        each.append(select(value, part.n.label("n")).where(*part.within).group_by(value))
    return union_all(*each)


SUMS = {(kind, level): _summing(kind, level) for kind in (Kind.ALL, Kind.TOPIC) for level in (HOUR, DAY)}
BY_SENTIMENT = {kind: _grouping(kind, "sentiment") for kind in (Kind.ALL, Kind.TOPIC)}
BY_TOPIC = _grouping(Kind.TOPIC, "topic")


def _by_bucket(
    connection: Connection, topic: int, start: int, end: int, level: int
) -> dict[tuple[int, int], tuple[int, int]]:
    given = rollups.where([topic], start, end, coarsest=level)
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for bucket, sentiment, n, score_sum in connection.execute(SUMS[kind_of(topic), level], given).all():
        had = found.get((bucket, sentiment), (0, 0))
        found[bucket, sentiment] = (had[0] + n, had[1] + score_sum)
    return found


def _by_sentiment(connection: Connection, topic: int | None, start: int, end: int) -> Counts:
    counts = _none()
    if topic is not None:
        given = rollups.where([topic], start, end)
        for sentiment, n in connection.execute(BY_SENTIMENT[kind_of(topic)], given).all():
            counts[sentiment] += n
    return counts


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
    """Topics by how many insights they have in the months that the window touches, falling."""
    c = topic_months.c
    months = touching(MONTH, start, end)
    if not months:
        return []
    n = func.sum(c.n)
    statement = select(c.topic, n).where(c.month.between(months[0], months[-1])).group_by(c.topic)
    rows = connection.execute(statement.order_by(n.desc(), c.topic).offset(offset).limit(limit))
    return [(topic, int(bound)) for topic, bound in rows]


def _exactly(
    connection: Connection, candidates: Sequence[int], start: int, end: int
) -> list[tuple[str, int]]:
    if not candidates:
        return []
    counts = Counter[int]()
    for topic, n in connection.execute(BY_TOPIC, rollups.where(candidates, start, end)).all():
        counts[topic] += n
    found = connection.execute(select(topics.c.number, topics.c.slug).where(topics.c.number.in_(counts)))
    return [(slug, counts[number]) for number, slug in found]
