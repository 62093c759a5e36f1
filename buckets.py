"""Time cut into UTC hours, days and months: the bucket of a moment, and the buckets that make up a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from models import DAY, HOUR, MONTH

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


def bucket_of(level: int, at: int) -> int:
    """The bucket that a moment (UTC microseconds) is in, counted from 1970."""
    if level != MONTH:
        return at // MICROSECONDS[level]
    day = date.fromordinal(EPOCH + at // MICROSECONDS[DAY])
    return (day.year - 1970) * 12 + day.month - 1


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


def cover(start: int, end: int, levels: Sequence[int]) -> list[Span]:
    """The window `[start, end)` in pieces that neither overlap nor leave a gap, in order of time.

    `levels` are the ones to use, the coarsest first. With months, days and hours it takes at most five spans
    of whole buckets and two edges.
    """
    if start >= end:
        return []
    if not levels:
        return [Span(EDGE, start, end)]
    level, *finer = levels
    whole = Span(level, bucket_of(level, start - 1) + 1, bucket_of(level, end))
    if whole.first >= whole.end:
        return cover(start, end, finer)
    before = cover(start, start_of(level, whole.first), finer)
    return [*before, whole, *cover(start_of(level, whole.end), end, finer)]
