"""What topics have in a window: sums of whole days, and of the hours and the insights at its ends.

A sum over all topics is made when it is first asked for. Most answers need one amount of all topics, and the others of
a page of them: all amounts of two thousand topics in two windows took 30 ms.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Connection, Select, String, bindparam, select

from domain.analysis import UNSURE
from domain.buckets import HOUR, MICROSECONDS, Span
from domain.columns import numbers_of
from models import ALL_TOPICS, WHOLE, insights, topic_hours, topic_names
from store.engine.prepared import Prepared, among
from store.insights.unions import counted_in, unions

Amount = Literal["n", "negative", "unsure", "score_sum", "weight", "weighted"]
AMOUNTS: tuple[Amount, ...] = ("n", "negative", "unsure", "score_sum", "weight", "weighted")
Row = Sequence[int]
"""A topic's number, and its AMOUNTS in an hour or of an insight."""


class TopicSums(NamedTuple):
    """Of a topic's insights: number, negative and unsure ones, and sums of scores, weights and weighted scores."""

    n: int = 0
    negative: int = 0
    unsure: int = 0
    score_sum: int = 0
    weight: int = 0
    weighted: int = 0


NONE = TopicSums()


@dataclass(slots=True)
class Places:
    """The place of each topic in columns, in the order in which topics were met. One thread at a time may add some."""

    _places: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[int]:
        """The topics by place."""
        return iter([*self._places])

    def get(self, topic: int) -> int | None:
        """The place of a topic; None if it was never met."""
        return self._places.get(topic)

    def of(self, topics: Iterable[int]) -> list[int]:
        """The place of each of the topics; new ones get one."""
        return [self._places.setdefault(topic, len(self._places)) for topic in topics]


class SpanRows(NamedTuple):
    """Rows of a window's hours or insights, with the places of their topics; to be subtracted with sign -1."""

    sign: int
    places: Sequence[int]
    rows: Sequence[Row]


@dataclass(slots=True, eq=False)
class WindowSums(Mapping[int, TopicSums]):
    """The sums of every topic that has insights in a window, and of ALL_TOPICS, by the topic's number."""

    places: Places
    length: int
    """So many topics were known when the window was read."""
    days: Sequence[Mapping[Amount, int]]
    """The AMOUNTS of whole days, each a column as one number."""
    parts: Sequence[SpanRows]
    _columns: dict[Amount, Sequence[int]] = field(default_factory=dict)

    def column(self, amount: Amount) -> Sequence[int]:
        """An amount of all topics, by place."""
        if amount not in self._columns:
            found = numbers_of(sum(day[amount] for day in self.days), self.length)
            self._columns[amount] = self._with_parts(found, AMOUNTS.index(amount) + 1)
        return self._columns[amount]

    def _with_parts(self, days: Sequence[int], at: int) -> Sequence[int]:
        found = [*days]
        for sign, places, rows in self.parts:
            for place, row in zip(places, rows, strict=True):
                found[place] += sign * row[at]
        return found

    def by_topic(self, amount: Amount) -> dict[int, int]:
        """An amount of every topic that was ever met."""
        return dict(zip(self.places, self.column(amount), strict=False))

    def of(self, topic: int, amounts: Sequence[Amount] = AMOUNTS) -> Sequence[int]:
        """Some amounts of a topic; zeros where it has no insights."""
        place = self.places.get(topic)
        if place is None or place >= self.length:
            return (0,) * len(amounts)
        return [self.column(amount)[place] for amount in amounts]

    def __getitem__(self, topic: int) -> TopicSums:
        found = TopicSums(*self.of(topic))
        if not found.n:
            raise KeyError(topic)
        return found

    def __iter__(self) -> Iterator[int]:
        return (topic for topic, n in zip(self.places, self.column("n"), strict=False) if n)

    def __len__(self) -> int:
        return sum(1 for n in self.column("n") if n)


# --- hours and insights -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spans:
    """Reads hours and edges. Windows that follow each other share them, so each is read once."""

    connection: Connection
    place: Callable[[Iterable[int]], list[int]]
    """Gives the places of topics."""
    _read: dict[tuple[int, int], tuple[Sequence[int], Sequence[Row]]] = field(default_factory=dict)
    """By first microsecond, and that after the last."""

    def part(self, span: Span) -> SpanRows:
        """The rows of a span."""
        length = MICROSECONDS[span.level]
        key = span.first * length, span.end * length
        if key not in self._read:
            bounds = {"first": span.first, "end": span.end}
            rows = self._of_hours(bounds) if span.level == HOUR else [*self._of_edge(bounds)]
            self._read[key] = self.place(row[0] for row in rows), rows
        return SpanRows(span.sign, *self._read[key])

    def _of_hours(self, bounds: dict[str, int]) -> Sequence[Row]:
        return HOURS.rows(self.connection, bounds)

    def _of_edge(self, bounds: dict[str, int]) -> Iterator[Row]:
        """A row for each insight and topic."""
        filed = [FiledRow(*each) for each in CLUSTERS.rows(self.connection, bounds)]
        for each, (_, *topics), unions_ in counted_under(self.connection, filed):
            whole = 0 if each.sentiment == UNSURE else WHOLE
            one = 1, each.sentiment < 0, each.sentiment == UNSURE, each.score
            yield ALL_TOPICS, *one, whole, whole * each.score
            weight = whole // max(1, len(topics))
            for topic in topics:
                yield topic, *one, weight, weight * each.score
            for union in unions_:
                yield union, *one, 0, 0


class FiledRow(NamedTuple):
    """An insight as it is filed."""

    clusters: str
    sentiment: int
    score: int
    timestamp: int
    conversation: int


def counted_under(
    connection: Connection, filed: Sequence[FiledRow]
) -> Iterator[tuple[FiledRow, Sequence[int], Iterable[int]]]:
    """Insights, each with ALL_TOPICS and its topics, and with the unions that it counts in."""
    numbers = _numbers(connection, {each.clusters for each in filed})
    topics = {clusters: (ALL_TOPICS, *of_it) for clusters, of_it in numbers.items()}
    known = unions(connection)
    for each in filed:
        place = each.timestamp, each.conversation
        yield each, topics[each.clusters], counted_in(known, numbers[each.clusters], place) if known else ()


def _numbers(connection: Connection, filed: Collection[str]) -> dict[str, Collection[int]]:
    """The topics that each value of `insights.clusters` stands for."""
    names = {clusters: from_json(clusters) for clusters in filed}
    wanted = {name for each in names.values() for name in each}
    numbers = {name: number for name, number in NUMBERS.rows(connection, {"names": [*wanted]})}  # noqa: C416  rows are lists
    return {clusters: {numbers[name] for name in each} for clusters, each in names.items()}


# --- statements ---------------------------------------------------------------------------------------------


def _hours() -> Select[tuple[int, ...]]:
    """Select the hours row by row: adding up 4,000 of them by topic takes SQLite longer than giving them."""
    c = topic_hours.c
    of_hours = c.hour >= bindparam("first"), c.hour < bindparam("end")
    return select(c.topic, *(c[name] for name in AMOUNTS)).where(*of_hours)


HOURS = Prepared(_hours())
CLUSTERS = Prepared(
    select(
        *(insights.c[name] for name in ("clusters", "sentiment", "score", "timestamp", "conversation"))
    ).where(insights.c.timestamp >= bindparam("first"), insights.c.timestamp < bindparam("end"))
)
NUMBERS = Prepared(
    select(topic_names.c.name, topic_names.c.topic).where(among(topic_names.c.name, "names", String))
)
