"""Where the insights of a page stand: found along an index, or where the roll-ups say that there are some.

The statements are built once, as in `windows`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    bindparam,
    func,
    literal_column,
    select,
    tuple_,
)

from domain.buckets import DAY, MICROSECONDS, MONTH, parts_of, start_of, touching
from models import ALL_TOPICS, counts, insights, totals
from store.engine.prepared import Prepared, among, listed
from store.insights import rollups
from store.insights.rollups import Kind, kind_of
from store.insights.windows import Position, Selection, by_author, count_insights, matches, matching


@dataclass(frozen=True, slots=True)
class Effort:
    """What one way of finding a page may cost before another is tried, in entries of an index."""

    walked_per_row: int = 20
    """Looked through for each row of the page before the roll-ups are asked where matches are."""
    worth_a_bucket: int = 10
    """Passed in the time that it takes to ask the roll-ups about one more bucket."""


USUAL = Effort()


def find_positions(
    connection: Connection,
    chosen: Selection,
    topic: int,
    *,
    limit: int,
    before: Position | None = None,
    effort: Effort = USUAL,
) -> list[Position]:
    """Where the chosen insights stand, the newest first, at most `limit`, all of them after `before`.

    `topic` is the number of their cluster.
    """
    search = _Search(connection, chosen, topic, before or (chosen.end, 0), limit, effort)
    if chosen.author is not None:
        return search.walk(WALK_AUTHOR[topic != ALL_TOPICS])
    return search.visit() if chosen.selective else search.walk(WALK[search.kind])


@dataclass(frozen=True, slots=True)
class _Search:
    connection: Connection
    chosen: Selection
    topic: int
    top: Position
    limit: int
    effort: Effort

    @property
    def kind(self) -> Kind:
        return kind_of(self.topic)

    def walk(self, along: Prepared, **given: Any) -> list[Position]:
        """The matches that a statement finds in the window."""
        at, number = self.top
        window = {"start": self.chosen.start, "at": at, "number": number, "limit": self.limit}
        rows = along.rows(self.connection, self.chosen.parameters(self.topic) | window | given)
        return [(timestamp, conversation) for timestamp, conversation in rows]

    def visit(self) -> list[Position]:
        """The matches, looked for only where the roll-ups say that there are some.

        Walking ten million entries past everything that does not match took 1.9 s.
        """
        entries = count_insights(self.connection, self.topic, Selection(self.chosen.start, self.chosen.end))
        if entries <= self.effort.walked_per_row * self.limit:
            return self.walk(WALK[self.kind])
        level, held = self._held(entries)
        if not held:
            return []
        newest, oldest = held[0], held[-1]
        if newest - oldest < 2 * len(held):  # In one go, which ends where the page is full.
            at, number = min(self.top, (start_of(level, newest + 1), 0))
            start = max(self.chosen.start, start_of(level, oldest))
            return self.walk(WALK[self.kind], start=start, at=at, number=number)
        return self.walk(VISIT[self.kind], buckets=held, length=MICROSECONDS[level])

    def _held(self, entries: int) -> tuple[int, list[int]]:
        """The buckets to look in, of the level that it pays to ask about; the window has so many entries."""
        window = self.chosen.start, self.top[0] + 1
        level, *finer = rollups.levels(self.topic, self.chosen.rolled)
        each = entries / len(touching(level, self.chosen.start, self.chosen.end))
        held = self._holding(level, touching(level, *window))
        while level == MONTH or (finer and each > self.effort.worth_a_bucket * PARTS[level]):
            each /= PARTS[level]
            held = self._holding(finer[0], _within(window, level, held, finer[0]))
            level = finer.pop(0)
        return level, held

    def _holding(self, level: int, among: Sequence[int]) -> list[int]:
        """The newest of these buckets that hold a page together, or all that hold anything; falling."""
        given = {"level": level, "among": among}
        parameters = self.chosen.parameters(self.topic) | given | {"limit": self.limit + 1}
        rows = FIND[self.chosen.rolled].rows(self.connection, parameters)
        # The window may leave out what the newest bucket holds, so that is not relied on.
        relied = accumulate((row[1] for row in rows[1:]), initial=0)
        enough = sum(1 for _ in takewhile(lambda held: held < self.limit, relied))
        return [row[0] for row in rows[: enough + 1]]


def _within(window: tuple[int, int], level: int, held: Iterable[int], finer: int) -> list[int]:
    """The finer buckets of those that are held, as far as the window touches them."""
    inside = touching(finer, *window)
    return [part for bucket in held for part in parts_of(level, bucket, finer) if part in inside]


# --- statements ---------------------------------------------------------------------------------------------


TOPIC = bindparam("topic", type_=BigInteger)


def _downwards(found: Select[Any], table: FromClause) -> Select[Any]:
    """The first rows after the position `(at, number)`, down to `start`: a walk along the index."""
    c = table.c
    return _newest(found.where(*_between(c.timestamp, c.conversation)), table)


def _newest(found: Select[Any], table: FromClause) -> Select[Any]:
    order = table.c.timestamp.desc(), table.c.conversation.desc()
    return found.order_by(*order).limit(bindparam("limit"))


def _between(
    timestamp: ColumnElement[int], conversation: ColumnElement[int]
) -> tuple[ColumnElement[bool], ...]:
    top = bindparam("at", type_=BigInteger), bindparam("number", type_=BigInteger)
    return timestamp >= bindparam("start", type_=BigInteger), tuple_(timestamp, conversation) < tuple_(*top)


def _walking(kind: Kind) -> Select[Any]:
    """What matches of a topic, or of all."""
    table = rollups.EDGES[kind]
    topic = (table.c.topic == TOPIC,) if kind is Kind.TOPIC else ()
    found = select(table.c.timestamp, table.c.conversation).where(*topic, *matching(table))
    return _downwards(found, table)


def _visiting(kind: Kind) -> Select[Any]:
    """What matches in any of the `buckets`, each `length` microseconds long.

    Along the index for each bucket, which SQLite does only if all that it could seek instead depends on the bucket
    (the topic) or is hidden in a sum (the window's bounds): it tried a year's entries on every bucket, in 254 ms.
    """
    table, nothing = rollups.EDGES[kind], literal_column("0", BigInteger)
    c, bucket, length = table.c, listed("buckets"), bindparam("length", type_=BigInteger)
    inside = c.timestamp >= bucket * length, c.timestamp < (bucket + literal_column("1")) * length
    window = _between(c.timestamp + nothing, c.conversation)
    topic = (c.topic == TOPIC + bucket * nothing,) if kind is Kind.TOPIC else ()
    found = select(c.timestamp, c.conversation).where(*topic, *inside, *window, *matching(table))
    return _newest(found, table)


def _finding(rolled: Table) -> Select[Any]:
    """Which of some buckets hold matches, the newest first, and how many."""
    c = rolled.c
    # Naming the sentiments lets the rows be sought by key: of a bucket's 303 only what matches is read.
    named = (among(c.sentiment, "any"),) if rolled is counts else ()
    key = c.topic == TOPIC, c.level == bindparam("level"), among(c.bucket, "among"), *named
    n = func.sum(matches(rolled))
    held = select(c.bucket, n).where(*key, *matching(rolled)).group_by(c.bucket).having(n > 0)
    return held.order_by(c.bucket.desc()).limit(bindparam("limit"))


PARTS = {MONTH: 30, DAY: 24}
"""How many finer buckets one of a level has, about."""
WALK_AUTHOR = {filed: Prepared(_downwards(by_author(filed), insights)) for filed in (False, True)}
WALK = {kind: Prepared(_walking(kind)) for kind in (Kind.ALL, Kind.TOPIC)}
VISIT = {kind: Prepared(_visiting(kind)) for kind in (Kind.ALL, Kind.TOPIC)}
FIND = {rolled: Prepared(_finding(rolled)) for rolled in (totals, counts)}
