"""Time cut into UTC hours, days and months: the bucket of a moment, and the buckets that make up a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

HOUR, DAY, MONTH = 0, 1, 2
"""The levels of buckets."""
EDGE = -1
"""The level of what is in no whole bucket: its buckets are single microseconds."""

MICROSECONDS = {EDGE: 1, HOUR: 3_600_000_000, DAY: 86_400_000_000}
"""How long a bucket of a level is, but for months."""

EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Span:
    """The buckets `first` to before `end` of one level."""

    level: int
    first: int
    end: int
    sign: int = 1
    """-1 where they are to be taken away."""


def bucket_of(level: int, at: int) -> int:
    """The bucket that a moment (UTC microseconds) is in, counted from 1970."""
    if level != MONTH:
        return at // MICROSECONDS[level]
    return _month_of(at // MICROSECONDS[DAY])


@lru_cache(maxsize=1_000)
def _month_of(day: int) -> int:
    date_ = date.fromordinal(EPOCH + day)
    return (date_.year - 1970) * 12 + date_.month - 1


def start_of(level: int, bucket: int) -> int:
    """The first microsecond of a bucket."""
    if level != MONTH:
        return bucket * MICROSECONDS[level]
    year, month = divmod(bucket, 12)
    return (date(1970 + year, month + 1, 1).toordinal() - EPOCH) * MICROSECONDS[DAY]


def parts_of(level: int, bucket: int, finer: int) -> range:
    """The buckets of a finer level that make up one."""
    return range(bucket_of(finer, start_of(level, bucket)), bucket_of(finer, start_of(level, bucket + 1)))


def touching(level: int, start: int, end: int) -> range:
    """The buckets that the window `[start, end)` has a share in."""
    return range(bucket_of(level, start), bucket_of(level, end - 1) + 1) if start < end else range(0)


def cover(start: int, end: int, levels: Sequence[int], sign: int = 1) -> list[Span]:
    """The window `[start, end)` as a sum of pieces, some of which are taken away again.

    `levels` are the ones to use, the coarsest first. From each end of the window it goes to the nearer border
    of a bucket, outside or inside, so that less is left for the finer levels: with months, days and hours at
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
    """What lies between, taken away where the way is back."""
    return cover(start, end, levels, sign) if start <= end else cover(end, start, levels, -sign)


def _nearest(level: int, at: int) -> int:
    """The bucket whose first microsecond is nearest."""
    bucket = bucket_of(level, at)
    return bucket + (2 * at > start_of(level, bucket) + start_of(level, bucket + 1))
