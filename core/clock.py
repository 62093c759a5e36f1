"""Times as they travel: ISO 8601 outside, UTC microseconds inside."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE = datetime(1970, 1, 1)  # noqa: DTZ001  UTC all the same; to write one with its zone takes a third longer
END = datetime(2101, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
HOUR = 3_600 * SECOND

Clock = Callable[[], int]
"""UTC microseconds, now."""


def now() -> int:
    """The machine's clock in UTC microseconds."""
    return (datetime.now(UTC) - EPOCH) // MICROSECOND


def parse(text: str) -> int:
    """UTC microseconds of an ISO 8601 date or time; no offset means UTC.

    Raises ValueError where it is no such time or lies outside the years 1970 to 2100.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("not an ISO 8601 time such as 2025-01-20T10:00:00Z") from None
    if not EPOCH <= moment < END:
        raise ValueError("outside the years 1970 to 2100")
    return (moment - EPOCH) // MICROSECOND


def iso(microseconds: int) -> str:
    """`2025-01-20T10:00:00Z`, with a fraction only where there is one."""
    return (NAIVE + timedelta(microseconds=microseconds)).isoformat() + "Z"


def iso_hour(microseconds: int) -> str:
    """The same for a whole hour: a year has 365 of them at 0.4 us, not 1.8."""
    day, hour = divmod(microseconds // HOUR, 24)
    return _date(day) + HOURS[hour]


HOURS = tuple(f"T{hour:02}:00:00Z" for hour in range(24))


@lru_cache(maxsize=1_000)
def _date(day: int) -> str:
    return (NAIVE + timedelta(days=day)).date().isoformat()


def iso_or_none(microseconds: int | None) -> str | None:
    """The same for a time that may be missing."""
    return None if microseconds is None else iso(microseconds)
