"""The reader of times: whole forms only, what is read means what was written, and no refusal repeats a value."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dateutil import parser as dateutil
from hypothesis import assume, given
from hypothesis import strategies as st

from client.importers.times import Order, Times, form_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "IMPORT.md"
ROW = re.compile(r"\| `(?P<written>[^`]+)` \| (?:`(?P<read>\S+)`|refused: (?P<refused>.+)) \|")
# Not the reader's own table: what RFC 2822 and the zones' laws say.
ZONES = {
    "UTC": 0,
    "GMT": 0,
    "CET": 3600,
    "CEST": 7200,
    "EST": -18000,
    "EDT": -14400,
    "PST": -28800,
    "PDT": -25200,
}
DATES = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%a, %d %b %Y",
    "%a %b %d %Y",
    "%d-%b-%Y",
]
CLOCKS = ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p"]
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 12, 30))  # noqa: DTZ001  the zone is written behind it
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ZONE_ENDINGS = st.sampled_from(["", "Z", *ZONES]) | st.builds(
    lambda prefix, offset: prefix + offset,
    st.sampled_from(["", "GMT"]),
    OFFSETS.map(lambda zone: datetime(2020, 1, 1, tzinfo=zone).strftime("%z")),
)


def read(written: str, order: Order | None = None) -> str:
    return Times(order).read(written)


def documented() -> list[re.Match[str]]:
    return [match for line in DOCUMENT.read_text().splitlines() if (match := ROW.fullmatch(line))]


def test_the_document_lists_forty_forms_and_more() -> None:
    assert len(documented()) >= 40


@pytest.mark.parametrize("row", documented(), ids=lambda row: row["written"])
def test_each_form_of_the_document_becomes_what_it_says(row: re.Match[str]) -> None:
    if row["read"]:
        assert read(row["written"]) == row["read"]
        return
    with pytest.raises(ValueError, match=re.escape(row["refused"])):
        read(row["written"])


def second_opinion(written: str) -> datetime | None:
    """What dateutil reads, in UTC; None where it reads nothing or a part of it."""
    try:
        found = dateutil.parse(re.sub(r"GMT([+-])", r"\1", written), tzinfos=ZONES)
    except (ValueError, OverflowError, dateutil.UnknownTimezoneWarning):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


@given(
    MOMENTS, st.sampled_from(DATES), st.sampled_from(CLOCKS), st.sampled_from([" ", ", ", "T"]), ZONE_ENDINGS
)
def test_whatever_is_read_means_what_dateutil_reads(
    moment: datetime, date: str, clock: str, between: str, zone: str
) -> None:
    space = " " if zone[:1].isalpha() and zone != "Z" else ""
    written = moment.strftime(f"{date}{between}{clock}{space}{zone}")
    try:
        found = read(written)
    except ValueError:
        assume(False)
    assert datetime.fromisoformat(found) == second_opinion(written)


@given(MOMENTS, st.sampled_from(DATES), st.sampled_from(CLOCKS), OFFSETS)
def test_every_usual_form_is_read_and_means_what_was_written(
    moment: datetime, date: str, clock: str, zone: timezone
) -> None:
    written = moment.replace(tzinfo=zone).strftime(f"{date} {clock} %z")
    precision = {"%f": timedelta(0), "%S": timedelta(seconds=1)}
    lost = next((each for mark, each in precision.items() if mark in clock), timedelta(minutes=1))

    found = datetime.fromisoformat(read(written))

    assert timedelta(0) <= moment.replace(tzinfo=zone) - found <= lost


@given(MOMENTS, OFFSETS)
def test_twitters_form_means_what_was_written(moment: datetime, zone: timezone) -> None:
    exact = moment.replace(tzinfo=zone, microsecond=0)

    assert datetime.fromisoformat(read(exact.strftime("%a %b %d %H:%M:%S %z %Y"))) == exact


FRAGMENTS = [
    "2017-10-31",
    "31/10/2017",
    "Oct 31, 2017",
    "Tue",
    "Wed",
    "22:10:47",
    "10:10",
    "PM",
    "am",
    "CET",
    "Z",
    "+02:00",
]


@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=5), st.sampled_from(["", " ", ", ", "T"]))
def test_pieces_in_any_order_are_refused_or_mean_what_dateutil_reads(pieces: list[str], between: str) -> None:
    written = between.join(pieces)
    try:
        found = read(written)
    except ValueError:
        return
    opinion = second_opinion(written)
    assert opinion is None or datetime.fromisoformat(found) == opinion


@given(st.text(max_size=60))
def test_a_refusal_repeats_no_letter_or_digit_of_what_was_written(written: str) -> None:
    assert set(re.findall(r"\w", form_of(written))) <= set("9aA_")


@given(st.lists(MOMENTS, max_size=5))
def test_times_as_texts_sort_by_time(times: list[datetime]) -> None:
    assert sorted(read(time.isoformat()) for time in times) == [read(t.isoformat()) for t in sorted(times)]


@pytest.mark.parametrize(
    ("order", "written", "day"),
    [
        ("DMY", "10/11/2017", "2017-11-10"),
        ("MDY", "10/11/2017", "2017-10-11"),
        ("DMY", "1.2.2017 10:00 PM", "2017-02-01"),
        ("YMD", "2017/11/10", "2017-11-10"),
    ],
)
def test_the_order_of_a_date_is_the_one_that_was_given(order: Order, written: str, day: str) -> None:
    assert read(written, order).startswith(day)


@pytest.mark.parametrize(
    ("order", "written"), [("MDY", "31/10/2017"), ("DMY", "10/31/2017"), ("YMD", "10/11/2017")]
)
def test_a_date_that_is_not_in_the_order_that_was_given_is_refused(order: Order, written: str) -> None:
    with pytest.raises(ValueError, match="the time"):
        read(written, order)


def test_a_file_has_one_unit_of_epoch_times() -> None:
    times = Times()
    times.read("1509487847")

    with pytest.raises(ValueError, match="number of milliseconds, and the file began with seconds"):
        times.read("1509487847000")


def test_a_time_without_an_offset_is_in_the_zone_that_was_named_and_counted() -> None:
    times = Times(zone=ZoneInfo("Europe/Berlin"))

    assert times.read("2017-07-31 12:00") == "2017-07-31T10:00:00+00:00"
    assert times.read("2017-12-31 12:00 +0000") == "2017-12-31T12:00:00+00:00"
    assert times.without_offset == 1


@pytest.mark.parametrize("written", ["2017-10-29 02:30", "2017-03-26 02:30"])
def test_a_local_time_that_comes_twice_or_never_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="twice or never"):
        Times(zone=ZoneInfo("Europe/Berlin")).read(written)
