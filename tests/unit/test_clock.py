"""ISO 8601 outside, UTC microseconds inside."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import EPOCH, SECOND, iso, iso_in_zone, iso_or_none, now, parse

TEN = 1_737_367_200 * SECOND  # 2025-01-20T10:00:00Z
LAST = 4_133_980_800 * SECOND - 1

moments = st.datetimes(datetime(1970, 1, 2), datetime(2100, 12, 30))  # noqa: DTZ001  a zone is added
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-20T10:00:00Z",
        "2025-01-20T10:00:00",
        "2025-01-20 10:00:00+00:00",
        "2025-01-20T12:00:00+02:00",
        "2025-01-20T04:30:00.000000-05:30",
        "20250120T100000Z",
        "2025-01-20T10:00",
        "2025-W04-1T10",
    ],
)
def test_one_moment_has_many_spellings(text: str) -> None:
    assert parse(text) == TEN


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("2100-12-31T23:59:59.999999Z", LAST),
        ("2101-01-01T00:59:59.999999+01:00", LAST),
        ("2025-01-20", TEN - 10 * 3600 * SECOND),
    ],
)
def test_years_1970_to_2100_are_understood(text: str, moment: int) -> None:
    assert parse(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00+00:01",
        "2101-01-01T00:00:00Z",
        "2100-12-31T23:59:59-00:01",
        "0001-01-02",
        "9999-12-30",
    ],
)
def test_any_other_year_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be in the years 1970 to 2100"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2025-13-01",
        "2025-02-29",
        "2025-01-20T25:00",
        "2025-01-20T10:00:00+25:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1737367200",
        "٢٠٢٥-٠١-٢٠",
        "2025-01-20T10:00:00Z ",
    ],
)
def test_what_is_no_time_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be an ISO 8601 time such as 2025-01-20T10:00:00Z$"):
        parse(text)


@given(st.text())
def test_no_text_does_anything_worse_than_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert 0 <= parse(text) <= LAST


@given(moments, offsets)
def test_no_microsecond_is_lost_whatever_the_offset(moment: datetime, offset: timezone) -> None:
    there = moment.replace(tzinfo=UTC).astimezone(offset)

    assert EPOCH + timedelta(microseconds=parse(there.isoformat())) == there


@given(st.integers(0, LAST))
def test_what_is_written_is_read_back(microseconds: int) -> None:
    text = iso(microseconds)

    assert parse(text) == microseconds
    assert text.endswith("Z")


def test_a_fraction_is_always_written() -> None:
    assert iso(TEN) == "2025-01-20T10:00:00.000000Z"
    assert iso(TEN + 1) == "2025-01-20T10:00:00.000001Z"


@given(st.integers(0, LAST), st.integers(-14 * 60, 14 * 60))
def test_a_time_by_a_local_clock_is_the_same_moment(microseconds: int, minutes: int) -> None:
    text = iso_in_zone(microseconds, minutes * 60 * SECOND)

    assert datetime.fromisoformat(text) == datetime.fromisoformat(iso(microseconds))
    assert (datetime.fromisoformat(text).utcoffset() or timedelta()) == timedelta(minutes=minutes)
    assert text == iso(microseconds) or minutes


def test_a_missing_time_stays_missing() -> None:
    assert iso_or_none(None) is None
    assert iso_or_none(0) == "1970-01-01T00:00:00.000000Z"


def test_now_is_now() -> None:
    before, here, after = datetime.now(UTC), now(), datetime.now(UTC)

    assert before <= EPOCH + timedelta(microseconds=here) <= after
