"""Finds the positions of a page of insights: along an index, or only in buckets where the roll-ups count matches.

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
    """When to switch from walking an index to asking the roll-ups, in entries of the index."""

    walked_per_row: int = 20
    """Entries that may be walked per row of the page before the roll-ups are asked where matches are."""
    worth_a_bucket: int = 10
    """Entries that are walked in the time it takes to read one more bucket of the roll-ups."""


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
    """Return the positions of up to `limit` chosen insights after `before`, newest first.

    `topic` is the number of their cluster.
    """
    search = _Search(connection, chosen, topic, before or (chosen.end, 0), limit, effort)
    if chosen.author is not None:
        return search.walk(WALK_AUTHOR[topic != ALL_TOPICS])
    return search.walk_buckets() if chosen.selective else search.walk(WALK[search.kind])


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

    def walk(self, statement: Prepared, **parameters: Any) -> list[Position]:
        """The matches that a statement finds in the window."""
        at, number = self.top
        window = {"start": self.chosen.start, "at": at, "number": number, "limit": self.limit}
        rows = statement.rows(self.connection, self.chosen.parameters(self.topic) | window | parameters)
        return [(timestamp, conversation) for timestamp, conversation in rows]

    def walk_buckets(self) -> list[Position]:
        """The matches, searched only in buckets that have some according to the roll-ups.

        Walking past ten million entries that do not match took 1.9 s.
        """
        entries = count_insights(self.connection, self.topic, Selection(self.chosen.start, self.chosen.end))
        if entries <= self.effort.walked_per_row * self.limit:
            return self.walk(WALK[self.kind])
        level, buckets = self._choose_buckets(entries)
        if not buckets:
            return []
        newest, oldest = buckets[0], buckets[-1]
        if newest - oldest < 2 * len(buckets):  # One walk over all of them, which ends when the page is full.
            at, number = min(self.top, (start_of(level, newest + 1), 0))
            start = max(self.chosen.start, start_of(level, oldest))
            return self.walk(WALK[self.kind], start=start, at=at, number=number)
        return self.walk(WALK_BUCKETS[self.kind], buckets=buckets, length=MICROSECONDS[level])

    def _choose_buckets(self, entries: int) -> tuple[int, list[int]]:
        """Choose a level for a window with so many entries; return it with its buckets that have matches."""
        window = self.chosen.start, self.top[0] + 1
        level, *finer = rollups.levels(self.topic, self.chosen.rolled)
        each = entries / len(touching(level, self.chosen.start, self.chosen.end))
        buckets = self._buckets_with_matches(level, touching(level, *window))
        while level == MONTH or (finer and each > self.effort.worth_a_bucket * PARTS[level]):
            each /= PARTS[level]
            buckets = self._buckets_with_matches(finer[0], _split(window, level, buckets, finer[0]))
            level = finer.pop(0)
        return level, buckets

    def _buckets_with_matches(self, level: int, among: Sequence[int]) -> list[int]:
        """The newest of these buckets that together fill a page, or all that have matches; descending."""
        of_level = {"level": level, "among": among}
        parameters = self.chosen.parameters(self.topic) | of_level | {"limit": self.limit + 1}
        rows = FIND[self.chosen.rolled].rows(self.connection, parameters)
        # The window may cut off the matches of the newest bucket, so they are not counted.
        certain = accumulate((row[1] for row in rows[1:]), initial=0)
        enough = sum(1 for _ in takewhile(lambda n: n < self.limit, certain))
        return [row[0] for row in rows[: enough + 1]]


def _split(window: tuple[int, int], level: int, buckets: Iterable[int], finer: int) -> list[int]:
    """Split buckets into those of a finer level that overlap the window."""
    inside = touching(finer, *window)
    return [part for bucket in buckets for part in parts_of(level, bucket, finer) if part in inside]


# --- statements ---------------------------------------------------------------------------------------------


TOPIC = bindparam("topic", type_=BigInteger)


def _downwards(found: Select[Any], table: FromClause) -> Select[Any]:
    """Select the first rows after the position `(at, number)`, down to `start`, along the index."""
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
    """Select the matches of one topic, or of all insights."""
    table = rollups.EDGES[kind]
    topic = (table.c.topic == TOPIC,) if kind is Kind.TOPIC else ()
    found = select(table.c.timestamp, table.c.conversation).where(*topic, *matching(table))
    return _downwards(found, table)


def _walking_buckets(kind: Kind) -> Select[Any]:
    """Select the matches in any of the `buckets`, each `length` microseconds long.

    SQLite walks the index bucket by bucket only if every other condition it could seek by depends on the bucket (the
    topic) or is hidden in a sum (the window's bounds). Otherwise it checked a year's entries for every bucket: 254 ms.
    """
    table, nothing = rollups.EDGES[kind], literal_column("0", BigInteger)
    c, bucket, length = table.c, listed("buckets"), bindparam("length", type_=BigInteger)
    inside = c.timestamp >= bucket * length, c.timestamp < (bucket + literal_column("1")) * length
    window = _between(c.timestamp + nothing, c.conversation)
    topic = (c.topic == TOPIC + bucket * nothing,) if kind is Kind.TOPIC else ()
    found = select(c.timestamp, c.conversation).where(*topic, *inside, *window, *matching(table))
    return _newest(found, table)


def _finding(rolled: Table) -> Select[Any]:
    """Select those of the buckets `among` that have matches, newest first, and how many."""
    c = rolled.c
    # Listing the sentiments allows a seek by key: of a bucket's 303 rows only the matching ones are read.
    listed_sentiments = (among(c.sentiment, "any"),) if rolled is counts else ()
    key = c.topic == TOPIC, c.level == bindparam("level"), among(c.bucket, "among"), *listed_sentiments
    n = func.sum(matches(rolled))
    found = select(c.bucket, n).where(*key, *matching(rolled)).group_by(c.bucket).having(n > 0)
    return found.order_by(c.bucket.desc()).limit(bindparam("limit"))


PARTS = {MONTH: 30, DAY: 24}
"""About how many buckets of the next finer level a bucket has."""
WALK_AUTHOR = {filed: Prepared(_downwards(by_author(filed), insights)) for filed in (False, True)}
WALK = {kind: Prepared(_walking(kind)) for kind in (Kind.ALL, Kind.TOPIC)}
WALK_BUCKETS = {kind: Prepared(_walking_buckets(kind)) for kind in (Kind.ALL, Kind.TOPIC)}
FIND = {rolled: Prepared(_finding(rolled)) for rolled in (totals, counts)}
