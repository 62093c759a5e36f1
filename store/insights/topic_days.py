"""Sums of every topic over any window, from whole UTC days that are kept in memory and the hours at the window's ends.

A month has 50,000 rows of days by topic, which take 60 ms to read from SQLite and add up; the sums of a day are a list
that is added in 0.1 ms. A day is read again once `changed_days` says that it has changed, so sums are exact.
"""

from array import array
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from operator import add, sub
from threading import Lock
from typing import NamedTuple

from pydantic_core import from_json
from sqlalchemy import BigInteger, Connection, Select, bindparam, func, select

from core.bounded import Bounded
from domain.analysis import UNSURE
from domain.buckets import DAY, HOUR, MICROSECONDS, Span, cover
from models import ALL_TOPICS, WHOLE, changed_days, insights, topic_hours
from store.engine.prepared import Prepared
from store.insights.names import topic_numbers
from store.insights.unions import counted_in, unions

MOST_DAYS = 500
"""Days kept: 29 MB with two thousand topics. With fewer than a database has, windows push each other's days out."""
HOURS = 24
"""Hours per day."""
BLOCK = 8
"""Days whose sums are kept together, too: a month is five lists to add instead of thirty."""
AMOUNTS = ("n", "negative", "unsure", "score_sum", "weight", "weighted")
TYPES = "iiiiiq"
"""How AMOUNTS are kept, where they fit."""
Window = tuple[int, int]
"""`[start, end)` in UTC microseconds."""


class TopicSums(NamedTuple):
    """Of a topic's insights: number, negative and unsure ones, and sums of scores, weights and weighted scores."""

    n: int = 0
    negative: int = 0
    unsure: int = 0
    score_sum: int = 0
    weight: int = 0
    weighted: int = 0


NONE = TopicSums()
Column = Sequence[int] | Sequence[float]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A column for each of AMOUNTS by place of the topic, then n squared over the day's insights."""

    changes: tuple[int, ...]
    days: int
    """Days with insights."""
    columns: tuple[Column, ...]


SQUARES = len(AMOUNTS)
"""The place of the last column."""
EMPTY = _Kept((0,), 0, ((),) * (SQUARES + 1))


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

    def sums(
        self, connection: Connection, *windows: Window, amounts: int = len(AMOUNTS)
    ) -> list[dict[int, TopicSums]]:
        """For each window the sums of every topic that has insights in it, and of ALL_TOPICS.

        Only so many of AMOUNTS are added up, the first ones; the others are 0.
        """
        of_span = _Spans(connection)
        return [self._sums(connection, of_span, window, amounts) for window in windows]

    def _sums(
        self, connection: Connection, of_span: "_Spans", window: Window, amounts: int
    ) -> dict[int, TopicSums]:
        spans = cover(*window, (DAY, HOUR))
        days = [span for span in spans if span.level == DAY]
        kept = [each for span in days for each in self._whole(connection, span.first, span.end)]
        columns = [_sum_up([each.columns[place] for each in kept]) for place in range(amounts)]
        found = dict(zip(self._known(), zip(*columns, strict=True), strict=False))
        for span in spans:
            for topic, sums in () if span.level == DAY else of_span.sums(span):
                changed = add if span.sign > 0 else sub
                found[topic] = tuple(map(changed, found.get(topic, NONE), sums[:amounts]))
        return {topic: TopicSums(*sums) for topic, sums in found.items() if sums[0]}

    def history(self, connection: Connection, first: int, end: int) -> Days:
        """The days from `first` to before `end`, counted from 1970."""
        kept = self._whole(connection, first, end)
        n, squares = (_sum_up([each.columns[place] for each in kept]) for place in (0, SQUARES))
        known = self._known()
        return Days(
            days=sum(each.days for each in kept),
            n={topic: int(sums) for topic, sums in zip(known, n, strict=False)},
            squares=dict(zip(known, squares, strict=False)),
        )

    def keep(self, connection: Connection, day: int) -> None:
        """Read a day into memory, unless it is there."""
        self._read(connection, range(day, day + 1))

    def _known(self) -> list[int]:
        """The topics by place."""
        with self._lock:
            return [*self._places]

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
            columns = [_sum_up([each.columns[place] for each in inside]) for place in range(SQUARES)]
            squares = array("d", _sum_up([each.columns[SQUARES] for each in inside]))
            days_ = sum(each.days for each in inside)
            kept = _Kept(changes, days_, (*map(_packed, columns, TYPES), squares))
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
        rows = SUMS.rows(connection, {"first": day * HOURS, "end": day * HOURS + HOURS})
        with self._lock:
            places = [self._places.setdefault(row[0], len(self._places)) for row in rows]
            width = len(self._places)
        columns = [[0] * width for _ in AMOUNTS]
        for place, (_, *amounts) in zip(places, rows, strict=True):
            for column, amount in zip(columns, amounts, strict=True):
                column[place] = amount
        total = next((row[1] for row in rows if row[0] == ALL_TOPICS), 0)
        squares = array("d", [n * n / total if total else 0.0 for n in columns[0]])
        kept = _Kept((changes,), int(total > 0), (*map(_packed, columns, TYPES), squares))
        with self._lock:
            self._days[day] = kept
        return kept


def newest_days(connection: Connection, most: int) -> list[int]:
    """The newest UTC days that ever had insights, counted from 1970."""
    return [day for (day,) in NEWEST.rows(connection, {"most": most})]


def _sum_up(columns: Sequence[Column]) -> Column:
    """The sums, place by place; columns may be of different lengths."""
    if len(columns) == 1:
        return columns[0]
    return [*map(sum, zip_longest(*columns, fillvalue=0))]


def _packed(column: Column, typecode: str) -> Column:
    """As an array of numbers, of eight bytes each if they do not fit the type."""
    try:
        return array(typecode, column)
    except OverflowError:
        return array("q", column)


@dataclass(frozen=True, slots=True)
class _Spans:
    """Reads the sums of hours and edges. Windows that follow each other share them, so each is read once."""

    connection: Connection
    read: dict[Window, Collection[tuple[int, Sequence[int]]]] = field(default_factory=dict)

    def sums(self, span: Span) -> Collection[tuple[int, Sequence[int]]]:
        """The sums of each topic in a span."""
        length = MICROSECONDS[span.level]
        key = span.first * length, span.end * length
        if key not in self.read:
            bounds = {"first": span.first, "end": span.end}
            self.read[key] = self._of_hours(bounds) if span.level == HOUR else self._of_edge(bounds)
        return self.read[key]

    def _of_hours(self, bounds: dict[str, int]) -> Collection[tuple[int, Sequence[int]]]:
        return [(topic, amounts) for topic, *amounts in SUMS.rows(self.connection, bounds)]

    def _of_edge(self, bounds: dict[str, int]) -> Collection[tuple[int, Sequence[int]]]:
        """The same, insight by insight."""
        rows = CLUSTERS.rows(self.connection, bounds)
        filed = [(from_json(clusters), *others) for clusters, *others in rows]
        numbers = topic_numbers(self.connection, {name for names, *_ in filed for name in names})
        known = unions(self.connection)
        found: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(AMOUNTS))
        for names, sentiment, score, *place in filed:
            topics = {numbers[name] for name in names}
            whole = 0 if sentiment == UNSURE else WHOLE
            weights = {ALL_TOPICS: whole} | dict.fromkeys(topics, whole // max(1, len(topics)))
            weights |= dict.fromkeys(counted_in(known, topics, (place[0], place[1])), 0)
            for topic, weight in weights.items():
                one = (1, sentiment < 0, sentiment == UNSURE, score, weight, weight * score)
                found[topic] = [*map(add, found[topic], one)]
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
NEWEST = Prepared(select(changed_days.c.day).order_by(changed_days.c.day.desc()).limit(bindparam("most")))
CLUSTERS = Prepared(
    select(
        *(insights.c[name] for name in ("clusters", "sentiment", "score", "timestamp", "conversation"))
    ).where(insights.c.timestamp >= bindparam("first"), insights.c.timestamp < bindparam("end"))
)
