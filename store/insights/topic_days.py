"""Sums of every topic over any window, from whole UTC days that are kept in memory and the hours at the window's ends.

A month has 50,000 rows of days by topic, which take 60 ms to read from SQLite and add up; in memory a column of all
topics is one number, and a month of them is added in 0.1 ms. A day is read again once `changed_days` says that it has
changed, so sums are exact.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import BigInteger, Connection, Select, bindparam, func, select

from core.bounded import Bounded
from domain.buckets import DAY, HOUR, cover
from domain.columns import numbers_of, one_number
from models import ALL_TOPICS, changed_days, topic_hours
from store.engine.prepared import Prepared
from store.insights.kept_days import Histories, KeptDay, versions_of_days
from store.insights.topic_sums import AMOUNTS, Places, Spans, WindowSums
from store.insights.value_days import ValueDays

MOST_DAYS = 500
"""Days kept: 50 MB with two thousand topics. With fewer than a database has, windows push each other's days out."""
HOURS = 24
"""Hours per day."""
Window = tuple[int, int]
"""`[start, end)` in UTC microseconds."""


@dataclass(slots=True)
class TopicDays:
    """Reads sums, and keeps those of the days that were read last. Threads may share it.

    It must read committed transactions only: what it keeps would outlive a rollback.
    """

    most: int = MOST_DAYS
    of_values: ValueDays = field(default_factory=ValueDays)
    """The same of the insights with a value of a field."""
    _lock: Lock = field(default_factory=Lock)
    _places: Places = field(default_factory=Places)
    _days: Bounded[int, KeptDay] = field(init=False)

    def __post_init__(self) -> None:
        self._days = Bounded(self.most)

    def sums(self, connection: Connection, *windows: Window) -> list[WindowSums]:
        """What every topic has in each of the windows."""
        spans = Spans(connection, self._place)
        return [self._sums(connection, spans, window) for window in windows]

    def _sums(self, connection: Connection, spans: Spans, window: Window) -> WindowSums:
        found = cover(*window, (DAY, HOUR))
        whole = (range(span.first, span.end) for span in found if span.level == DAY)
        days = [day.columns for each in whole for day in self._read(connection, each)]
        parts = [spans.part(span) for span in found if span.level != DAY]
        return WindowSums(self._places, len(self._places), days, parts)

    def history(self, connection: Connection, first: int, end: int) -> Histories:
        """The days from `first` to before `end`, counted from 1970."""
        kept = [day for day in self._read(connection, range(first, end)) if day.total]
        n = numbers_of(sum(day.columns["n"] for day in kept), len(self._places))
        by_topic = {topic: each for topic, each in zip(self._places, n, strict=False) if each}
        return Histories(len(kept), by_topic.pop(ALL_TOPICS, 0), by_topic, self._places, kept)

    def keep(self, connection: Connection, day: int) -> None:
        """Read a day into memory, unless it is there."""
        self._read(connection, range(day, day + 1))

    def _place(self, topics: Iterable[int]) -> list[int]:
        with self._lock:
            return self._places.of(topics)

    def _read(self, connection: Connection, days: range) -> list[KeptDay]:
        """Those of the days that have ever had insights, from memory where they have not changed."""
        found = []
        for day, changes in versions_of_days(connection, days):
            with self._lock:
                kept = self._days.get(day)
            if kept is None or kept.changes != changes:
                kept = self._load(connection, day, changes)
            found.append(kept)
        return found

    def _load(self, connection: Connection, day: int, changes: int) -> KeptDay:
        rows = SUMS.rows(connection, {"first": day * HOURS, "end": day * HOURS + HOURS})
        places = self._place(row[0] for row in rows)
        columns = {amount: [0] * (max(places, default=-1) + 1) for amount in AMOUNTS}
        for place, (_, *amounts) in zip(places, rows, strict=True):
            for column, amount in zip(columns.values(), amounts, strict=True):
                column[place] = amount
        total = next((n for topic, n, *_ in rows if topic == ALL_TOPICS), 0)
        squares = array("d", [n * n / total if total else 0.0 for n in columns["n"]])
        packed = {amount: one_number(column) for amount, column in columns.items()}
        kept = KeptDay(changes, total, packed, squares)
        with self._lock:
            self._days[day] = kept
        return kept


def newest_days(connection: Connection, most: int) -> list[int]:
    """The newest UTC days that ever had insights, counted from 1970."""
    return [day for (day,) in NEWEST.rows(connection, {"most": most})]


# --- statements ---------------------------------------------------------------------------------------------


def _summing() -> Select[tuple[int, ...]]:
    c = topic_hours.c
    sums = (func.sum(c[name]).cast(BigInteger) for name in AMOUNTS)
    of_hours = c.hour >= bindparam("first"), c.hour < bindparam("end")
    return select(c.topic).add_columns(*sums).where(*of_hours).group_by(c.topic)


SUMS = Prepared(_summing())
NEWEST = Prepared(select(changed_days.c.day).order_by(changed_days.c.day.desc()).limit(bindparam("most")))
