"""Series: the insights of each stretch of time between some moments, which need not be whole UTC hours or days.

Whole buckets of the roll-ups between the moments are added up. Where a moment cuts a bucket, the hours between it and
the nearest whole one are added or subtracted, and of an hour the quarters, or the insights themselves where there are
none. So a local day costs one bucket, and the hours and quarters of its offset.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import add, sub
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    bindparam,
    func,
    literal_column,
    select,
)

from domain.buckets import DAY, EDGE, HOUR, MICROSECONDS, QUARTER, Span, cover
from models import ALL_TOPICS, totals
from store.engine.prepared import Prepared, listed
from store.insights import rollups
from store.insights.rollups import SENTIMENTS, Kind, kind_of, n_of

Sums = tuple[int, ...]
"""Insights per sentiment in the order of SENTIMENTS, and the sum of their scores."""
A_QUARTER = MICROSECONDS[QUARTER]
NOTHING: Sums = (0,) * (len(SENTIMENTS) + 1)


class _Run(NamedTuple):
    """Buckets of one level that follow each other, somewhere in a window."""

    level: int
    length: int


class _Stretch(NamedTuple):
    """A part of the time between a whole bucket's beginning and a moment near it."""

    run: _Run
    first: int
    """Its first bucket, counted from the whole bucket's beginning."""
    sign: int
    """Of what moves into the place that begins at the moment; it leaves the place before."""


Corrections = Mapping[_Run, Mapping[int, Sequence[tuple[int, int]]]]
"""By run and first bucket: the places that it moves into, each with a sign."""


def sums_between(connection: Connection, topic: int, moments: Sequence[int], level: int) -> list[Sums]:
    """The sums of a topic, or of ALL_TOPICS, from each of these ascending moments to the next.

    `level` is HOUR or DAY, the buckets to add up.
    """
    near = [_nearest(level, at) for at in moments]
    found = [NOTHING] * len(moments)
    whole = {"topic": topic, "level": level, "first": near[0], "end": near[-1]}
    for bucket, *sums in WHOLE.rows(connection, whole):
        _add(found, bisect_right(near, bucket) - 1, 1, sums)
    corrections = _corrections(near, moments, level, in_quarters=topic == ALL_TOPICS)
    moved = _moved(connection, topic, corrections, len(moments))
    return [
        tuple(map(sub, map(add, sums, entered), left))
        for sums, entered, left in zip(found[:-1], moved[:-1], moved[1:], strict=True)
    ]


def _nearest(level: int, at: int) -> int:
    return (at + MICROSECONDS[level] // 2) // MICROSECONDS[level]


def _corrections(
    near: Sequence[int], moments: Sequence[int], level: int, *, in_quarters: bool
) -> Corrections:
    """What to move at each moment, because it is not at the beginning of the bucket near it."""
    found: defaultdict[_Run, defaultdict[int, list[tuple[int, int]]]]
    found = defaultdict(lambda: defaultdict(list))
    for place, (bucket, moment) in enumerate(zip(near, moments, strict=True)):
        beginning = bucket * MICROSECONDS[level]
        for run, first, sign in _stretches(moment - beginning, level, in_quarters):
            found[run][beginning // MICROSECONDS[run.level] + first].append((place, sign))
    return found


@lru_cache(maxsize=1_000)
def _stretches(offset: int, level: int, in_quarters: bool) -> Sequence[_Stretch]:
    """What lies between a bucket's beginning and a moment: a year of local days has one offset or two."""
    sign = 1 if offset < 0 else -1
    finer = [HOUR] if level == DAY else []
    return [_stretch(span, in_quarters) for span in cover(min(0, offset), max(0, offset), finer, sign)]


def _stretch(span: Span, in_quarters: bool) -> _Stretch:
    level, unit = span.level, 1
    if level == EDGE and in_quarters and span.first % A_QUARTER == span.end % A_QUARTER == 0:
        level, unit = QUARTER, A_QUARTER
    return _Stretch(_Run(level, (span.end - span.first) // unit), span.first // unit, span.sign)


def _moved(connection: Connection, topic: int, corrections: Corrections, places: int) -> list[Sums]:
    """What moves into each place."""
    found = [NOTHING] * places
    for (level, length), needed in corrections.items():
        given = {"topic": topic, "level": level, "starts": [*needed], "length": length}
        statement = EDGES[kind_of(topic)] if level == EDGE else RUNS
        for start, *sums in statement.rows(connection, given):
            for place, sign in needed[start]:
                _add(found, place, sign, sums)
    return found


def _add(found: list[Sums], place: int, sign: int, sums: Sequence[int]) -> None:
    found[place] = tuple(map(add if sign > 0 else sub, found[place], sums))


def sums_of_units(moments: Sequence[int], unit: int, rows: Mapping[int, Sums]) -> list[Sums]:
    """The sums between moments, of rows by units of time of which each lies between two of them."""
    found = [NOTHING] * (len(moments) - 1)
    for bucket, sums in rows.items():
        place = bisect_right(moments, bucket * unit) - 1
        _add(found, min(max(place, 0), len(found) - 1), 1, sums)
    return found


# --- statements ---------------------------------------------------------------------------------------------


def _of_totals() -> Select[Any]:
    """Select the whole buckets of a topic."""
    c = totals.c
    of_topic = c.topic == bindparam("topic"), c.level == bindparam("level")
    inside = c.bucket >= bindparam("first"), c.bucket < bindparam("end")
    return select(c.bucket).add_columns(*_amounts(totals)).where(*of_topic, *inside)


def _amounts(table: FromClause) -> Iterator[ColumnElement[int]]:
    yield from (n_of(sentiment, table) for sentiment in SENTIMENTS)
    yield table.c.score_sum if table is totals else table.c.score


def _short(kind: Kind | None) -> Select[Any]:
    """Select the sums of each of some short spans of one length: of whole buckets where there is no kind.

    The topic is made to depend on the span: otherwise SQLite may walk over all of a topic's insights for each span.
    """
    table = totals if kind is None else rollups.EDGES[kind]
    own = totals.c.bucket if kind is None else table.c.timestamp
    start, length = listed("starts"), bindparam("length", type_=BigInteger)
    inside = [own >= start, own < start + length]
    if kind in (None, Kind.TOPIC, Kind.FIELD):
        filed = table.c.value if kind is Kind.FIELD else table.c.topic
        inside.append(filed == bindparam("topic", type_=BigInteger) + start * literal_column("0"))
    if kind is None:
        inside.append(totals.c.level == bindparam("level", type_=Integer))
    sums = (func.sum(each).cast(BigInteger) for each in _amounts(table))
    return select(start).add_columns(*sums).where(*inside).group_by(start)


WHOLE = Prepared(_of_totals())
RUNS = Prepared(_short(None))
EDGES = {kind: Prepared(_short(kind)) for kind in (Kind.FIELD, Kind.ALL, Kind.TOPIC, Kind.UNION)}
