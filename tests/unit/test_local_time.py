"""Hours, days, weeks and months of time zones, against what the clocks of the standard library show."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import EPOCH, MICROSECOND, parse
from domain.local_time import A_DAY, AN_HOUR, Interval, LocalTime

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "America/Caracas",
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
starts = st.one_of(
    st.integers(parse("1970-01-01"), parse("2099-01-01")),
    st.sampled_from(["2011-12-29", "2025-03-29", "2025-10-25", "2025-04-05", "2017-10-14", "1972-01-06"]).map(
        parse
    ),
)


def clock_of(zone: ZoneInfo) -> Callable[[int], datetime]:
    return lambda at: (EPOCH + at * MICROSECOND).astimezone(zone)


def hour_of(shown: datetime) -> object:
    return shown.replace(minute=0, second=0, microsecond=0, tzinfo=None), shown.utcoffset()


def week_of(shown: datetime) -> object:
    return shown.date() - timedelta(days=shown.weekday())


BUCKETS: dict[Interval, Callable[[datetime], object]] = {
    Interval.DAY: lambda shown: shown.date(),
    Interval.WEEK: week_of,
    Interval.MONTH: lambda shown: (shown.year, shown.month),
}


@given(zones, st.sampled_from([*BUCKETS]), starts, st.integers(1, 70 * A_DAY), st.data())
def test_moments_share_a_bucket_exactly_if_the_calendar_says_so(
    zone: ZoneInfo, interval: Interval, start: int, length: int, data: st.DataObject
) -> None:
    clock, bucket, end = clock_of(zone), BUCKETS[interval], start + length
    borders = LocalTime.around(zone, start, end).borders(interval, start, end)

    assert borders[0] <= start < borders[1]
    assert borders[-2] < end <= borders[-1]
    for first, last in pairwise(borders):
        inside = data.draw(st.integers(first, last - 1))
        assert bucket(clock(first)) == bucket(clock(inside)) == bucket(clock(last - 1))
        assert bucket(clock(first - 1)) != bucket(clock(first))


@given(zones, starts, st.integers(1, 4 * A_DAY))
def test_hours_begin_when_the_clock_strikes_or_is_changed(zone: ZoneInfo, start: int, length: int) -> None:
    clock, end = clock_of(zone), start + length
    borders = LocalTime.around(zone, start, end).borders(Interval.HOUR, start, end)

    assert borders[0] <= start < borders[1]
    assert borders[-2] < end <= borders[-1]
    for first, last in pairwise(borders):
        assert last - first <= AN_HOUR * 3 // 2
        assert hour_of(clock(first))[0] == hour_of(clock(last - 1))[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2025-03-30", 23),
        ("Europe/Berlin", "2025-10-26", 25),
        ("America/New_York", "2025-11-02", 25),
        ("Australia/Lord_Howe", "2025-04-06", 24.5),
        ("Asia/Kolkata", "2025-03-30", 24),
        ("America/Sao_Paulo", "2017-10-15", 23),
    ],
)
def test_a_day_has_as_many_hours_as_its_clocks_show(zone: str, day: str, hours: float) -> None:
    noon = datetime.combine(date.fromisoformat(day), datetime.min.time(), ZoneInfo(zone)) + timedelta(
        hours=12
    )
    at = (noon.astimezone(UTC) - EPOCH) // MICROSECOND
    first, last = LocalTime.around(ZoneInfo(zone), at, at + 1).borders(Interval.DAY, at, at + 1)

    assert last - first == hours * AN_HOUR


def test_a_date_that_a_zone_left_out_has_no_bucket() -> None:
    start, end = parse("2011-12-28T12:00:00Z"), parse("2012-01-01T12:00:00Z")
    apia = ZoneInfo("Pacific/Apia")
    borders = LocalTime.around(apia, start, end).borders(Interval.DAY, start, end)

    assert [clock_of(apia)(at).day for at in borders] == [28, 29, 31, 1, 2, 3]


def test_a_week_begins_on_monday() -> None:
    at = parse("2026-11-29T12:00:00Z")
    borders = LocalTime.around(ZoneInfo("UTC"), at, at + 1).borders(Interval.WEEK, at, at + 1)

    assert borders == [parse("2026-11-23"), parse("2026-11-30")]


def test_a_window_without_length_has_no_buckets() -> None:
    assert LocalTime.around(ZoneInfo("UTC"), A_DAY, A_DAY).borders(Interval.DAY, A_DAY, A_DAY) == []
