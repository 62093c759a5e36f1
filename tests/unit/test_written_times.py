"""The forms of RFC 3339 that Python's own reader refuses, and the one form in which times are answered."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.parameters.common import moment
from core.clock import EPOCH, SECOND, iso, parse

NEW_YEAR = parse("2017-01-01T00:00:00Z")
days = st.dates(datetime(1970, 1, 2).date(), datetime(2100, 12, 29).date())  # noqa: DTZ001  only the date
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2017-10-31T22:10:47z", "2017-10-31T22:10:47Z"),
        ("2017-10-31t22:10:47.25z", "2017-10-31T22:10:47.25Z"),
        ("2017-10-31 22:10z", "2017-10-31T22:10:00Z"),
    ],
)
def test_letters_may_be_lower_case(text: str, same: str) -> None:
    assert parse(text) == moment(text) == parse(same)


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T23:59:60Z",
        "2016-12-31t23:59:60z",
        "2016-12-31 23:59:60+00:00",
        "2016-12-31T23:59:60",
        "20161231T235960Z",
        "2016-12-31T15:59:60-08:00",
        "2017-01-01T05:29:60+05:30",
    ],
)
def test_a_leap_second_is_the_first_of_the_next_day(text: str) -> None:
    assert parse(text) == moment(text) == NEW_YEAR


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T24:00:00Z",
        "2016-12-31 24:00",
        "2016-12-31t24:00:00.000000z",
        "20161231T240000Z",
        "2016-12-31T24:00:00,0+00:00",
        "2016-12-31T16:00:00-08:00",
        "2016-12-31T24:00:00+00:00",
    ],
)
def test_the_end_of_a_day_is_the_first_of_the_next(text: str) -> None:
    assert parse(text) == NEW_YEAR


@pytest.mark.parametrize(
    "text", ["2016-12-31T24:00:01Z", "2016-12-31T24:01", "2016-12-31T24:00:00.1Z", "T24:00"]
)
def test_there_is_nothing_after_it(text: str) -> None:
    with pytest.raises(ValueError, match="must be an ISO 8601 time"):
        parse(text)


def test_a_fraction_of_a_leap_second_is_kept() -> None:
    assert parse("2016-12-31T23:59:60.5Z") == NEW_YEAR + SECOND // 2


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T22:59:60Z",
        "2016-12-31T23:58:60Z",
        "2016-12-31T23:59:60+01:00",
        "2016-12-31T23:59:61Z",
        "2016-12-31T23:60:00Z",
        "2016-12-31T10:60",
        "2016-12-31z",
        "z",
    ],
)
def test_there_is_no_leap_second_within_a_day(text: str) -> None:
    with pytest.raises(ValueError, match="must be an ISO 8601 time"):
        parse(text)


@given(days, offsets)
def test_a_leap_second_is_found_wherever_it_is_written(day: object, offset: timezone) -> None:
    last = datetime.fromisoformat(f"{day}T23:59:59Z")
    there = last.astimezone(offset)
    written = f"{there:%Y-%m-%dT%H:%M}:60{there.isoformat()[19:]}"

    assert EPOCH + timedelta(microseconds=parse(written)) == last + timedelta(seconds=1)


@given(st.integers(0, 4_133_980_800 * SECOND - 1))
def test_an_answered_time_has_six_digits_always(microseconds: int) -> None:
    assert len(iso(microseconds)) == len("2025-01-20T10:00:00.000000Z")
    assert parse(iso(microseconds)) == microseconds
