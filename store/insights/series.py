"""Series: the insights of each stretch of time between some moments, which need not be whole UTC hours or days.

Whole buckets of the roll-ups between the moments are added up. Where a moment cuts a bucket, the hours between it and
the nearest whole one are added or subtracted, and of an hour the quarters, or the insights themselves where there are
none. So a local day costs one bucket, and the hours and quarters of its offset.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Select, bindparam, func, literal_column, select

from domain.buckets import DAY, EDGE, HOUR, MICROSECONDS, QUARTER, Span, cover
from models import ALL_TOPICS, totals
from store.engine.prepared import Prepared, among, listed
from store.insights import rollups
from store.insights.rollups import SENTIMENTS, Kind, kind_of, n_of

Sums = tuple[int, ...]
"""Insights per sentiment in the order of SENTIMENTS, and the sum of their scores."""
A_QUARTER = MICROSECONDS[QUARTER]
NOTHING: Sums = (0,) * (len(SENTIMENTS) + 1)


class Share(NamedTuple):
    """What a fine bucket counts for: it is added to the sums at `place`, or subtracted with sign -1."""

    place: int
    sign: int


@dataclass(slots=True)
class _Corrections:
    """The hours, the quarters of hours and the edges to add to each place, or to subtract."""

    in_quarters: bool
    hours: defaultdict[int, list[Share]] = field(default_factory=lambda: defaultdict(list))
    quarters: defaultdict[int, list[Share]] = field(default_factory=lambda: defaultdict(list))
    edges: defaultdict[tuple[int, int], list[Share]] = field(default_factory=lambda: defaultdict(list))
    """By first microsecond and length."""

    def move(self, near: int, moment: int, level: int, place: int) -> None:
        """Move the border before `place` from `near` to the moment."""
        sign = 1 if moment > near else -1
        finer = [HOUR] if level == DAY else []
        for span in cover(min(near, moment), max(near, moment), finer, sign):
            self._count(span, place - 1)
            self._count(Span(span.level, span.first, span.end, -span.sign), place)

    def _count(self, span: Span, place: int) -> None:
        if span.level == EDGE and not (
            self.in_quarters and span.first % A_QUARTER == span.end % A_QUARTER == 0
        ):
            self.edges[span.first, span.end - span.first].append(Share(place, span.sign))
            return
        unit, whole = (A_QUARTER, self.quarters) if span.level == EDGE else (1, self.hours)
        for bucket in range(span.first // unit, span.end // unit):
            whole[bucket].append(Share(place, span.sign))


def sums_between(connection: Connection, topic: int, moments: Sequence[int], level: int) -> list[Sums]:
    """The sums of a topic, or of ALL_TOPICS, from each of these ascending moments to the next.

    `level` is HOUR or DAY, the buckets to add up.
    """
    near = [_nearest(level, at) for at in moments]
    corrections = _Corrections(topic == ALL_TOPICS)
    for place, (bucket, moment) in enumerate(zip(near, moments, strict=True)):
        corrections.move(bucket * MICROSECONDS[level], moment, level, place)
    found = [NOTHING] * (len(moments) + 1)
    whole = {"topic": topic, "level": level, "first": near[0], "end": near[-1]}
    for bucket, *sums in WHOLE.rows(connection, whole):
        _add(found, [Share(bisect_right(near, bucket) - 1, 1)], sums)
    _correct(connection, topic, corrections, found)
    # The last place is after the last moment, and so is what moving the first border gave to place -1.
    return found[: len(moments) - 1]


def _nearest(level: int, at: int) -> int:
    return (at + MICROSECONDS[level] // 2) // MICROSECONDS[level]


def _correct(connection: Connection, topic: int, corrections: _Corrections, found: list[Sums]) -> None:
    for level, needed in ((HOUR, corrections.hours), (QUARTER, corrections.quarters)):
        given = {"topic": topic, "level": level, "buckets": [*needed]}
        for bucket, *sums in FEW.rows(connection, given) if needed else ():
            _add(found, needed[bucket], sums)
    starts = defaultdict(list)
    for start, length in corrections.edges:
        starts[length].append(start)
    for length, these in starts.items():
        edges = {"topic": topic, "starts": these, "length": length}
        for start, *sums in EDGES[kind_of(topic)].rows(connection, edges):
            _add(found, corrections.edges[start, length], sums)


def _add(found: list[Sums], shares: Sequence[Share], sums: Sequence[int]) -> None:
    for place, sign in shares:
        amounts = sums if sign > 0 else [-each for each in sums]
        found[place] = tuple(map(add, found[place], amounts))


def sums_of_units(moments: Sequence[int], unit: int, rows: Mapping[int, Sums]) -> list[Sums]:
    """The sums between moments, of rows by units of time of which each lies between two of them."""
    found = [NOTHING] * (len(moments) - 1)
    for bucket, sums in rows.items():
        place = bisect_right(moments, bucket * unit) - 1
        _add(found, [Share(min(max(place, 0), len(found) - 1), 1)], sums)
    return found


# --- statements ---------------------------------------------------------------------------------------------


def _of_totals() -> Select[Any]:
    c = totals.c
    amounts = [*(n_of(sentiment, totals) for sentiment in SENTIMENTS), c.score_sum]
    return (
        select(c.bucket)
        .add_columns(*amounts)
        .where(c.topic == bindparam("topic"), c.level == bindparam("level"))
    )


def _edges(kind: Kind) -> Select[Any]:
    """Select the sums of each of some short spans of one length.

    The topic is made to depend on the span: otherwise SQLite may walk over all of a topic's insights for each span.
    """
    table, nothing = rollups.EDGES[kind], literal_column("0", BigInteger)
    start, length = listed("starts"), bindparam("length", type_=BigInteger)
    inside = table.c.timestamp >= start, table.c.timestamp < start + length
    topic = bindparam("topic", type_=BigInteger) + start * nothing
    of_topic = (table.c.topic == topic,) if kind is Kind.TOPIC else ()
    amounts = [*(n_of(sentiment, table) for sentiment in SENTIMENTS), table.c.score]
    sums = (func.sum(each).cast(BigInteger) for each in amounts)
    return select(start).add_columns(*sums).where(*inside, *of_topic).group_by(start)


WHOLE = Prepared(
    _of_totals().where(totals.c.bucket >= bindparam("first"), totals.c.bucket < bindparam("end"))
)
FEW = Prepared(_of_totals().where(among(totals.c.bucket, "buckets")))
EDGES = {kind: Prepared(_edges(kind)) for kind in (Kind.ALL, Kind.TOPIC, Kind.UNION)}
