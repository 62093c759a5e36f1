"""Windows over insights: how many there are, exactly, and where the page of them stands that was asked for.

Everything that one answer says is read on one connection, in one snapshot. The statements are built once:
putting a count of seven parts together takes longer than running it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, takewhile
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    bindparam,
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
from store.rollups import Kind, kind_of

WALKED_PER_ROW = 50
"""Index entries to look through for each row of a page before the roll-ups are asked where matches are."""
WORTH_A_STATEMENT = 4_000
"""Index entries that are passed in the time that one more statement takes."""
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

    @property
    def selective(self) -> bool:
        """Whether roll-ups know more about the matches than that they are there."""
        return self.sentiment is not None or self.min_confidence > 0

    @property
    def sentiments(self) -> Sequence[int]:
        """The sentiments that match, rising."""
        return SENTIMENTS if self.sentiment is None else (self.sentiment,)

    def parameters(self, topic: int) -> dict[str, Any]:
        """What the statements below call these conditions."""
        return {
            "topic": topic,
            "author": self.author,
            "lowest": self.sentiments[0],
            "highest": self.sentiments[-1],
            "min_confidence": self.min_confidence,
        }


def _matching(table: FromClause) -> tuple[ColumnElement[bool], ...]:
    sentiment = table.c.sentiment.between(bindparam("lowest"), bindparam("highest"))
    if "confidence" not in table.c:
        return (sentiment,)
    return sentiment, table.c.confidence >= bindparam("min_confidence")


# --- totals -------------------------------------------------------------------------------------------------


def _counting(kind: Kind, by_confidence: bool) -> Select[Any]:
    each = [
        select(part.n.label("n")).where(
            *part.within, *(() if kind is Kind.SKIPPED else _matching(part.table))
        )
        for part in rollups.parts(kind, counts if by_confidence else totals)
    ]
    return select(cast(func.sum(union_all(*each).subquery().c.n), BigInteger))


COUNTS = {(kind, by): _counting(kind, by) for kind in Kind for by in (False, True)}


def total(connection: Connection, chosen: Selection) -> int:
    """How many insights were chosen, exactly."""
    topic = topic_of(connection, chosen.cluster)
    if topic is None:
        return 0
    if chosen.author is None:
        return _total(connection, topic, chosen)
    window = {"start": chosen.start, "end": chosen.end}
    return connection.scalar(OF_AUTHOR[topic != ALL_TOPICS], chosen.parameters(topic) | window) or 0


def skipped(connection: Connection, start: int, end: int) -> int:
    """How many conversations of the window were skipped, exactly."""
    return _total(connection, SKIPPED_CONVERSATIONS, Selection(start, end))


def totals_ever(connection: Connection) -> tuple[int, int]:
    """How many insights there are, and how many skipped conversations."""
    c = totals.c
    sums = select(c.topic, func.sum(c.n)).where(c.topic <= ALL_TOPICS, c.level == MONTH).group_by(c.topic)
    found = {topic: int(n) for topic, n in connection.execute(sums)}
    return found.get(ALL_TOPICS, 0), found.get(SKIPPED_CONVERSATIONS, 0)


def topic_of(connection: Connection, cluster: str | None) -> int | None:
    """The topic's number, ALL_TOPICS where none is asked for, None where nothing was ever filed under it."""
    return ALL_TOPICS if cluster is None else topic_numbers(connection, [cluster]).get(cluster)


def _total(connection: Connection, topic: int, chosen: Selection) -> int:
    statement = COUNTS[kind_of(topic), chosen.min_confidence > 0]
    given = rollups.where([topic], chosen.start, chosen.end) | chosen.parameters(topic)
    return connection.scalar(statement, given) or 0


# --- pages --------------------------------------------------------------------------------------------------


def _by_author(filed: bool) -> Select[Any]:
    """The positions of an author's insights; where they have to be `filed`, of those under the topic."""
    c, f = insights.c, insight_topics.c
    found = select(c.timestamp, c.conversation).where(c.author == bindparam("author"), *_matching(insights))
    if not filed:
        return found
    same = (f.topic == bindparam("topic")) & (f.timestamp == c.timestamp) & (f.conversation == c.conversation)
    return found.where(select(f.topic).where(same).exists())


def _counting_author(filed: bool) -> Select[Any]:
    of_window = insights.c.timestamp >= bindparam("start"), insights.c.timestamp < bindparam("end")
    return select(func.count()).select_from(_by_author(filed).where(*of_window).subquery())


def _downwards(table: FromClause, found: Select[Any], limit: str = "limit") -> Select[Any]:
    """The first rows after the position `(at, number)`, down to `start`: a walk along the index."""
    position = table.c.timestamp, table.c.conversation
    top = bindparam("at", type_=BigInteger), bindparam("number", type_=BigInteger)
    below = found.where(table.c.timestamp >= bindparam("start"), tuple_(*position) < tuple_(*top))
    return below.order_by(*(column.desc() for column in position)).limit(bindparam(limit))


def _entries(kind: Kind) -> Select[Any]:
    """The index entries of a topic, or all."""
    table = rollups.EDGES[kind]
    entries = select(table.c.timestamp, table.c.conversation, table.c.sentiment, table.c.confidence)
    return entries.where(table.c.topic == bindparam("topic")) if kind is Kind.TOPIC else entries


def _walking(kind: Kind) -> Select[Any]:
    table = rollups.EDGES[kind]
    return _downwards(table, _entries(kind).where(*_matching(table)))


def _walking_near(kind: Kind) -> Select[Any]:
    """What matches among the first `entries`."""
    near = _downwards(rollups.EDGES[kind], _entries(kind), limit="entries").subquery()
    found = select(near.c.timestamp, near.c.conversation).where(*_matching(near))
    return found.order_by(near.c.timestamp.desc(), near.c.conversation.desc()).limit(bindparam("limit"))


def _finding(by_confidence: bool) -> Select[Any]:
    """Which of some buckets hold matches, the newest first, and how many."""
    rolled = counts if by_confidence else totals
    c = rolled.c
    # Naming the sentiments lets the rows be sought by key: of a bucket's 303 only what matches is read.
    named = [
        c.bucket.in_(bindparam("among", expanding=True)),
        c.sentiment.in_(bindparam("any", expanding=True)),
    ]
    key = (c.topic == bindparam("topic"), c.level == bindparam("level"), *named)
    matches = func.sum(c.n)
    held = select(c.bucket, matches).where(*key, *_matching(rolled)).group_by(c.bucket).having(matches > 0)
    return held.order_by(c.bucket.desc()).limit(bindparam("limit"))


OF_AUTHOR = {filed: _counting_author(filed) for filed in (False, True)}
WALK_AUTHOR = {filed: _downwards(insights, _by_author(filed)) for filed in (False, True)}
WALK = {kind: _walking(kind) for kind in (Kind.ALL, Kind.TOPIC)}
WALK_NEAR = {kind: _walking_near(kind) for kind in (Kind.ALL, Kind.TOPIC)}
FIND = {by_confidence: _finding(by_confidence) for by_confidence in (False, True)}


def positions(
    connection: Connection, chosen: Selection, *, limit: int, before: Position | None = None
) -> list[Position]:
    """Where the chosen insights stand, the newest first, at most `limit`, all of them after `before`."""
    topic = topic_of(connection, chosen.cluster)
    if topic is None or chosen.start >= chosen.end:
        return []
    top = before or (chosen.end, 0)
    if chosen.author is not None:
        return _walk(connection, WALK_AUTHOR[topic != ALL_TOPICS], chosen, topic, top, limit)
    if not chosen.selective:
        return _walk(connection, WALK[kind_of(topic)], chosen, topic, top, limit)
    near = _walk(connection, WALK_NEAR[kind_of(topic)], chosen, topic, top, limit)
    return near if len(near) == limit else _visit(connection, chosen, topic, top, limit)


def _walk(
    connection: Connection, along: Select[Any], chosen: Selection, topic: int, top: Position, limit: int
) -> list[Position]:
    from_to = {"start": chosen.start, "at": top[0], "number": top[1]}
    size = {"limit": limit, "entries": WALKED_PER_ROW * limit}
    rows = connection.execute(along, chosen.parameters(topic) | from_to | size).all()
    return [(row.timestamp, row.conversation) for row in rows]


def _visit(
    connection: Connection, chosen: Selection, topic: int, top: Position, limit: int
) -> list[Position]:
    """What matches, looked for only where the roll-ups say that something does.

    Walking ten million entries past everything that does not match took 1.9 s.
    """
    found: list[Position] = []
    for start, end in _promising(connection, chosen, topic, top, limit):
        within = replace(chosen, start=max(chosen.start, start))
        left = limit - len(found)
        found += _walk(connection, WALK[kind_of(topic)], within, topic, min(top, (end, 0)), left)
        if len(found) == limit:
            break
    return found


def _promising(
    connection: Connection, chosen: Selection, topic: int, top: Position, limit: int
) -> Iterator[tuple[int, int]]:
    """The windows, the newest first, that hold `limit` matches together, or all that there are."""
    window = chosen.start, top[0] + 1
    everything = _total(connection, topic, Selection(*window))
    level, *finer = rollups.levels(topic)
    held = _holding(connection, chosen, topic, level, touching(level, *window), limit)
    while finer and everything > WORTH_A_STATEMENT * len(touching(level, *window)):
        inside = touching(finer[0], *window)
        inner = [part for bucket in held for part in parts_of(level, bucket, finer[0]) if part in inside]
        level = finer.pop(0)
        held = _holding(connection, chosen, topic, level, inner, limit)
    passed = WORTH_A_STATEMENT * len(touching(level, *window)) // max(1, everything)
    for first, end in _runs(held, passed):
        yield start_of(level, first), start_of(level, end)


def _holding(
    connection: Connection, chosen: Selection, topic: int, level: int, among: Sequence[int], limit: int
) -> list[int]:
    """The newest of these buckets that hold `limit` matches together, or all that hold any; falling."""
    given = {"level": level, "among": list(among), "any": list(chosen.sentiments), "limit": limit + 1}
    rows = connection.execute(FIND[chosen.min_confidence > 0], chosen.parameters(topic) | given).all()
    # The window may leave out what the newest bucket holds, so that is not relied on.
    relied = accumulate((row[1] for row in rows[1:]), initial=0)
    enough = sum(1 for _ in takewhile(lambda held: held < limit, relied))
    return [row.bucket for row in rows[: enough + 1]]


def _runs(buckets: Iterable[int], passed: int) -> Iterator[tuple[int, int]]:
    """Falling numbers as runs `[first, end)`, of neighbours or of such that few others lie between."""
    run: tuple[int, int] | None = None
    for bucket in buckets:
        if run is not None and run[0] - bucket <= passed + 1:
            run = bucket, run[1]
            continue
        if run is not None:
            yield run
        run = bucket, bucket + 1
    if run is not None:
        yield run
