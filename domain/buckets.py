"""Buckets: time in UTC hours, days, months and years, and the buckets that cover a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

HOUR, DAY, MONTH, YEAR = 0, 1, 2, 3
"""Levels of buckets."""
QUARTER = -2
"""A quarter of an hour: no clock is set by less. Only local time is counted by it."""
EDGE = -1
"""The level of the edges of a window, which fill no whole bucket: its buckets are single microseconds."""

MICROSECONDS = {EDGE: 1, QUARTER: 900_000_000, HOUR: 3_600_000_000, DAY: 86_400_000_000}
"""The length of a bucket by level; months and years vary."""

MONTHS = 12
"""Months per year."""
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Span:
    """The buckets from `first` to before `end` of one level."""

    level: int
    first: int
    end: int
    sign: int = 1
    """-1 if they are to be subtracted."""


def bucket_of(level: int, at: int) -> int:
    """The bucket that contains a time (UTC microseconds), counted from 1970."""
    if level < MONTH:
        return at // MICROSECONDS[level]
    month = _month_of(at // MICROSECONDS[DAY])
    return month if level == MONTH else month // MONTHS


@lru_cache(maxsize=1_000)
def _month_of(day: int) -> int:
    date_ = date.fromordinal(EPOCH + day)
    return (date_.year - 1970) * 12 + date_.month - 1


def start_of(level: int, bucket: int) -> int:
    """The first microsecond of a bucket."""
    if level < MONTH:
        return bucket * MICROSECONDS[level]
    year, month = divmod(bucket if level == MONTH else bucket * MONTHS, MONTHS)
    return (date(1970 + year, month + 1, 1).toordinal() - EPOCH) * MICROSECONDS[DAY]


def parts_of(level: int, bucket: int, finer: int) -> range:
    """The buckets of a finer level that make up this one."""
    return range(bucket_of(finer, start_of(level, bucket)), bucket_of(finer, start_of(level, bucket + 1)))


def touching(level: int, start: int, end: int) -> range:
    """The buckets that the window `[start, end)` overlaps."""
    return range(bucket_of(level, start), bucket_of(level, end - 1) + 1) if start < end else range(0)


def cover(start: int, end: int, levels: Sequence[int], sign: int = 1) -> list[Span]:
    """The window `[start, end)` as a sum of spans, some of which are subtracted.

    `levels` are the levels to use, coarsest first. Each end of the window is rounded to the nearest border of a
    bucket, outside or inside, which leaves less for the finer levels: with months, days and hours there are at
    most five spans of whole buckets, and two edges of together at most an hour.
    """
    if start >= end:
        return []
    if not levels:
        return [Span(EDGE, start, end, sign)]
    level, *finer = levels
    first, last = _nearest(level, start), _nearest(level, end)
    from_, until = start_of(level, first), start_of(level, last)
    if abs(start - from_) + abs(end - until) >= end - start:
        return cover(start, end, finer, sign)
    whole = Span(level, first, last, sign)
    return [*_towards(start, from_, finer, sign), whole, *_towards(until, end, finer, sign)]


def _towards(start: int, end: int, levels: Sequence[int], sign: int) -> list[Span]:
    """The spans between two times, subtracted if the end is before the start."""
    return cover(start, end, levels, sign) if start <= end else cover(end, start, levels, -sign)


def _nearest(level: int, at: int) -> int:
    """The bucket whose first microsecond is nearest to a time."""
    bucket = bucket_of(level, at)
    return bucket + (2 * at > start_of(level, bucket) + start_of(level, bucket + 1))
