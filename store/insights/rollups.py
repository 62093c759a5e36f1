"""Roll-ups: insights and skipped conversations, counted by hour, day and month.

Counting ten million rows takes a second, adding up the buckets of a window a few milliseconds. Code that stores or
deletes something counted here must call `rollup_changes.update_counts` in the same transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ColumnExpressionArgument,
    FromClause,
    Integer,
    Select,
    Subquery,
    Table,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
)

from domain.analysis import UNSURE
from domain.buckets import DAY, EDGE, HOUR, MICROSECONDS, MONTH, Span, cover
from models import (
    ALL_TOPICS,
    FIRST_UNION,
    IS_SKIPPED,
    LAST_FIELD_VALUE,
    SKIPPED_CONVERSATIONS,
    conversations,
    counts,
    insight_fields,
    insight_topics,
    insights,
    totals,
    union_topics,
)
from store.engine.prepared import among

LEVELS = (MONTH, DAY, HOUR)
SCORED = (-1, 0, 1)
SENTIMENTS = (*SCORED, UNSURE)
"""Ascending. An insight that is unsure has the score 0, and the confidence 0."""


def levels(topic: int, rolled: Table) -> tuple[int, ...]:
    """The levels at which a topic or kind of topic is rolled up in `counts` or `totals`, coarsest first.

    `counts` has no hours for single topics: by sentiment and confidence most hours would count one insight or none. It
    has nothing for values of fields: two rows for each value of an insight were a third of what fields cost a writer.
    """
    if rolled is totals:
        return LEVELS
    return () if topic <= LAST_FIELD_VALUE else (MONTH, DAY) if topic > ALL_TOPICS else LEVELS


class Kind(IntEnum):
    """What is counted: insights with a value of a field, skipped conversations, all insights, the insights of a single
    topic, or those of a union."""

    FIELD, SKIPPED, ALL, TOPIC, UNION = LAST_FIELD_VALUE, SKIPPED_CONVERSATIONS, ALL_TOPICS, 1, 2


def topics_of_union() -> Select[Any]:
    """Select the topics of the union whose number is the parameter `topic`."""
    return select(union_topics.c.topic).where(union_topics.c.whole == bindparam("topic", type_=Integer))


def _of_union() -> Subquery:
    """Select the insights of a union, each once: those that have several of its topics have equal rows."""
    f = insight_topics.c
    rows = select(f.timestamp, f.conversation, f.sentiment, f.confidence, f.score)
    return rows.where(f.topic.in_(topics_of_union())).distinct().subquery("of_union")


EDGES: Mapping[Kind, FromClause] = {
    Kind.FIELD: insight_fields,
    Kind.SKIPPED: conversations,
    Kind.ALL: insights,
    Kind.TOPIC: insight_topics,
    Kind.UNION: _of_union(),
}
"""What is counted at the edges, where a window cuts a bucket; each has a covering index."""


@dataclass(frozen=True, slots=True)
class WindowPart:
    """A part of a window: whole buckets, counted in a roll-up, or an edge, counted along an index."""

    level: int
    table: FromClause
    within: tuple[ColumnExpressionArgument[bool], ...]
    """Conditions for the part and the topic, with the parameters of `window_parameters`; others may be added."""
    sign: ColumnElement[int]
    """-1 if the part is subtracted; also a parameter of `window_parameters`."""

    @property
    def n(self) -> ColumnElement[int]:
        """The number of units; an aggregate, NULL if there is no row."""
        return self.sign * func.count() if self.level == EDGE else self.sum(self.table.c.n)

    def sum(self, amount: ColumnElement[int]) -> ColumnElement[int]:
        """The sum of a column; an aggregate, NULL if there is no row."""
        return self.sign * cast(func.sum(amount), BigInteger)  # PostgreSQL's sum of bigints is a numeric

    @property
    def amounts(self) -> list[ColumnElement[int]]:
        """A row's number per sentiment, in the order of SENTIMENTS, and its score. Not for `counts`."""
        score = self.table.c.score if self.level == EDGE else self.table.c.score_sum
        return [*(n_of(sentiment, self.table) for sentiment in SENTIMENTS), score]

    def bucket(self, level: int) -> ColumnElement[int]:
        """The hour or day that a row is in, for a level no finer than the part's own."""
        if level == self.level:
            return self.table.c.bucket
        own = self.table.c.timestamp if self.level == EDGE else self.table.c.bucket
        # A literal: with a parameter PostgreSQL would not recognise the same expression in GROUP BY.
        return own // literal_column(str(MICROSECONDS[level] // MICROSECONDS[self.level]), BigInteger)


def n_of(sentiment: int, table: FromClause) -> ColumnElement[int]:
    """The number of a sentiment in a row of `totals`; 1 or 0 for the row of an insight."""
    c = table.c
    if table is totals:
        neutral = c.n - c.negative - c.positive - c.unsure
        return {-1: c.negative, 0: neutral, 1: c.positive, UNSURE: c.unsure}[sentiment]
    return case(
        (c.sentiment == literal_column(str(sentiment)), literal_column("1")), else_=literal_column("0")
    )


def kind_of(topic: int) -> Kind:
    """The kind of a topic's number, which may be ALL_TOPICS, SKIPPED_CONVERSATIONS, a union's or a value's."""
    return Kind.UNION if topic >= FIRST_UNION else Kind(max(min(topic, Kind.TOPIC), Kind.FIELD))


def window_parts(
    kind: Kind, rolled: Table, *, coarsest: int = MONTH, topic: ColumnElement[int] | None = None
) -> list[WindowPart]:
    """All parts that a window can have, to build a statement from. For some windows some parts are empty.

    `rolled` is `totals`, or `counts`, which has a row per sentiment and confidence, up to 304 times as many.
    `coarsest` is the longest bucket to use. The topic is `topic` or, by default, the parameter of this name; a union's
    can only be the parameter.
    """
    places = enumerate(_places(_usable(kind, rolled, coarsest)))
    topic_column = bindparam("topic") if topic is None else topic
    return [_part(kind, rolled, level, place, topic_column) for place, level in places]


def window_parameters(
    kind: Kind, rolled: Table, start: int, end: int, *, coarsest: int = MONTH
) -> dict[str, Any]:
    """The parameters, except the topic, of a statement of `window_parts` for the window `[start, end)`."""
    usable = _usable(kind, rolled, coarsest)
    spans = cover(start, end, usable)
    of_level = {level: iter([span for span in spans if span.level == level]) for level in (EDGE, *LEVELS)}
    parameters: dict[str, Any] = {}
    for place, level in enumerate(_places(usable)):
        span = next(of_level[level], Span(level, 0, 0))
        parameters |= {f"first_{place}": span.first, f"end_{place}": span.end, f"sign_{place}": span.sign}
        if level != EDGE:
            parameters[f"buckets_{place}"] = range(span.first, span.end)
    return parameters


def _usable(kind: Kind, rolled: Table, coarsest: int) -> list[int]:
    return [level for level in levels(kind, rolled) if level <= coarsest]


def _places(usable: Sequence[int]) -> list[int]:
    """The level of each part: two edges, then two parts of every level but one of the coarsest."""
    return sorted([EDGE, *usable] * 2)[: 2 * len(usable) + 1]


def _part(kind: Kind, rolled: Table, level: int, place: int, topic: ColumnElement[int]) -> WindowPart:
    table: FromClause = EDGES[kind] if level == EDGE else rolled
    own = table.c.timestamp if level == EDGE else table.c.bucket
    within = [own >= bindparam(f"first_{place}"), own < bindparam(f"end_{place}")]
    if table is counts:
        # Listing the sentiments allows a seek by key: of a bucket's 304 rows only the matching ones are read.
        within = [among(own, f"buckets_{place}"), among(table.c.sentiment, "any")]
    of_kind = _of_kind(kind, table, level, topic)
    return WindowPart(level, table, (*within, *of_kind), bindparam(f"sign_{place}", type_=BigInteger))


def _of_kind(
    kind: Kind, table: FromClause, level: int, topic: ColumnElement[int]
) -> tuple[ColumnExpressionArgument[bool], ...]:
    """The conditions that a row is of the kind and the level."""
    if level == EDGE and kind not in (Kind.TOPIC, Kind.FIELD):
        return (IS_SKIPPED,) if kind is Kind.SKIPPED else ()
    same = (table.c.value if table is insight_fields else table.c.topic) == topic
    return (same,) if level == EDGE else (same, table.c.level == literal_column(str(level)))
