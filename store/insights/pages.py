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
from store.insights.unions import single_topics
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
    after: Position | None = None,
    effort: Effort = USUAL,
) -> list[Position]:
    """Return the positions of up to `limit` chosen insights after the position `after`, sorted by timestamp.

    `topic` is the number of their cluster.
    """
    begin = (chosen.end if chosen.sort.descending else chosen.start, 0)
    search = _Search(connection, chosen, topic, after or begin, limit, effort)
    if chosen.author is not None:
        return search.walk(WALK_AUTHOR[topic != ALL_TOPICS, search.descending])
    return search.walk_buckets() if chosen.selective else search.walk(WALK[search.kind, search.descending])


@dataclass(frozen=True, slots=True)
class _Search:
    connection: Connection
    chosen: Selection
    topic: int
    after: Position
    limit: int
    effort: Effort

    @property
    def kind(self) -> Kind:
        """The kind of what is walked."""
        return min(kind_of(self.topic), Kind.TOPIC)

    @property
    def descending(self) -> bool:
        return self.chosen.sort.descending

    @property
    def window(self) -> tuple[int, int]:
        """The rest of the window."""
        at = self.after[0]
        return (self.chosen.start, at + 1) if self.descending else (at, self.chosen.end)

    def walk(self, statement: Prepared, **parameters: Any) -> list[Position]:
        """The matches that a statement finds in the window; those of a union topic by topic."""
        at, number = self.after
        window = {"start": self.chosen.start, "end": self.chosen.end, "at": at, "number": number}
        given = self.chosen.parameters(self.topic) | window | {"limit": self.limit} | parameters
        topics = single_topics(self.connection, self.topic)
        found: list[Position] = [
            (timestamp, conversation)
            for topic in topics
            for timestamp, conversation in statement.rows(self.connection, given | {"topic": topic})
        ]
        if len(topics) == 1:
            return found
        # An insight may have several of the topics.
        return sorted(set(found), reverse=self.descending)[: self.limit]

    def walk_buckets(self) -> list[Position]:
        """The matches, searched only in buckets that have some according to the roll-ups.

        Walking past ten million entries that do not match took 1.9 s.
        """
        way = self.kind, self.descending
        entries = count_insights(self.connection, self.topic, Selection(self.chosen.start, self.chosen.end))
        is_rolled = bool(rollups.levels(self.topic, self.chosen.rolled))
        if not is_rolled or entries <= self.effort.walked_per_row * self.limit:
            return self.walk(WALK[way])
        level, buckets = self._choose_buckets(entries)
        if not buckets:
            return []
        if abs(buckets[0] - buckets[-1]) < 2 * len(buckets):
            return self.walk(WALK[way], **self._all_of(level, buckets))
        return self.walk(WALK_BUCKETS[way], buckets=buckets, length=MICROSECONDS[level])

    def _all_of(self, level: int, buckets: Sequence[int]) -> dict[str, int]:
        """The parameters of one walk over all of the buckets, which ends when the page is full."""
        from_, until = start_of(level, min(buckets)), start_of(level, max(buckets) + 1)
        at, number = min(self.after, (until, 0)) if self.descending else max(self.after, (from_, 0))
        inside = {"start": max(self.chosen.start, from_), "end": min(self.chosen.end, until)}
        return {**inside, "at": at, "number": number}

    def _choose_buckets(self, entries: int) -> tuple[int, list[int]]:
        """Choose a level for a window with so many entries; return it with its buckets that have matches."""
        level, *finer = rollups.levels(self.topic, self.chosen.rolled)
        each = entries / len(touching(level, self.chosen.start, self.chosen.end))
        buckets = self._buckets_with_matches(level, touching(level, *self.window))
        while level == MONTH or (finer and each > self.effort.worth_a_bucket * PARTS[level]):
            each /= PARTS[level]
            buckets = self._buckets_with_matches(finer[0], _split(self.window, level, buckets, finer[0]))
            level = finer.pop(0)
        return level, buckets

    def _buckets_with_matches(self, level: int, among: Sequence[int]) -> list[int]:
        """The first of these buckets that together fill a page, or all that have matches; in the order of the list."""
        of_level = {"level": level, "among": among}
        parameters = self.chosen.parameters(self.topic) | of_level | {"limit": self.limit + 1}
        rows = FIND[self.chosen.rolled, self.descending].rows(self.connection, parameters)
        # The window may cut off the matches of the first bucket, so they are not counted.
        certain = accumulate((row[1] for row in rows[1:]), initial=0)
        enough = sum(1 for _ in takewhile(lambda n: n < self.limit, certain))
        return [row[0] for row in rows[: enough + 1]]


def _split(window: tuple[int, int], level: int, buckets: Iterable[int], finer: int) -> list[int]:
    """Split buckets into those of a finer level that overlap the window."""
    inside = touching(finer, *window)
    return [part for bucket in buckets for part in parts_of(level, bucket, finer) if part in inside]


# --- statements ---------------------------------------------------------------------------------------------


TOPIC = bindparam("topic", type_=BigInteger)


def _along(found: Select[Any], table: FromClause, descending: bool) -> Select[Any]:
    """Select the first rows after the position `(at, number)` and inside the window, along the index."""
    c = table.c
    return _first(found.where(*_between(c.timestamp, c.conversation, descending)), table, descending)


def _first(found: Select[Any], table: FromClause, descending: bool) -> Select[Any]:
    order = (table.c.timestamp, table.c.conversation)
    return found.order_by(*(each.desc() if descending else each for each in order)).limit(bindparam("limit"))


def _between(
    timestamp: ColumnElement[int], conversation: ColumnElement[int], descending: bool
) -> tuple[ColumnElement[bool], ...]:
    place = tuple_(timestamp, conversation)
    after = tuple_(bindparam("at", type_=BigInteger), bindparam("number", type_=BigInteger))
    if descending:
        return timestamp >= bindparam("start", type_=BigInteger), place < after
    return timestamp < bindparam("end", type_=BigInteger), place > after


def _own(kind: Kind, table: FromClause) -> Iterable[ColumnElement[int]]:
    """The column by which what is filed under one number is found."""
    name = {Kind.TOPIC: "topic", Kind.FIELD: "value"}.get(kind)
    return () if name is None else (table.c[name],)


def _walking(kind: Kind, descending: bool) -> Select[Any]:
    """Select the matches of one topic or value of a field, or of all insights."""
    table = rollups.EDGES[kind]
    topic = tuple(own == TOPIC for own in _own(kind, table))
    found = select(table.c.timestamp, table.c.conversation).where(*topic, *matching(table))
    return _along(found, table, descending)


def _walking_buckets(kind: Kind, descending: bool) -> Select[Any]:
    """Select the matches in any of the `buckets`, each `length` microseconds long.

    SQLite walks the index bucket by bucket only if every other condition it could seek by depends on the bucket (the
    topic) or is hidden in a sum (the window's bounds). Otherwise it checked a year's entries for every bucket: 254 ms.
    """
    table, nothing = rollups.EDGES[kind], literal_column("0", BigInteger)
    c, bucket, length = table.c, listed("buckets"), bindparam("length", type_=BigInteger)
    inside = c.timestamp >= bucket * length, c.timestamp < (bucket + literal_column("1")) * length
    window = _between(c.timestamp + nothing, c.conversation, descending)
    topic = tuple(own == TOPIC + bucket * nothing for own in _own(kind, table))
    found = select(c.timestamp, c.conversation).where(*topic, *inside, *window, *matching(table))
    return _first(found, table, descending)


def _finding(rolled: Table, descending: bool) -> Select[Any]:
    """Select those of the buckets `among` that have matches, in the order of the list, and how many."""
    c = rolled.c
    # Listing the sentiments allows a seek by key: of a bucket's 304 rows only the matching ones are read.
    listed_sentiments = (among(c.sentiment, "any"),) if rolled is counts else ()
    key = c.topic == TOPIC, c.level == bindparam("level"), among(c.bucket, "among"), *listed_sentiments
    n = func.sum(matches(rolled))
    found = select(c.bucket, n).where(*key, *matching(rolled)).group_by(c.bucket).having(n > 0)
    return found.order_by(c.bucket.desc() if descending else c.bucket).limit(bindparam("limit"))


PARTS = {MONTH: 30, DAY: 24}
"""About how many buckets of the next finer level a bucket has."""
WAYS = (False, True)
"""Ascending, and descending."""
WALK_AUTHOR = {
    (filed, way): Prepared(_along(by_author(filed), insights, way)) for filed in (False, True) for way in WAYS
}
KINDS = (Kind.FIELD, Kind.ALL, Kind.TOPIC)
WALK = {(kind, way): Prepared(_walking(kind, way)) for kind in KINDS for way in WAYS}
WALK_BUCKETS = {(kind, way): Prepared(_walking_buckets(kind, way)) for kind in KINDS for way in WAYS}
FIND = {(rolled, way): Prepared(_finding(rolled, way)) for rolled in (totals, counts) for way in WAYS}
