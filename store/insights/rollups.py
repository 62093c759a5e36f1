"""Roll-ups: what was analysed, already counted by hour, day and month.

Counting ten million rows takes a second, adding up the buckets of a window a few milliseconds. Who stores or
deletes what is counted here calls `add` in the same transaction.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ColumnExpressionArgument,
    Connection,
    Table,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
)

from domain.buckets import DAY, EDGE, HOUR, MICROSECONDS, MONTH, Span, bucket_of, cover
from models import (
    IS_SKIPPED,
    conversations,
    counts,
    insight_topics,
    insights,
    topic_months,
    topic_years,
    totals,
)
from store.engine.dialect import insert_or, insert_rows
from store.engine.prepared import among

Key = tuple[int, ...]
LEVELS = (MONTH, DAY, HOUR)
SENTIMENTS = (-1, 0, 1)
MONTHS = 12
"""Of a year."""


class Fact(NamedTuple):
    """One thing to count: an insight under one of its topics, under ALL_TOPICS, or a skipped conversation."""

    topic: int
    timestamp: int
    sentiment: int = 0
    confidence: int = 0
    score: int = 0


def levels(topic: int, rolled: Table) -> tuple[int, ...]:
    """The levels at which a topic or kind of topic is rolled up in `counts` or `totals`, the coarsest first.

    Of a single topic, sentiment and confidence most hours hold one insight or none, so that they would save nothing.
    """
    return (MONTH, DAY) if rolled is counts and topic > 0 else LEVELS


def add(connection: Connection, new: Iterable[Fact], old: Iterable[Fact] = ()) -> None:
    """Count what is new and stop counting what is old, in one go.

    Call it once a transaction, or always for the same kinds of topic in the same order: it takes row locks by
    table and key, and four unsorted writers on PostgreSQL made a deadlock a second.
    """
    changes = _Changes()
    for sign, facts in ((1, new), (-1, old)):
        for fact in facts:
            changes.count(fact, sign)
    _apply(connection, counts, [(*key, n) for key, n in changes.counts.items() if n])
    _apply(connection, totals, [(*key, *sums) for key, sums in changes.totals.items() if any(sums)])
    _apply(connection, topic_months, [(*key, n) for key, n in changes.months.items() if n])
    _apply(connection, topic_years, [(*key, n) for key, n in changes.years.items() if n])


def _none_yet() -> defaultdict[Key, int]:
    return defaultdict(int)


def _no_sums() -> defaultdict[Key, list[int]]:
    return defaultdict(lambda: [0, 0, 0, 0])


@dataclass(slots=True)
class _Changes:
    """What the rows of each roll-up gain or lose, by their keys."""

    counts: defaultdict[Key, int] = field(default_factory=_none_yet)
    totals: defaultdict[Key, list[int]] = field(default_factory=_no_sums)
    """How many, how many negative and positive ones, and the sum of the scores."""
    months: defaultdict[Key, int] = field(default_factory=_none_yet)
    years: defaultdict[Key, int] = field(default_factory=_none_yet)

    def count(self, fact: Fact, sign: int) -> None:
        """Add a fact, or with sign -1 take it away."""
        topic, at, sentiment, confidence, score = fact
        for level in levels(topic, counts):
            self.counts[topic, level, bucket_of(level, at), sentiment, confidence] += sign
        for level in levels(topic, totals):
            sums = self.totals[topic, level, bucket_of(level, at)]
            sums[0] += sign
            sums[1] += sign * (sentiment < 0)
            sums[2] += sign * (sentiment > 0)
            sums[3] += sign * score
        if topic > 0:
            month = bucket_of(MONTH, at)
            self.months[month, topic] += sign
            self.years[month // MONTHS, topic] += sign


def _apply(connection: Connection, table: Table, rows: list[tuple[int, ...]]) -> None:
    """Add to the rows of a roll-up: each its key, by how many there are more, and what else is summed."""
    rows.sort()
    insert_rows(connection, _raised(connection.dialect.name, table), rows)
    keys = list(table.primary_key)
    fallen = [row[: len(keys)] for row in rows if row[len(keys)] <= 0]
    if fallen:
        this = [column == bindparam(f"the_{column.name}") for column in keys]
        at = [{f"the_{c.name}": part for c, part in zip(keys, key, strict=True)} for key in fallen]
        connection.execute(delete(table).where(*this, table.c.n == 0), at)


@cache
def _raised(dialect: str, table: Table) -> Any:
    """Adds to a row's amounts, or makes the row."""
    new = insert_or(dialect, table)
    sums = {c.name: c + new.excluded[c.name] for c in table.c if not c.primary_key}
    return new.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums)


# --- reading ------------------------------------------------------------------------------------------------


class Kind(IntEnum):
    """What is counted: conversations that were skipped, all insights, or those of single topics."""

    SKIPPED, ALL, TOPIC = -1, 0, 1


EDGES = {Kind.SKIPPED: conversations, Kind.ALL: insights, Kind.TOPIC: insight_topics}
"""The tables whose rows are counted where a window cuts a bucket, each by a covering index."""


@dataclass(frozen=True, slots=True)
class WindowPiece:
    """A piece of a window: whole buckets, counted in a roll-up, or an edge, counted by its index."""

    level: int
    table: Table
    within: tuple[ColumnExpressionArgument[bool], ...]
    """The piece and the topic, as parameters that `where` gives; other conditions may be added."""
    sign: ColumnElement[int]
    """-1 where the piece is to be taken away, a parameter that `where` gives too."""

    @property
    def n(self) -> ColumnElement[int]:
        """How many; an aggregate, NULL where there is no row."""
        return self.sign * func.count() if self.level == EDGE else self.sum(self.table.c.n)

    def sum(self, amount: ColumnElement[int]) -> ColumnElement[int]:
        """Of what each row has; an aggregate, NULL where there is no row."""
        return self.sign * cast(func.sum(amount), BigInteger)  # PostgreSQL's sum of bigints is a numeric

    @property
    def amounts(self) -> list[ColumnElement[int]]:
        """What a row has of each sentiment, as SENTIMENTS are ordered, and its score. Not of `counts`."""
        score = self.table.c.score if self.level == EDGE else self.table.c.score_sum
        return [*(n_of(sentiment, self.table) for sentiment in SENTIMENTS), score]

    def bucket(self, level: int) -> ColumnElement[int]:
        """The hour or day that a row is in, for a level no finer than the part's own."""
        if level == self.level:
            return self.table.c.bucket
        own = self.table.c.timestamp if self.level == EDGE else self.table.c.bucket
        # A literal: with a parameter PostgreSQL would not know the same expression again in GROUP BY.
        return own // literal_column(str(MICROSECONDS[level] // MICROSECONDS[self.level]), BigInteger)


def n_of(sentiment: int, table: Table) -> ColumnElement[int]:
    """How many of a sentiment a row of `totals` stands for; or of `insights` or `insight_topics`, 1 or 0."""
    c = table.c
    if table is totals:
        return {-1: c.negative, 0: c.n - c.negative - c.positive, 1: c.positive}[sentiment]
    return case(
        (c.sentiment == literal_column(str(sentiment)), literal_column("1")), else_=literal_column("0")
    )


def kind_of(topic: int) -> Kind:
    """The kind of a topic or pseudo topic."""
    return Kind(min(topic, Kind.TOPIC))


def pieces(
    kind: Kind, rolled: Table, *, coarsest: int = MONTH, topic: ColumnElement[int] | None = None
) -> list[WindowPiece]:
    """All the pieces that a window can have, to build a statement of. Some windows leave some empty.

    `rolled` is `totals` or, with a row for each sentiment and confidence and so up to 303 times as many, `counts`.
    `coarsest` is the longest bucket of use. The topic is `topic` or, without one, the parameter of this name.
    """
    places = enumerate(_places(_usable(kind, rolled, coarsest)))
    meant = bindparam("topic") if topic is None else topic
    return [_part(kind, rolled, level, place, meant) for place, level in places]


def where(kind: Kind, rolled: Table, start: int, end: int, *, coarsest: int = MONTH) -> dict[str, Any]:
    """The parameters of a statement of such `pieces` for the window `[start, end)`, but for the topic."""
    usable = _usable(kind, rolled, coarsest)
    spans = cover(start, end, usable)
    of_level = {level: iter([span for span in spans if span.level == level]) for level in (EDGE, *LEVELS)}
    given: dict[str, Any] = {}
    for place, level in enumerate(_places(usable)):
        span = next(of_level[level], Span(level, 0, 0))
        given |= {f"first_{place}": span.first, f"end_{place}": span.end, f"sign_{place}": span.sign}
        if level != EDGE:
            given[f"buckets_{place}"] = range(span.first, span.end)
    return given


def _usable(kind: Kind, rolled: Table, coarsest: int) -> list[int]:
    return [level for level in levels(kind, rolled) if level <= coarsest]


def _places(usable: Sequence[int]) -> list[int]:
    """The level of each piece: two edges, then two of every level but the coarsest."""
    return sorted([EDGE, *usable] * 2)[: 2 * len(usable) + 1]


def _part(kind: Kind, rolled: Table, level: int, place: int, topic: ColumnElement[int]) -> WindowPiece:
    table = EDGES[kind] if level == EDGE else rolled
    own = table.c.timestamp if level == EDGE else table.c.bucket
    within = [own >= bindparam(f"first_{place}"), own < bindparam(f"end_{place}")]
    if table is counts:
        # Sought by key, so that of a bucket's 303 rows only what matches is read.
        within = [among(own, f"buckets_{place}"), among(table.c.sentiment, "any")]
    of = _of(kind, table, level, topic)
    return WindowPiece(level, table, (*within, *of), bindparam(f"sign_{place}", type_=BigInteger))


def _of(
    kind: Kind, table: Table, level: int, topic: ColumnElement[int]
) -> tuple[ColumnExpressionArgument[bool], ...]:
    """That a row is of the kind and the level."""
    if level == EDGE and kind is not Kind.TOPIC:
        return (IS_SKIPPED,) if kind is Kind.SKIPPED else ()
    same = table.c.topic == topic
    return (same,) if level == EDGE else (same, table.c.level == literal_column(str(level)))
