"""Sums of every topic over any window, of the insights with one value of an operator's field.

Whole UTC days are kept in memory, each as long as `changed_days` says that nothing has changed in it, as `topic_days`
keeps those of all insights. A day is read along the value's entries, which are looked up for their topics: a
microsecond or two for each. What a window has of its first and last day is read anew.
"""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from sqlalchemy import Connection, Select, bindparam, select

from core.bounded import Bounded
from domain.analysis import UNSURE
from domain.buckets import DAY, HOUR, MICROSECONDS, Span, cover
from domain.columns import numbers_of, one_number
from models import ALL_TOPICS, insight_fields, insights
from store.engine.prepared import Prepared
from store.insights.kept_days import Histories, KeptDay, versions_of_days
from store.insights.topic_sums import AMOUNTS, FiledRow, Places, SpanRows, WindowSums, counted_under

MOST_DAYS = 450
"""Days kept, of all values together: at most 150 KB each with two thousand topics and 6,000 insights."""
COUNTED = AMOUNTS[:4]
"""Those that are kept: nothing is weighted by values."""
HOURS = 24


@dataclass(frozen=True, slots=True)
class _ValueDay(KeptDay):
    """A day of a value."""

    codes: Sequence[int]
    """Of each topic and hour with insights: HOURS times the topic's place, plus the hour; ascending."""
    ns: Sequence[int]
    """The number of insights of each."""

    def hours_of(self, place: int) -> Iterator[tuple[int, int]]:
        """The hours of the day in which the topic at a place has insights, and how many."""
        first = bisect_left(self.codes, place * HOURS)
        for at in range(first, bisect_left(self.codes, (place + 1) * HOURS, first)):
            yield self.codes[at] - place * HOURS, self.ns[at]


class _Part(NamedTuple):
    """The insights of a part of a day, with each of its topics."""

    span: Span
    rows: Sequence[Sequence[int]]
    """Topic, hour, and what is COUNTED."""


@dataclass(slots=True)
class ValueDays:
    """Keeps the days of values that were read last. Threads may share it.

    It must read committed transactions only: what it keeps would outlive a rollback.
    """

    most: int = MOST_DAYS
    _lock: Lock = field(default_factory=Lock)
    _places: Places = field(default_factory=Places)
    _days: Bounded[tuple[int, int], _ValueDay] = field(init=False)

    def __post_init__(self) -> None:
        self._days = Bounded(self.most)

    def of(self, connection: Connection, value: int) -> "DaysOfValue":
        """Those of the value with this number."""
        return DaysOfValue(self, connection, value)

    def place(self, topics: Iterable[int]) -> list[int]:
        """The places of topics."""
        with self._lock:
            return self._places.of(topics)


@dataclass(slots=True)
class DaysOfValue:
    """Reads the days of one value, in one transaction."""

    kept: ValueDays
    connection: Connection
    value: int
    _parts: dict[tuple[int, int], _Part] = field(default_factory=dict)
    """By first microsecond, and that after the last: windows that follow each other share them."""

    def sums(self, start: int, end: int) -> WindowSums:
        """What every topic has in `[start, end)`."""
        whole, parts = self._window(start, end)
        spans = [
            SpanRows(
                each.span.sign,
                self.kept.place(row[0] for row in each.rows),
                [row[1:] for row in each.rows],
            )
            for each in parts
        ]
        days = [day.columns for _, day in whole]
        return WindowSums(self.kept._places, len(self.kept._places), days, spans)

    def history(self, first: int, end: int) -> Histories:
        """The days from `first` to before `end`, counted from 1970."""
        kept = [day for _, day in self._read(range(first, end)) if day.total]
        places = self.kept._places
        n = numbers_of(sum(day.columns["n"] for day in kept), len(places))
        by_topic = {topic: each for topic, each in zip(places, n, strict=False) if each}
        return Histories(len(kept), by_topic.pop(ALL_TOPICS, 0), by_topic, places, kept)

    def by_hour(self, topics: Iterable[int], start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Topic, hour counted from 1970, and number of insights: of these topics, what adds up to the window."""
        asked = {topic: place for topic in topics if (place := self.kept._places.get(topic)) is not None}
        whole, parts = self._window(start, end)
        for day, kept in whole:
            for topic, place in asked.items():
                for hour, n in kept.hours_of(place):
                    yield topic, day * HOURS + hour, n
        for part in parts:
            for topic, hour, n, *_ in part.rows:
                if topic in asked:
                    yield topic, hour, part.span.sign * n

    def _window(self, start: int, end: int) -> tuple[Sequence[tuple[int, _ValueDay]], Sequence[_Part]]:
        found = cover(start, end, (DAY,))
        whole = [
            day for span in found if span.level == DAY for day in self._read(range(span.first, span.end))
        ]
        return whole, [self._part(span) for span in found if span.level != DAY]

    def _part(self, span: Span) -> _Part:
        key = span.first, span.end
        if key not in self._parts:
            self._parts[key] = _Part(span, [*self._rows(*key)])
        return self._parts[key]._replace(span=span)

    def _read(self, days: range) -> list[tuple[int, _ValueDay]]:
        """Those of the days that have ever had insights, from memory where they have not changed."""
        found = []
        for day, changes in versions_of_days(self.connection, days):
            with self.kept._lock:
                kept = self.kept._days.get((self.value, day))
            if kept is None or kept.changes != changes:
                kept = self._load(day, changes)
            found.append((day, kept))
        return found

    def _load(self, day: int, changes: int) -> _ValueDay:
        first = day * MICROSECONDS[DAY]
        sums: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(COUNTED))
        by_hour: defaultdict[tuple[int, int], int] = defaultdict(int)
        for topic, hour, *amounts in self._rows(first, first + MICROSECONDS[DAY]):
            of_topic = sums[topic]
            of_topic[0] += 1
            if amounts[1]:
                of_topic[1] += 1
            elif amounts[2]:
                of_topic[2] += 1
            of_topic[3] += amounts[3]
            by_hour[topic, hour] += 1
        kept = self._packed(changes, sums, by_hour)
        with self.kept._lock:
            self.kept._days[self.value, day] = kept
        return kept

    def _packed(
        self, changes: int, sums: Mapping[int, Sequence[int]], by_hour: Mapping[tuple[int, int], int]
    ) -> _ValueDay:
        places = dict(zip(sums, self.kept.place(sums), strict=True))
        columns = [[0] * (max(places.values(), default=-1) + 1) for _ in COUNTED]
        for topic, place in places.items():
            for column, amount in zip(columns, sums[topic], strict=True):
                column[place] = amount
        total = sums[ALL_TOPICS][0] if ALL_TOPICS in sums else 0
        squares = array("d", [n * n / total if total else 0.0 for n in columns[0]])
        packed = {amount: one_number(column) for amount, column in zip(COUNTED, columns, strict=True)}
        codes = sorted((places[topic] * HOURS + hour % HOURS, n) for (topic, hour), n in by_hour.items())
        hours, ns = (array("I", [code[at] for code in codes]) for at in (0, 1))
        return _ValueDay(changes, total, packed, squares, hours, ns)

    def _rows(self, start: int, end: int) -> Iterator[Sequence[int]]:
        """Topic, hour, and what is COUNTED, for each insight and each of its topics."""
        found = FILED.rows(self.connection, {"value": self.value, "first": start, "end": end})
        for each, topics, unions in counted_under(self.connection, [FiledRow(*row) for row in found]):
            hour = each.timestamp // MICROSECONDS[HOUR]
            one = hour, 1, each.sentiment < 0, each.sentiment == UNSURE, each.score
            for topic in (*topics, *unions):
                yield topic, *one


def _filed() -> Select[tuple[int, ...]]:
    f = insight_fields.c
    of_value = (
        f.value == bindparam("value"),
        f.timestamp >= bindparam("first"),
        f.timestamp < bindparam("end"),
    )
    columns = insights.c.clusters, f.sentiment, f.score, f.timestamp, f.conversation
    return select(*columns).join(insights, insights.c.conversation == f.conversation).where(*of_value)


FILED = Prepared(_filed())
