"""Sums of every topic over any window, from whole UTC days that are kept in memory and the hours at the window's ends.

A month has 50,000 rows of days by topic, which take 60 ms to read from SQLite and add up; the sums of a day are a list
that is added in 0.1 ms. A day is read again once `changed_days` says that it has changed, so sums are exact.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from operator import add
from threading import Lock
from typing import NamedTuple

from pydantic_core import from_json
from sqlalchemy import BigInteger, Connection, Select, bindparam, func, select

from core.bounded import Bounded
from domain.buckets import DAY, EDGE, HOUR, Span, cover
from models import ALL_TOPICS, WHOLE, changed_days, insights, topic_hours
from store.engine.prepared import Prepared
from store.insights import writing
from store.insights.rollups import HOURS

MOST_DAYS = 200
"""Days kept: 20 MB with two thousand topics."""
BLOCK = 8
"""Days whose sums are kept together, too: a month is five lists to add instead of thirty."""
AMOUNTS = ("n", "negative", "score_sum", "weight", "weighted")


class TopicSums(NamedTuple):
    """Of a topic's insights in a window: number, negative ones, and sums of scores, weights and weighted scores."""

    n: int = 0
    negative: int = 0
    score_sum: int = 0
    weight: int = 0
    weighted: int = 0


NONE = TopicSums()
Column = Sequence[int] | Sequence[float]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A column for each of AMOUNTS by place of the topic, then n squared over the day's insights."""

    changes: tuple[int, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Days:
    """What the days of a history add up to, by topic."""

    days: int
    """Those with insights."""
    n: Mapping[int, int]
    squares: Mapping[int, float]
    """The sum over the days of the topic's number, squared, over the day's insights."""


@dataclass(slots=True)
class TopicDays:
    """Reads sums, and keeps those of the days that were read last. Threads may share it.

    It must read committed transactions only: what it keeps would outlive a rollback.
    """

    most: int = MOST_DAYS
    _lock: Lock = field(default_factory=Lock)
    _places: dict[int, int] = field(default_factory=dict)
    """By topic, in the order in which they were met."""
    _days: Bounded[int, _Kept] = field(init=False)
    _blocks: Bounded[int, _Kept] = field(init=False)

    def __post_init__(self) -> None:
        self._days, self._blocks = Bounded(self.most), Bounded(self.most // BLOCK + 1)

    def sums(self, connection: Connection, start: int, end: int) -> dict[int, TopicSums]:
        """The sums of each topic that has insights in `[start, end)`, and of ALL_TOPICS; UTC microseconds."""
        spans = cover(start, end, (DAY, HOUR))
        days = [span for span in spans if span.level == DAY]
        kept = [each for span in days for each in self._whole(connection, span.first, span.end)]
        found = self._by_topic(kept)
        for span in spans:
            for topic, sums in _of_span(connection, span):
                signed = sums if span.sign > 0 else TopicSums(*(-each for each in sums))
                found[topic] = TopicSums(*map(add, found.get(topic, NONE), signed))
        return {topic: sums for topic, sums in found.items() if sums.n}

    def history(self, connection: Connection, first: int, end: int) -> Days:
        """The days from `first` to before `end`, counted from 1970."""
        kept = self._whole(connection, first, end)
        n, squares = (_sum_up([each.columns[place] for each in kept]) for place in (0, len(AMOUNTS)))
        present = [topic for topic, place in self._known() if place < len(n)]
        return Days(
            days=sum(1 for n in self._totals(connection, first, end) if n),
            n={topic: int(n[self._places[topic]]) for topic in present},
            squares={topic: squares[self._places[topic]] for topic in present},
        )

    def _totals(self, connection: Connection, first: int, end: int) -> list[int]:
        """All insights of each day; the days have been read before."""
        everything = self._places.get(ALL_TOPICS)
        days = self._read(connection, range(first, end)).values()
        if everything is None:
            return []
        return [int(day.columns[0][everything]) for day in days if len(day.columns[0]) > everything]

    def _by_topic(self, kept: Sequence[_Kept]) -> dict[int, TopicSums]:
        columns = [_sum_up([each.columns[place] for each in kept]) for place in range(len(AMOUNTS))]
        rows = [TopicSums(*row) for row in zip(*columns, strict=True)]
        return {topic: rows[place] for topic, place in self._known() if place < len(rows) and rows[place].n}

    def _known(self) -> list[tuple[int, int]]:
        with self._lock:
            return [*self._places.items()]

    def _whole(self, connection: Connection, first: int, end: int) -> list[_Kept]:
        """Blocks and single days that make up these days."""
        days = self._read(connection, range(first, end))
        blocks = range(-(-first // BLOCK), end // BLOCK)
        if not blocks:
            return [*days.values()]
        rest = [*range(first, blocks[0] * BLOCK), *range(blocks[-1] * BLOCK + BLOCK, end)]
        whole = [self._block(block, days) for block in blocks]
        return [*(days[day] for day in rest if day in days), *whole]

    def _block(self, block: int, days: Mapping[int, _Kept]) -> _Kept:
        inside = [days.get(day, EMPTY) for day in range(block * BLOCK, block * BLOCK + BLOCK)]
        changes = tuple(each.changes[0] for each in inside)
        with self._lock:
            kept = self._blocks.get(block)
        if kept is None or kept.changes != changes:
            columns = zip(*(each.columns for each in inside if each is not EMPTY), strict=True)
            kept = _Kept(changes, tuple(_packed(_sum_up(each)) for each in columns) or EMPTY.columns)
            with self._lock:
                self._blocks[block] = kept
        return kept

    def _read(self, connection: Connection, days: range) -> dict[int, _Kept]:
        """Those of the days that have ever had insights, from memory where they have not changed."""
        found = {}
        for day, changes in CHANGES.rows(connection, {"first": days.start, "end": days.stop}):
            with self._lock:
                kept = self._days.get(day)
            if kept is None or kept.changes != (changes,):
                kept = self._load(connection, day, changes)
            found[day] = kept
        return found

    def _load(self, connection: Connection, day: int, changes: int) -> _Kept:
        hours = {"first": day * HOURS, "end": day * HOURS + HOURS}
        rows = SUMS.rows(connection, hours)
        with self._lock:
            places = [self._places.setdefault(row[0], len(self._places)) for row in rows]
            width = len(self._places)
        total = next((row[1] for row in rows if row[0] == ALL_TOPICS), 0)
        columns = [array("q", bytes(8 * width)) for _ in AMOUNTS]
        squares = array("d", bytes(8 * width))
        for place, (_, *amounts) in zip(places, rows, strict=True):
            for column, amount in zip(columns, amounts, strict=True):
                column[place] = amount
            squares[place] = amounts[0] * amounts[0] / total if total else 0.0
        kept = _Kept((changes,), (*columns, squares))
        with self._lock:
            self._days[day] = kept
        return kept


EMPTY = _Kept((0,), ((),) * (len(AMOUNTS) + 1))


def _sum_up(columns: Sequence[Column]) -> Column:
    """The sums, place by place; columns may be of different lengths."""
    if len(columns) == 1:
        return columns[0]
    return [*map(sum, zip_longest(*columns, fillvalue=0))]


def _packed(column: Column) -> Column:
    return array("d" if any(isinstance(each, float) for each in column[:1]) else "q", column)


def _of_span(connection: Connection, span: Span) -> Iterable[tuple[int, TopicSums]]:
    """The sums of hours or of an edge; whole days are not read here."""
    if span.level == HOUR:
        rows = SUMS.rows(connection, {"first": span.first, "end": span.end})
        return [(topic, TopicSums(*amounts)) for topic, *amounts in rows]
    return _of_edge(connection, span) if span.level == EDGE else ()


def _of_edge(connection: Connection, span: Span) -> Iterable[tuple[int, TopicSums]]:
    """The same, insight by insight."""
    rows = CLUSTERS.rows(connection, {"first": span.first, "end": span.end})
    filed = [(from_json(clusters), sentiment < 0, score) for clusters, sentiment, score in rows]
    numbers = writing.topic_numbers(connection, {slug for slugs, *_ in filed for slug in slugs})
    found: defaultdict[int, TopicSums] = defaultdict(TopicSums)
    for slugs, negative, score in filed:
        weights = {numbers[slug]: WHOLE // len(slugs) for slug in slugs} | {ALL_TOPICS: WHOLE}
        for topic, weight in weights.items():
            one = (1, negative, score, weight, weight * score)
            found[topic] = TopicSums(*map(add, found[topic], one))
    return found.items()


# --- statements ---------------------------------------------------------------------------------------------


def _summing() -> Select[tuple[int, ...]]:
    c = topic_hours.c
    sums = (func.sum(c[name]).cast(BigInteger) for name in AMOUNTS)
    of_hours = c.hour >= bindparam("first"), c.hour < bindparam("end")
    return select(c.topic).add_columns(*sums).where(*of_hours).group_by(c.topic)


SUMS = Prepared(_summing())
CHANGES = Prepared(
    select(changed_days.c.day, changed_days.c.changes).where(
        changed_days.c.day >= bindparam("first"), changed_days.c.day < bindparam("end")
    )
)
CLUSTERS = Prepared(
    select(insights.c.clusters, insights.c.sentiment, insights.c.score).where(
        insights.c.timestamp >= bindparam("first"), insights.c.timestamp < bindparam("end")
    )
)
