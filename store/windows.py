"""Windows over insights: how many there are, exactly, and the page of them that was asked for.

Everything that one answer says is read on one connection, in one snapshot.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, takewhile
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnExpressionArgument,
    Connection,
    FromClause,
    Select,
    Table,
    cast,
    func,
    select,
    tuple_,
    union_all,
)

from buckets import parts_of, start_of, touching
from models import ALL_TOPICS, MONTH, SKIPPED_CONVERSATIONS, counts, insight_topics, insights, totals
from store import rollups
from store.insights import topic_numbers

WALKED_PER_ROW = 50
"""Index entries to look through for each row of a page before the roll-ups are asked where matches are."""
SENTIMENTS = (-1, 0, 1)

Position = tuple[int, int]
"""Timestamp and intake number: where an insight stands in every order below."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which insights: timestamp in `[start, end)` (UTC microseconds), and what each must be."""

    start: int
    end: int
    sentiment: int | None = None
    """1, 0 or -1."""
    min_confidence: int = 0
    """Percent."""
    cluster: str | None = None
    author: str | None = None


def total(connection: Connection, chosen: Selection) -> int:
    """How many insights were chosen, exactly."""
    topic = topic_of(connection, chosen.cluster)
    if topic is None:
        return 0
    if chosen.author is not None:
        found = _found(chosen, topic).where(*_between(insights, chosen.start, chosen.end))
        return connection.scalar(select(func.count()).select_from(found.subquery())) or 0
    return _total(connection, topic, chosen)


def skipped(connection: Connection, start: int, end: int) -> int:
    """How many conversations of the window were skipped, exactly."""
    return _total(connection, SKIPPED_CONVERSATIONS, Selection(start, end))


def totals_ever(connection: Connection) -> tuple[int, int]:
    """How many insights there are, and how many skipped conversations."""
    c = totals.c
    of_all = select(func.sum(c.n)).where(c.level == MONTH)
    number, skips = (
        connection.scalar(of_all.where(c.topic == topic)) for topic in (ALL_TOPICS, SKIPPED_CONVERSATIONS)
    )
    return int(number or 0), int(skips or 0)


def topic_of(connection: Connection, cluster: str | None) -> int | None:
    """The topic's number, ALL_TOPICS where none is asked for, None where nothing was ever filed under it."""
    return ALL_TOPICS if cluster is None else topic_numbers(connection, [cluster]).get(cluster)


def _total(connection: Connection, topic: int, chosen: Selection) -> int:
    parts = rollups.parts([topic], chosen.start, chosen.end, by_confidence=chosen.min_confidence > 0)
    if not parts:
        return 0
    each = [select(part.n.label("n")).where(*part.within, *_filters(part.table, chosen)) for part in parts]
    return connection.scalar(select(cast(func.sum(union_all(*each).subquery().c.n), BigInteger))) or 0


def _filters(table: FromClause, chosen: Selection) -> Iterator[ColumnExpressionArgument[bool]]:
    if chosen.sentiment is not None:
        yield table.c.sentiment == chosen.sentiment
    if chosen.min_confidence > 0:
        yield table.c.confidence >= chosen.min_confidence


# --- pages --------------------------------------------------------------------------------------------------


def positions(
    connection: Connection, chosen: Selection, *, limit: int, before: Position | None = None
) -> list[Position]:
    """Where the chosen insights stand, the newest first, at most `limit`, all of them after `before`."""
    topic = topic_of(connection, chosen.cluster)
    if topic is None or chosen.start >= chosen.end:
        return []
    top = before or (chosen.end, 0)
    selective = chosen.sentiment is not None or chosen.min_confidence > 0
    if chosen.author is not None or not selective:
        return _walk(connection, chosen, topic, top, limit)
    near = _walk_near(connection, chosen, topic, top, limit)
    return near if len(near) == limit else _visit(connection, chosen, topic, top, limit)


def _table(chosen: Selection, topic: int) -> Table:
    """Whose index serves the selection."""
    return insights if topic == ALL_TOPICS or chosen.author is not None else insight_topics


def _found(chosen: Selection, topic: int) -> Select[Any]:
    """Position of everything that matches, whatever the time."""
    table = _table(chosen, topic)
    found = select(table.c.timestamp, table.c.conversation).where(*_filters(table, chosen))
    filed = insight_topics.c
    if chosen.author is None:
        return found if topic == ALL_TOPICS else found.where(filed.topic == topic)
    found = found.where(insights.c.author == chosen.author)
    if topic == ALL_TOPICS:
        return found
    same = (filed.timestamp == insights.c.timestamp) & (filed.conversation == insights.c.conversation)
    return found.where(select(filed.topic).where(filed.topic == topic, same).exists())


def _between(table: Table, start: int, end: int) -> tuple[ColumnExpressionArgument[bool], ...]:
    return table.c.timestamp >= start, table.c.timestamp < end


def _downwards(table: Table, statement: Select[Any], start: int, top: Position, limit: int) -> Select[Any]:
    """The first rows after `top`, down to `start`: a walk along the index."""
    position = table.c.timestamp, table.c.conversation
    below = statement.where(table.c.timestamp >= start, tuple_(*position) < tuple_(*top))
    return below.order_by(*(column.desc() for column in position)).limit(limit)


def _walk(connection: Connection, chosen: Selection, topic: int, top: Position, limit: int) -> list[Position]:
    table = _table(chosen, topic)
    return _read(connection, _downwards(table, _found(chosen, topic), chosen.start, top, limit))


def _walk_near(
    connection: Connection, chosen: Selection, topic: int, top: Position, limit: int
) -> list[Position]:
    """What matches among the first entries of the index; usually that is a page."""
    table = _table(chosen, topic)
    entries = select(table.c.timestamp, table.c.conversation, table.c.sentiment, table.c.confidence)
    if topic != ALL_TOPICS:
        entries = entries.where(table.c.topic == topic)
    near = _downwards(table, entries, chosen.start, top, WALKED_PER_ROW * limit).subquery()
    found = select(near.c.timestamp, near.c.conversation).where(*_filters(near, chosen))
    return _read(connection, found.order_by(near.c.timestamp.desc(), near.c.conversation.desc()).limit(limit))


def _visit(
    connection: Connection, chosen: Selection, topic: int, top: Position, limit: int
) -> list[Position]:
    """What matches, looked for only where the roll-ups say that something does.

    Walking ten million entries past everything that does not match took 1.9 s.
    """
    found: list[Position] = []
    for start, end in _places(connection, chosen, topic, top, limit):
        within = replace(chosen, start=max(chosen.start, start))
        found += _walk(connection, within, topic, min(top, (end, 0)), limit - len(found))
        if len(found) == limit:
            break
    return found


def _places(
    connection: Connection, chosen: Selection, topic: int, top: Position, limit: int
) -> Iterator[tuple[int, int]]:
    """The windows, the newest first, that hold `limit` matches together, or all that there are."""
    window = chosen.start, top[0] + 1
    level, *finer = rollups.levels(topic)
    held = _holding(connection, chosen, topic, level, touching(level, *window), limit)
    for finest in finer:
        inside = touching(finest, *window)
        inner = [part for bucket in held for part in parts_of(level, bucket, finest) if part in inside]
        held, level = _holding(connection, chosen, topic, finest, inner, limit), finest
    for first, end in _runs(held):
        yield start_of(level, first), start_of(level, end)


def _holding(
    connection: Connection, chosen: Selection, topic: int, level: int, among: Sequence[int], limit: int
) -> list[int]:
    """The newest of these buckets that hold `limit` matches together, or all that hold any; falling."""
    rolled = counts if chosen.min_confidence > 0 else totals
    c = rolled.c
    matches = func.sum(c.n)
    # Naming every sentiment lets the rows be sought by key: of a bucket's 303 only what matches is read.
    sentiments = SENTIMENTS if chosen.sentiment is None else [chosen.sentiment]
    key = (c.topic == topic, c.level == level, c.bucket.in_(among), c.sentiment.in_(sentiments))
    rows = connection.execute(
        select(c.bucket, matches)
        .where(*key, *_filters(rolled, chosen))
        .group_by(c.bucket)
        .having(matches > 0)
        .order_by(c.bucket.desc())
        .limit(limit + 1)
    ).all()
    # The window may leave out what the newest bucket holds, so that is not relied on.
    relied = accumulate((row[1] for row in rows[1:]), initial=0)
    enough = sum(1 for _ in takewhile(lambda held: held < limit, relied))
    return [row.bucket for row in rows[: enough + 1]]


def _runs(buckets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Falling numbers as runs `[first, end)` of neighbours."""
    for _, run in groupby(enumerate(buckets), lambda each: each[0] + each[1]):
        numbers = [bucket for _, bucket in run]
        yield numbers[-1], numbers[0] + 1


def _read(connection: Connection, statement: Select[Any]) -> list[Position]:
    return [(row.timestamp, row.conversation) for row in connection.execute(statement)]
