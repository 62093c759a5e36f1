"""Insights by any combination of filters, sorted by any column: exact counts, and the positions of a page.

What the roll-ups cannot count is counted along one index, that of the filter that is expected to leave the fewest
entries. Every other filter is checked entry by entry.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, literal_column, select

from core.clock import END, EPOCH, MICROSECOND
from domain.analysis import CONFIDENCE_UNIT, NEUTRAL_BAND, SCORE_UNIT, UNSURE
from models import ALL_TOPICS, FIRST_UNION, insights
from store.engine.prepared import Prepared
from store.insights.rollups import SENTIMENTS
from store.insights.statements import (
    Driver,
    Shape,
    compared,
    counting,
    field_parameters,
    grouping,
    listing,
    stepping,
    walking,
)
from store.insights.stored_selection import count_filed
from store.insights.unions import single_topics
from store.insights.windows import Counts, Position, Selection, count_insights

LOOKUP = 4
"""Entries of an index that are walked in the time it takes to look up another row."""
SLACK = 4
"""How many times more entries than expected are walked before the whole window is sorted instead."""
WALKED = 20_000
"""Entries that are walked at least. Of a million insights, the window is sorted in 90 ms, these are walked in 3."""
LEAPS = 20
"""Values that are looked at one by one, each in a quarter of a millisecond, before a window is sorted."""
FAR = 2**62
"""Beyond any time and any intake number."""
MAKER = ("analyzer", "model")
OWN = ("author", *MAKER, "language")
"""Filters by a column of `insights`."""
LATEST = (END - EPOCH) // MICROSECOND
SCORES = {
    None: (-SCORE_UNIT, SCORE_UNIT),
    -1: (-SCORE_UNIT, -NEUTRAL_BAND - 1),
    0: (-NEUTRAL_BAND, NEUTRAL_BAND),
    1: (NEUTRAL_BAND + 1, SCORE_UNIT),
    UNSURE: (0, 0),
}
"""The lowest and the highest score of each sentiment."""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The chosen insights under a topic (its number), in the conversations `numbers` if those were searched for."""

    connection: Connection
    chosen: Selection
    topic: int
    numbers: Sequence[int] | None = None

    def count(self) -> int:
        """The exact number of insights."""
        return sum(row[0] for row in self._count(by_sentiment=False))

    def count_by_sentiment(self) -> Counts:
        """The exact number of insights of each sentiment."""
        sums = self._count(by_sentiment=True)
        return {sentiment: sum(row[at] or 0 for row in sums) for at, sentiment in enumerate(SENTIMENTS)}

    def sums_by(self, unit: int) -> dict[int, tuple[int, ...]]:
        """By units of so many microseconds: insights per sentiment in the order of SENTIMENTS, and sum of scores."""
        statement = grouping(self._shape(self._driver()))
        found: dict[int, tuple[int, ...]] = {}
        for given in self._runs():
            for number, *sums in statement.rows(self.connection, given | {"unit": unit}):
                found[number] = tuple(map(add, found.get(number, (0,) * len(sums)), sums))
        return found

    def _count(self, *, by_sentiment: bool) -> list[Sequence[int]]:
        statement = counting(self._shape(self._driver()), by_sentiment)
        return [row for given in self._runs() for row in statement.rows(self.connection, given)]

    def find_positions(self, *, limit: int, after: Position | None, total: int) -> list[Position]:
        """The positions of up to `limit` insights after the position `after`, out of `total`."""
        place = after or _ends(self.chosen)[0]
        if self.chosen.sort.by_value and total:
            walked = self._walk_values(place, limit, total)
            if walked is not None:
                return walked
        return self._sort(place, limit)

    def _sort(self, after: Position, limit: int) -> list[Position]:
        """The first entries of the driver's index after a position."""
        statement = listing(self._shape(self._driver()), self.chosen.sort)
        page = _place("after", after) | {"limit": limit}
        found = [
            tuple(row) for given in self._runs() for row in statement.rows(self.connection, given | page)
        ]
        return sorted(found, reverse=self.chosen.sort.descending)[:limit]

    def _walk_values(self, after: Position, limit: int, total: int) -> list[Position] | None:
        """The same along the index of the values; None if sorting all entries is expected to be faster, or was."""
        expected = limit * self._values() // total
        checks = self.topic != ALL_TOPICS or self.numbers is not None or self._has_lookups
        cost = LOOKUP if checks else 1
        if expected * cost > self._entries(total):
            return None
        last = self._place_at(after, max(SLACK * expected, WALKED // cost))
        found = self._walk(after, last or _ends(self.chosen)[1], limit)
        return found if len(found) == limit or last is None else self.leap(after, limit)

    def _walk(self, after: Position, last: Position, limit: int) -> list[Position]:
        page = _place("after", after) | _place("last", last) | {"limit": limit}
        statement = walking(self._shape(Driver.VALUES), self.chosen.sort)
        return [tuple(row) for row in statement.rows(self.connection, self._parameters() | page)]

    def leap(self, after: Position | None, limit: int) -> list[Position] | None:
        """The same as a walk, value by value, of each only what is in the window: of some values there are very many.

        Of 10 million insights one in 60 has the lowest score; 30 days of them were sorted instead, which took 180 ms.
        None if too many values are met.
        """
        (start, last), forward = _ends(self.chosen), not self.chosen.sort.descending
        after, found = after or start, list[Position]()
        for _ in range(LEAPS):
            place = self._place_at(after, 0)
            if place is None or (place >= last if forward else place <= last):
                return found
            ends = _of_value(place[0], self.chosen)
            first = max(after, ends[0]) if forward else min(after, ends[0])
            found += self._walk(first, ends[1], limit - len(found))
            if len(found) == limit:
                return found
            after = (place[0], FAR, 0) if forward else (place[0], -FAR, 0)
        return None

    def _place_at(self, after: Position, offset: int) -> Position | None:
        """The position so many entries of the values' index further on; None if that is past its end."""
        rows = stepping(self.chosen.sort).rows(self.connection, _place("after", after) | {"offset": offset})
        return tuple(rows[0]) if rows else None

    def _values(self) -> int:
        """The number of entries that the index of the values has between the ends of the list."""
        by_score = self.chosen.sort.column == "score"
        ever = Selection(
            0,
            LATEST,
            sentiment=self.chosen.sentiment if by_score else None,
            min_confidence=0 if by_score else self.chosen.min_confidence,
        )
        return count_insights(self.connection, ALL_TOPICS, ever)

    def _entries(self, total: int) -> int:
        """The number of entries that sorting has to read, at least."""
        driver = self._driver()
        if driver is Driver.FIELD:
            return count_filed(self.connection, self.chosen.fields[0], self.chosen)
        if driver not in (Driver.WINDOW, Driver.TOPIC):
            return total
        topic = self.topic if driver is Driver.TOPIC else ALL_TOPICS
        return count_insights(self.connection, topic, Selection(self.chosen.start, self.chosen.end))

    @property
    def _has_lookups(self) -> bool:
        return bool(self.chosen.metadata or self.chosen.fields or self._own)

    @property
    def _own(self) -> tuple[str, ...]:
        return tuple(name for name in OWN if getattr(self.chosen, name) is not None)

    def _driver(self) -> Driver:
        """The index to walk; the first of these filters is expected to leave the fewest entries."""
        chosen = self.chosen
        given = {
            Driver.WORDS: self.numbers is not None and self._are_few(self.numbers),
            Driver.AUTHOR: chosen.author is not None,
            Driver.METADATA: bool(chosen.metadata),
            Driver.FIELD: bool(chosen.fields) and self._is_below_topic(),
            Driver.TOPIC: self.topic != ALL_TOPICS,
            Driver.MAKER: any(getattr(chosen, name) is not None for name in MAKER),
        }
        return next((driver for driver, is_given in given.items() if is_given), Driver.WINDOW)

    def _is_below_topic(self) -> bool:
        """Whether the first filter by a field leaves fewer insights than the topic."""
        if self.topic == ALL_TOPICS:
            return True
        of_topic = count_insights(self.connection, self.topic, Selection(self.chosen.start, self.chosen.end))
        return count_filed(self.connection, self.chosen.fields[0], self.chosen) <= of_topic

    def _are_few(self, numbers: Sequence[int]) -> bool:
        """Whether looking up each of these conversations is faster than walking over the window."""
        window = Selection(self.chosen.start, self.chosen.end)
        return LOOKUP * len(numbers) <= count_insights(self.connection, ALL_TOPICS, window)

    def _shape(self, driver: Driver) -> Shape:
        of_words = self.numbers is not None
        pairs, is_union = len(self.chosen.metadata), self.topic >= FIRST_UNION
        fields = compared(self.chosen.fields)
        return Shape(driver, self.topic != ALL_TOPICS, self._own, pairs, of_words, is_union, fields)

    def _runs(self) -> Iterator[dict[str, Any]]:
        """The parameters of each run of the statement: one for each topic of a union, each value or each maker."""
        given, driver = self._parameters(), self._driver()
        if driver is Driver.TOPIC:
            topics = single_topics(self.connection, self.topic)
            yield from (
                given | {"topic": topic, "before": topics[:place]} for place, topic in enumerate(topics)
            )
        elif driver is Driver.FIELD:
            yield from (given | {"filed": number} for number in self.chosen.fields[0].numbers)
        elif driver is Driver.MAKER:
            yield from (given | maker for maker in self._makers())
        else:
            yield given

    def _makers(self) -> Iterator[dict[str, str]]:
        for analyzer, model in makers(self.connection):
            if self.chosen.analyzer in (None, analyzer) and self.chosen.model in (None, model):
                yield {"analyzer": analyzer, "model": model}

    def _parameters(self) -> dict[str, Any]:
        chosen = self.chosen
        pairs = {
            f"{part}_{at}": word
            for at, pair in enumerate(chosen.metadata)
            for part, word in zip(("key", "value"), pair, strict=True)
        }
        made = {"analyzer": chosen.analyzer, "model": chosen.model, "language": chosen.language}
        window = {"start": chosen.start, "end": chosen.end, "numbers": self.numbers}
        return chosen.parameters(self.topic) | pairs | made | window | field_parameters(chosen.fields)


def makers(connection: Connection) -> Iterator[tuple[str, str]]:
    """The pairs of analyzer and model of which there are insights; two lookups each."""
    last = {"analyzer": "", "model": ""}
    while rows := NEXT_MODEL.rows(connection, last) or NEXT_ANALYZER.rows(connection, last):
        last = {"analyzer": rows[0][0], "model": rows[0][1]}
        yield last["analyzer"], last["model"]


def _ends(chosen: Selection) -> tuple[Position, Position]:
    """The positions before the first and after the last entry of the list."""
    low: Position
    high: Position
    if chosen.sort.by_value:
        lowest, highest = (
            SCORES[chosen.sentiment]
            if chosen.sort.column == "score"
            else (chosen.min_confidence, CONFIDENCE_UNIT)
        )
        low, high = (lowest - 1, LATEST, 0), (highest + 1, 0, 0)
    else:
        low, high = (chosen.start, 0), (chosen.end, 0)
    return (high, low) if chosen.sort.descending else (low, high)


def _of_value(value: int, chosen: Selection) -> tuple[Position, Position]:
    """The positions before the first and after the last of the window's insights with a value."""
    before, beyond = (value, chosen.start - 1, FAR), (value, chosen.end, 0)
    return (beyond, before) if chosen.sort.descending else (before, beyond)


def _place(name: str, place: Position) -> dict[str, int]:
    return {f"{name}_{at}": part for at, part in enumerate(place)}


def _first_maker(*after: ColumnElement[bool]) -> Prepared:
    pair = insights.c.analyzer, insights.c.model
    return Prepared(select(*pair).where(*after).order_by(*pair).limit(literal_column("1")))


# Two statements, because SQLite would read all insights of an analyzer to compare both columns at once.
NEXT_MODEL = _first_maker(insights.c.analyzer == bindparam("analyzer"), insights.c.model > bindparam("model"))
NEXT_ANALYZER = _first_maker(insights.c.analyzer > bindparam("analyzer"))
