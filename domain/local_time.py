"""Local time: the hours, days, weeks and months of a time zone, as moments in UTC.

A day begins at the first moment at which a clock of the zone shows its date, so the days on which clocks are changed
have 23 or 25 hours, and a date that a zone left out has no moment. Times are UTC microseconds, and local times count
the same way from what the clock shows.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.buckets import DAY, HOUR, MICROSECONDS, MONTH, bucket_of, start_of

A_DAY, AN_HOUR = MICROSECONDS[DAY], MICROSECONDS[HOUR]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = 4
"""The first Monday, in days after 1970-01-01."""
FARTHEST = A_DAY
"""No clock is further from UTC than this."""


class Interval(StrEnum):
    """The length of the buckets of a series."""

    HOUR, DAY, WEEK, MONTH = "hour", "day", "week", "month"


@dataclass(frozen=True, slots=True)
class UtcOffset:
    """The moments of `[start, end)`, at which a zone is as far from UTC."""

    start: int
    end: int
    amount: int
    """Local time minus UTC, in microseconds."""


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The clocks of a zone around the window `[start, end)`."""

    offsets: Sequence[UtcOffset]

    @classmethod
    def around(cls, zone: ZoneInfo, start: int, end: int) -> "LocalTime":
        """The offsets that buckets of the window can lie in: the longest is a month."""
        first, last = (_year_of(at) for at in (start - 33 * A_DAY, end + 33 * A_DAY))
        found = [each for year in range(first, last + 1) for each in _offsets(zone, year)]
        return cls([*_joined(found)])

    def offset(self, at: int) -> int:
        """Local time minus UTC at a moment, in microseconds."""
        return self.offsets[bisect_right(self.offsets, at, key=lambda each: each.start) - 1].amount

    def borders(self, interval: Interval, start: int, end: int) -> list[int]:
        """Where buckets begin: from that of `start` to the first that is not before `end`, ascending."""
        if start >= end:
            return []
        found = self._hours(start, end) if interval is Interval.HOUR else self._dates(interval, start, end)
        ascending = sorted({*found})
        first = bisect_right(ascending, start) - 1
        return ascending[first : bisect_right(ascending, end - 1) + 1]

    def _hours(self, start: int, end: int) -> Iterator[int]:
        """The moments at which the clock strikes, or is put forward into another hour."""
        for before, each in pairwise([None, *self.offsets]):
            if each is None or each.end <= start - AN_HOUR or each.start >= end + 2 * AN_HOUR:
                continue
            if before and _hour(before.amount, each.start - 1) != _hour(each.amount, each.start):
                yield each.start
            first = max(each.start, start - 2 * AN_HOUR)
            first += -(first + each.amount) % AN_HOUR
            yield from range(first, min(each.end, end + 2 * AN_HOUR), AN_HOUR)

    def _dates(self, interval: Interval, start: int, end: int) -> Iterator[int]:
        first = _period(interval, (start + self.offset(start) - FARTHEST) // A_DAY)
        last = _period(interval, (end + self.offset(end) + FARTHEST) // A_DAY) + 1
        for period in range(first, last + 1):
            yield self._first_moment(_first_day(interval, period) * A_DAY)

    def _first_moment(self, local: int) -> int:
        """The first moment at which the clock shows this local time or a later one."""
        first = bisect_right(self.offsets, local - FARTHEST, key=lambda each: each.start) - 1
        near = self.offsets[max(first, 0) :]
        return next(at for each in near if (at := max(each.start, local - each.amount)) < each.end)


def _hour(offset: int, at: int) -> int:
    return (at + offset) // AN_HOUR


def _period(interval: Interval, day: int) -> int:
    """The day, week or month that contains a local day, counted from 1970."""
    match interval:
        case Interval.WEEK:
            return (day - MONDAY) // 7
        case Interval.MONTH:
            return bucket_of(MONTH, day * A_DAY)
        case _:
            return day


def _first_day(interval: Interval, period: int) -> int:
    match interval:
        case Interval.WEEK:
            return period * 7 + MONDAY
        case Interval.MONTH:
            return start_of(MONTH, period) // A_DAY
        case _:
            return period


def _year_of(at: int) -> int:
    return (EPOCH + timedelta(microseconds=at)).year


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=256)
def _offsets(zone: ZoneInfo, year: int) -> Sequence[UtcOffset]:
    """The offsets of a UTC year. The library does not tell when clocks change, so every day is looked at."""
    start, end = (_microseconds(datetime(each, 1, 1, tzinfo=UTC)) for each in (year, year + 1))
    changed = (at for at in range(start, end, A_DAY) if _offset(zone, at) != _offset(zone, at + A_DAY))
    cuts = [start, *(_change(zone, at, at + A_DAY) for at in changed), end]
    return [UtcOffset(first, last, _offset(zone, first)) for first, last in pairwise(cuts) if first < last]


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The moment between two at which the zone's offset changes, to the second."""
    while after - before > 1_000_000:
        middle = (before + after) // 2_000_000 * 1_000_000
        before, after = (
            (middle, after) if _offset(zone, middle) == _offset(zone, before) else (before, middle)
        )
    return after


def _offset(zone: ZoneInfo, at: int) -> int:
    found = (EPOCH + timedelta(microseconds=at)).astimezone(zone).utcoffset() or timedelta()
    return found // timedelta(microseconds=1)


def _joined(offsets: Sequence[UtcOffset]) -> Iterator[UtcOffset]:
    """Offsetes of one offset that follow each other, as one."""
    held: UtcOffset | None = None
    for each in offsets:
        if held is not None and held.amount == each.amount:
            held = UtcOffset(held.start, each.end, held.amount)
            continue
        if held is not None:
            yield held
        held = each
    if held is not None:
        yield held
