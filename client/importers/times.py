"""The one reader of times in files. It reads whole forms only: docs/IMPORT.md lists them.

Nothing is guessed. A time that could mean two moments is refused with the option that decides it, and a refusal
names the form of what was written (`99/99/9999`), never the value.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Literal, get_args

Order = Literal["DMY", "MDY", "YMD"]
Match = dict[str, str | None]
ORDERS: tuple[Order, ...] = get_args(Order)

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_SECONDS = 86_400
# Abbreviations that stand for one offset, in hours. RFC 2822 defines the American ones.
ZONES = {
    **dict.fromkeys(("z", "utc", "gmt", "ut", "wet"), 0.0),
    **{"west": 1.0, "cet": 1.0, "cest": 2.0, "eet": 2.0, "eest": 3.0, "msk": 3.0, "jst": 9.0, "kst": 9.0},
    **{"est": -5.0, "edt": -4.0, "mst": -7.0, "mdt": -6.0, "pst": -8.0, "pdt": -7.0, "hst": -10.0},
    **{"akst": -9.0, "akdt": -8.0, "aest": 10.0, "aedt": 11.0, "nzst": 12.0, "nzdt": 13.0},
}
AMBIGUOUS = {
    "cst": "US Central, China or Cuba",
    "cdt": "US Central or Cuba",
    "ist": "India, Israel or Ireland",
    "bst": "British Summer Time or Bangladesh",
    "ast": "Atlantic or Arabia",
    "sst": "Samoa or Singapore",
    "gst": "the Gulf or South Georgia",
    "wst": "West Samoa or Western Australia",
}

WEEKDAY = r"(?:(?P<weekday>[a-z]{3,9})\.?,? )?"
NAME = r"(?P<name>[a-z]{3,9})\.?"
DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
ZONE = r"(?: ?(?P<zone>(?:gmt|utc)?[+-]\d{1,2}(?::?\d\d)?(?::\d\d)?|[a-z]{1,5}))?(?: \([^()]*\))?"
CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[ap])\.? ?m\b\.?)?"
)
BASIC = r"(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
AFTER = rf"(?:(?:t|,? | at ){CLOCK}{ZONE})?"
FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"{WEEKDAY}{NAME} {DAY} {CLOCK}{ZONE} (?P<year>\d{{4}})",  # Tue Oct 31 22:10:47 +0000 2017
        rf"(?P<year>\d{{4}})(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?){AFTER}",
        rf"(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d)(?:t{BASIC}{ZONE})?",
        rf"{WEEKDAY}{DAY}[ -]{NAME}[ -],?(?P<year>\d{{4}}){AFTER}",  # Tue, 31 Oct 2017 22:10:47 GMT
        rf"{WEEKDAY}{NAME} {DAY},? (?P<year>\d{{4}}){AFTER}",  # Oct 31, 2017, 10:10:47 PM
        rf"(?P<first>\d\d?)(?P<mark>[-/.])(?P<second_>\d\d?)(?P=mark)(?P<year>\d{{4}}){AFTER}",
    )
)
EPOCH = re.compile(r"(?P<whole>\d{9,13})(?:\.(?P<fraction>\d{1,9}))?", re.ASCII)
NUMBER = re.compile(r"[+-]?[\d.,]+(?:e[+-]?\d+)?", re.ASCII)
SPACES = re.compile(r"[\s\u00a0\u2009\u202f]+")
# Seconds of the years 1973 to 2100, and the same in milliseconds: no number is both.
SECONDS = range(10**8, 4_133_980_800)
MICROSECONDS = {"seconds": 1_000_000, "milliseconds": 1_000}
EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
EPOCHS = {"seconds": SECONDS, "milliseconds": range(SECONDS.start * 1000, SECONDS.stop * 1000)}
LONGEST_FORM = 40


@dataclass(slots=True)
class Times:
    """Reads the times of one file.

    `order` says which number of 10/11/2017 is the day, `zone` what a time without an offset is in.
    """

    order: Order | None = None
    zone: tzinfo = UTC
    without_offset: int = 0
    """Times so far that had no offset of their own."""
    unit: str | None = field(default=None, init=False)
    """Of epoch times: the first one decides for the file."""

    def read(self, written: str) -> str:
        """The time in ISO 8601 and UTC; such texts sort by time.

        Raises ValueError that names the form, where it has none that is read or may mean two moments.
        """
        text = SPACES.sub(" ", written).strip().lower()
        moment = self._epoch(text) or self._calendar(text)
        if moment is None:
            raise ValueError(f"the time has a form that is not read: {form_of(written)}{_hint(text)}")
        if not 1970 <= moment.year <= 2100:
            raise ValueError("the time is outside the years 1970 to 2100")
        return moment.isoformat()

    def moment_of(self, local: datetime, *, after: datetime | None = None) -> datetime:
        """The moment in UTC of a clock's time without an offset.

        Where the clocks of the zone show it twice, the first, unless that is before `after`. Raises ValueError where
        they never show it.
        """
        self.without_offset += 1
        if self.zone is UTC:
            return local.replace(tzinfo=UTC)
        first, second = (local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first > second:  # so a time is that clocks leave out in spring
            raise ValueError("the local time is one that clocks in --time-zone never show")
        return second if after and first < after <= second else first

    def _epoch(self, text: str) -> datetime | None:
        match = EPOCH.fullmatch(text)
        unit = match and next((name for name, span in EPOCHS.items() if int(match["whole"]) in span), None)
        if not match or not unit:
            return None
        if self.unit not in (None, unit):
            raise ValueError(f"the time is a number of {unit}, and the file began with {self.unit}")
        self.unit = unit
        return EPOCH_START + timedelta(microseconds=int(Decimal(text) * MICROSECONDS[unit]))

    def _calendar(self, text: str) -> datetime | None:
        match = next((found for form in FORMS if (found := form.fullmatch(text))), None)
        if match is None:
            return None
        parts = match.groupdict()
        try:
            return self._moment(self._day(parts), parts)
        except OverflowError:
            raise ValueError("the time is outside the years 1970 to 2100") from None
        except _NotThere:
            raise ValueError(
                f"the time names a day or an hour that does not exist: {form_of(text)}"
            ) from None

    def _day(self, parts: Match) -> date:
        if parts.get("first"):
            month, day = self._ordered(int(parts["first"] or 0), int(parts["second_"] or 0))
        else:
            month, day = _month(parts), int(parts["day"] or 0)
        found = _date(int(parts["year"] or 0), month, day)
        if (weekday := parts.get("weekday")) and found.weekday() != _position(weekday, DAYS):
            raise ValueError("the time names a weekday that is not the date's")
        return found

    def _ordered(self, first: int, second: int) -> tuple[int, int]:
        """Month and day of two numbers before a year."""
        if self.order == "YMD":
            raise ValueError("the time has its year last, and --date-order says YMD")
        if self.order is None and first != second and max(first, second) <= len(MONTHS):
            raise ValueError(
                "the time may be day and month or month and day: --date-order DMY or MDY says which"
            )
        day_first = first > len(MONTHS) if self.order is None else self.order == "DMY"
        return (second, first) if day_first else (first, second)

    def _moment(self, day: date, parts: Match) -> datetime:
        clock, more = _clock(parts)
        local = datetime.combine(day, clock) + timedelta(seconds=more)
        zone = parts.get("zone")
        if zone:
            return (local - _offset(zone)).replace(tzinfo=UTC)
        self.without_offset += 1
        return _once(local, self.zone)


class _NotThere(Exception):
    """A month 13, a 31 April, an hour 25."""


def form_of(written: str) -> str:
    """The form of a value without the value: digits as 9, letters as a or A."""
    shown = "".join(map(_form_of_one, SPACES.sub(" ", written.strip())))
    return shown if len(shown) <= LONGEST_FORM else f"{shown[:LONGEST_FORM]}..."


def _form_of_one(character: str) -> str:
    if character.isnumeric():
        return "9"
    return ("A" if character.isupper() else "a") if character.isalpha() else character


def _hint(text: str) -> str:
    if NUMBER.fullmatch(text):
        return " (a number is read as epoch seconds or milliseconds of the years 1973 to 2100)"
    if re.fullmatch(r"\d\d?([-/.])\d\d?\1\d\d\b.*", text):
        return " (the year needs four digits)"
    return ""


def _month(parts: Match) -> int:
    if name := parts.get("name"):
        return _position(name, MONTHS) + 1
    return int(parts["month"] or 0)


@lru_cache
def _position(name: str, names: tuple[str, ...]) -> int:
    """Which of the names this is, written out or cut to three letters or more. Raises ValueError."""
    found = [at for at, each in enumerate(names) if each.startswith(name)]
    if len(found) != 1:
        raise ValueError("the time has a month or weekday that is not English")
    return found[0]


def _date(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise _NotThere from None


def _clock(parts: Match) -> tuple[time, int]:
    """The time of day, and seconds to add: 23:59:60 is read as the next second, 24:00:00 as the next midnight."""
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise _NotThere
        hour = hour % 12 + (12 if half == "p" else 0)
    micros = _micros(parts.get("fraction"))
    if (hour, minute, second, micros) == (24, 0, 0, 0):
        return time(0), DAY_SECONDS
    leap = second == 60
    try:
        return time(hour, minute, second - leap, micros), int(leap)
    except ValueError:
        raise _NotThere from None


def _micros(fraction: str | None) -> int:
    return int((fraction or "0").ljust(6, "0")[:6])


@lru_cache
def _offset(zone: str) -> timedelta:
    if zone in AMBIGUOUS:
        raise ValueError(f"the time zone {zone.upper()} is ambiguous ({AMBIGUOUS[zone]}): write an offset")
    if zone in ZONES:
        return timedelta(hours=ZONES[zone])
    match = re.fullmatch(r"(?:gmt|utc)?([+-])(\d{1,2}):?(\d\d)?:?(\d\d)?", zone)
    if match is None:
        raise ValueError("the time has a zone that is not known: write an offset such as +02:00")
    hours, minutes, seconds = (int(each or 0) for each in match.groups()[1:])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise _NotThere
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return -offset if match[1] == "-" else offset


def _once(local: datetime, zone: tzinfo) -> datetime:
    """The moment of a local time. Raises ValueError where clocks show it twice, or never."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        raise ValueError(
            "the local time is one that clocks in --time-zone show twice or never: write an offset"
        )
    return first.astimezone(UTC)
