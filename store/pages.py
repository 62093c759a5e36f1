"""Where the insights of a page stand: found along an index, or where the roll-ups say that there are some.

The statements are built once, as in `windows`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any

from sqlalchemy import BigInteger, Connection, FromClause, Select, bindparam, func, select, tuple_

from buckets import parts_of, start_of, touching
from models import ALL_TOPICS, counts, insights, totals
from store import rollups
from store.rollups import Kind, kind_of
from store.windows import Position, Selection, by_author, matching, topic_of, total_of


@dataclass(frozen=True, slots=True)
class Effort:
    """What one way of finding a page may cost before another is tried, in entries of an index."""

    walked_per_row: int = 50
    """Looked through for each row of the page before the roll-ups are asked where matches are."""
    worth_a_statement: int = 4_000
    """Passed in the time that one more statement takes."""


USUAL = Effort()


def positions(
    connection: Connection,
    chosen: Selection,
    *,
    limit: int,
    before: Position | None = None,
    effort: Effort = USUAL,
) -> list[Position]:
    """Where the chosen insights stand, the newest first, at most `limit`, all of them after `before`."""
    topic = topic_of(connection, chosen.cluster)
    if topic is None or chosen.start >= chosen.end:
        return []
    search = _Search(connection, chosen, topic, before or (chosen.end, 0), limit, effort)
    if chosen.author is not None:
        return search.walk(WALK_AUTHOR[topic != ALL_TOPICS])
    if not chosen.selective:
        return search.walk(WALK[search.kind])
    near = search.walk(WALK_NEAR[search.kind])
    return near if len(near) == limit else search.visit()


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

    def walk(
        self, along: Select[Any], *, start: int = 0, end: int | None = None, found: int = 0
    ) -> list[Position]:
        """The matches along an index, within `[start, end)`; so many were found before."""
        at, number = self.top if end is None else min(self.top, (end, 0))
        given = {"start": max(start, self.chosen.start), "at": at, "number": number}
        sizes = {"limit": self.limit - found, "entries": self.effort.walked_per_row * self.limit}
        rows = self.connection.execute(along, self.chosen.parameters(self.topic) | given | sizes).all()
        return [(row.timestamp, row.conversation) for row in rows]

    def visit(self) -> list[Position]:
        """The matches, looked for only where the roll-ups say that there are some.

        Walking ten million entries past everything that does not match took 1.9 s.
        """
        found: list[Position] = []
        for start, end in self._promising():
            found += self.walk(WALK[self.kind], start=start, end=end, found=len(found))
            if len(found) == self.limit:
                break
        return found

    def _promising(self) -> Iterator[tuple[int, int]]:
        """The windows, the newest first, that hold a page together, or all that hold anything."""
        window = self.chosen.start, self.top[0] + 1
        entries = total_of(self.connection, self.topic, Selection(*window))
        level, *finer = rollups.levels(self.topic)
        held = self._holding(level, touching(level, *window))
        while finer and entries > self.effort.worth_a_statement * len(touching(level, *window)):
            inside = touching(finer[0], *window)
            inner = [part for bucket in held for part in parts_of(level, bucket, finer[0]) if part in inside]
            level = finer.pop(0)
            held = self._holding(level, inner)
        passed = self.effort.worth_a_statement * len(touching(level, *window)) // max(1, entries)
        for first, end in _runs(held, passed):
            yield start_of(level, first), start_of(level, end)

    def _holding(self, level: int, among: Sequence[int]) -> list[int]:
        """The newest of these buckets that hold a page together, or all that hold anything; falling."""
        given = {"level": level, "among": list(among), "any": list(self.chosen.sentiments)}
        find = FIND[self.chosen.min_confidence > 0]
        parameters = self.chosen.parameters(self.topic) | given | {"limit": self.limit + 1}
        rows = self.connection.execute(find, parameters).all()
        # The window may leave out what the newest bucket holds, so that is not relied on.
        relied = accumulate((row[1] for row in rows[1:]), initial=0)
        enough = sum(1 for _ in takewhile(lambda held: held < self.limit, relied))
        return [row.bucket for row in rows[: enough + 1]]


def _runs(buckets: Iterable[int], passed: int) -> Iterator[tuple[int, int]]:
    """Falling numbers as runs `[first, end)`, of neighbours or of such that at most `passed` lie between."""
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


# --- statements ---------------------------------------------------------------------------------------------


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
    return _downwards(table, _entries(kind).where(*matching(table)))


def _walking_near(kind: Kind) -> Select[Any]:
    """What matches among the first `entries`."""
    near = _downwards(rollups.EDGES[kind], _entries(kind), limit="entries").subquery()
    found = select(near.c.timestamp, near.c.conversation).where(*matching(near))
    return found.order_by(near.c.timestamp.desc(), near.c.conversation.desc()).limit(bindparam("limit"))


def _finding(by_confidence: bool) -> Select[Any]:
    """Which of some buckets hold matches, the newest first, and how many."""
    rolled = counts if by_confidence else totals
    c = rolled.c
    # Naming the sentiments lets the rows be sought by key: of a bucket's 303 only what matches is read.
    named = (
        c.bucket.in_(bindparam("among", expanding=True)),
        c.sentiment.in_(bindparam("any", expanding=True)),
    )
    key = (c.topic == bindparam("topic"), c.level == bindparam("level"), *named)
    n = func.sum(c.n)
    held = select(c.bucket, n).where(*key, *matching(rolled)).group_by(c.bucket).having(n > 0)
    return held.order_by(c.bucket.desc()).limit(bindparam("limit"))


WALK_AUTHOR = {filed: _downwards(insights, by_author(filed)) for filed in (False, True)}
WALK = {kind: _walking(kind) for kind in (Kind.ALL, Kind.TOPIC)}
WALK_NEAR = {kind: _walking_near(kind) for kind in (Kind.ALL, Kind.TOPIC)}
FIND = {by_confidence: _finding(by_confidence) for by_confidence in (False, True)}
