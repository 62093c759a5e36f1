"""The statements that count and list insights by any combination of filters: one for each shape that is asked for.

A statement walks one index. Columns of other filters are hidden from the planner, which would not know better: SQLite
has no statistics here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Select,
    String,
    Table,
    bindparam,
    func,
    literal_column,
    select,
    tuple_,
)

from domain.fields.filters import FieldFilter
from models import insight_fields, insight_metadata, insight_topics, insights
from store.engine.prepared import Prepared, among
from store.insights.rollups import SENTIMENTS, n_of
from store.insights.windows import Sort, matching, under_topic


class Driver(StrEnum):
    """The index that is walked: of a filter, of the window, or of the values that are sorted by."""

    WINDOW, TOPIC, FIELD, AUTHOR, MAKER, METADATA, WORDS, VALUES = (
        "window",
        "topic",
        "field",
        "author",
        "maker",
        "metadata",
        "words",
        "values",
    )


TABLES: dict[Driver, Table] = {
    Driver.TOPIC: insight_topics,
    Driver.FIELD: insight_fields,
    Driver.METADATA: insight_metadata,
}
"""The tables that are walked, if it is not `insights`. All repeat sentiment, confidence and score."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a statement depends on: the index it walks, and the filters it has."""

    driver: Driver
    topic: bool
    own: tuple[str, ...]
    pairs: int
    """The number of filters by metadata."""
    words: bool
    union: bool = False
    """Whether the topic is a union, whose topics are walked one after the other."""
    fields: tuple[bool, ...] = ()
    """The filters by fields, each with whether it compares numbers."""

    @property
    def table(self) -> Table:
        """The table that is walked."""
        return TABLES.get(self.driver, insights)


NOTHING, EMPTY = literal_column("0", BigInteger), literal_column("''", String)
"""Added to a column, they hide it from the planner, so that another column's index is used."""


@lru_cache(maxsize=256)
def counting(shape: Shape, by_sentiment: bool) -> Prepared:
    """Count the insights, or those of each sentiment in the order of SENTIMENTS."""
    if not by_sentiment:
        return Prepared(select(func.count()).select_from(shape.table).where(*_conditions(shape)))
    sums = (func.sum(n_of(sentiment, shape.table)) for sentiment in SENTIMENTS)
    return Prepared(select(*sums).where(*_conditions(shape)))


@lru_cache(maxsize=256)
def grouping(shape: Shape) -> Prepared:
    """Sum up insights by units of `unit` microseconds: each sentiment in the order of SENTIMENTS, then scores."""
    table = shape.table
    # Named, because PostgreSQL takes a repeated parameter in GROUP BY for another expression.
    unit = (table.c.timestamp // bindparam("unit", type_=BigInteger)).label("of")
    amounts = [*(n_of(sentiment, table) for sentiment in SENTIMENTS), table.c.score]
    sums = (func.sum(each).cast(BigInteger) for each in amounts)
    return Prepared(select(unit, *sums).where(*_conditions(shape)).group_by(literal_column("of")))


@lru_cache(maxsize=256)
def listing(shape: Shape, sort: Sort) -> Prepared:
    """Select the first positions after `after`, along the index of the driver."""
    place = _columns(shape.table, sort)
    # The first column is hidden if it is a value, so that its index is not walked in place of the driver's.
    hidden = (place[0] + NOTHING, *place[1:]) if sort.by_value else place
    return Prepared(_ordered(shape, sort, hidden, _beyond(hidden, "after", sort.descending)))


@lru_cache(maxsize=256)
def walking(shape: Shape, sort: Sort) -> Prepared:
    """Select the first positions between `after` and `last`, along the index of the values."""
    place = _columns(insights, sort)
    until = _beyond(place, "last", not sort.descending)
    return Prepared(_ordered(shape, sort, place, _beyond(place, "after", sort.descending), until))


@lru_cache(maxsize=256)
def stepping(sort: Sort) -> Prepared:
    """Select the position `offset` entries after `after`."""
    place = _columns(insights, sort)
    one = select(*place).where(_beyond(place, "after", sort.descending)).limit(literal_column("1"))
    return Prepared(one.order_by(*_order(place, sort)).offset(bindparam("offset")))


def _columns(table: Table, sort: Sort) -> Sequence[ColumnElement[Any]]:
    """What a position consists of."""
    value = (table.c[sort.column],) if sort.by_value else ()
    return (*value, table.c.timestamp, table.c.conversation)


def _beyond(place: Sequence[ColumnElement[int]], name: str, descending: bool) -> ColumnElement[bool]:
    given = tuple_(*(bindparam(f"{name}_{at}", type_=BigInteger) for at in range(len(place))))
    return tuple_(*place) < given if descending else tuple_(*place) > given


def _order(place: Sequence[ColumnElement[int]], sort: Sort) -> list[ColumnElement[int]]:
    return [each.desc() if sort.descending else each for each in place]


def _ordered(
    shape: Shape, sort: Sort, place: Sequence[ColumnElement[int]], *bounds: ColumnElement[bool]
) -> Select[Any]:
    found = select(*_columns(shape.table, sort)).where(*_conditions(shape), *bounds)
    return found.order_by(*_order(place, sort)).limit(bindparam("limit"))


def _conditions(shape: Shape) -> Iterator[ColumnElement[Any]]:
    """Every filter: the driver's as its index needs it, the others hidden from the planner."""
    table, driver = shape.table, shape.driver
    at = table.c.timestamp + NOTHING if driver in (Driver.WORDS, Driver.VALUES) else table.c.timestamp
    yield at >= bindparam("start", type_=BigInteger)
    yield at < bindparam("end", type_=BigInteger)
    yield from matching(table)
    yield from _driving(driver, table)
    yield from _own_columns(shape)
    if shape.topic and driver is not Driver.TOPIC:
        yield under_topic(table)
    if shape.union and driver is Driver.TOPIC:
        yield _not_under(table)
    for number in range(driver is Driver.METADATA, shape.pairs):
        yield _with_metadata(table, number)
    yield from _with_fields(shape)
    if shape.words and driver is not Driver.WORDS:
        yield among(table.c.conversation + NOTHING, "numbers")


def _with_fields(shape: Shape) -> Iterator[ColumnElement[Any]]:
    for place, compares in enumerate(shape.fields):
        if place > 0 or shape.driver is not Driver.FIELD:
            yield with_field(shape.table, place, compares)
        elif compares:
            yield _compared(shape.table, place)


def with_field(table: FromClause, place: int, compares: bool) -> ColumnElement[bool]:
    """The condition that an insight matches the filter by a field at a place, with `field_parameters`.

    With an offset, so that PostgreSQL looks up each insight, as for a topic.
    """
    other = insight_fields.alias(f"field_{place}")
    same = (other.c.timestamp == table.c.timestamp) & (other.c.conversation == table.c.conversation)
    found = select(other.c.value).where(among(other.c.value, f"values_{place}"), same)
    if compares:
        found = found.where(_compared(other, place))
    return found.correlate(table).offset(literal_column("0")).exists()


def _compared(table: FromClause, place: int) -> ColumnElement[bool]:
    least, most = (bindparam(f"{name}_{place}", type_=Float) for name in ("least", "most"))
    return table.c.number.between(least, most)


def compared(filters: Sequence[FieldFilter]) -> tuple[bool, ...]:
    """Whether each filter compares numbers: only where it cuts a bin."""
    return tuple(bool(each.cut) for each in filters)


def field_parameters(filters: Sequence[FieldFilter]) -> dict[str, Any]:
    """What the conditions of filters by fields ask for."""
    return {
        f"{name}_{place}": value
        for place, each in enumerate(filters)
        for name, value in (("values", each.numbers), ("least", each.least), ("most", each.most))
    }


def _driving(driver: Driver, table: Table) -> Iterator[ColumnElement[Any]]:
    of_driver = {Driver.AUTHOR: ("author",), Driver.MAKER: ("analyzer", "model"), Driver.TOPIC: ("topic",)}
    for name in of_driver.get(driver, ()):
        yield table.c[name] == bindparam(name)
    if driver is Driver.FIELD:
        yield table.c.value == bindparam("filed")
    if driver is Driver.METADATA:
        yield table.c.key == bindparam("key_0")
        yield table.c.value == bindparam("value_0")
    if driver is Driver.WORDS:
        yield among(table.c.conversation, "numbers")


def _own_columns(shape: Shape) -> Iterator[ColumnElement[bool]]:
    driven = {Driver.AUTHOR: ("author",), Driver.MAKER: ("analyzer", "model")}.get(shape.driver, ())
    left = [name for name in shape.own if name not in driven]
    if shape.table is insights:
        yield from (insights.c[name] + EMPTY == bindparam(name) for name in left)
    elif left:
        same = insights.c.conversation == shape.table.c.conversation
        row = select(insights.c.conversation).where(
            same, *(insights.c[name] == bindparam(name) for name in left)
        )
        yield row.correlate(shape.table).exists()


def _not_under(table: Table) -> ColumnElement[bool]:
    """The condition that an insight has none of the topics that were walked `before`."""
    other = insight_topics.alias("other").c
    same = (other.timestamp == table.c.timestamp) & (other.conversation == table.c.conversation)
    return ~select(other.topic).where(among(other.topic, "before"), same).correlate(table).exists()


def _with_metadata(table: Table, number: int) -> ColumnElement[bool]:
    other = insight_metadata.alias(f"metadata_{number}")
    same = (other.c.conversation == table.c.conversation) & (other.c.key == bindparam(f"key_{number}"))
    found = select(other.c.key).where(same, other.c.value == bindparam(f"value_{number}"))
    return found.correlate(table).exists()
