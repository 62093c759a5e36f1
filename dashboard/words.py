"""Our own words for numbers and dates. No function takes a free text, so what they give is safe in any label."""

from datetime import date, datetime

UNKNOWN = "–"  # noqa: RUF001  an en dash, as tables have it


def count(number: int) -> str:
    """`1,234`."""
    return f"{number:,}"


def anchor(position: int) -> str:
    """The name of a message's place on a page: `message-12`."""
    return f"message-{position}"


def part(done: int, total: int | None) -> str:
    """`41,000 of 100,000`, or without the whole where that is not known."""
    return f"{done:,}" if total is None else f"{done:,} of {total:,}"


def n(number: int) -> str:
    """`n = 1,234`."""
    return f"n = {number:,}"


def conversations(number: int) -> str:
    """`1 conversation`, `1,234 conversations`."""
    return f"{number:,} conversation{'' if number == 1 else 's'}"


def topics(number: int) -> str:
    """`1 topic`, `1,234 topics`."""
    return f"{number:,} topic{'' if number == 1 else 's'}"


def days(number: int) -> str:
    """`1 day`, `7 days`."""
    return f"{number:,} day{'' if number == 1 else 's'}"


def percent(share: float | None) -> str:
    """A share as `12 %`, and `0.7 %` where it is small."""
    if share is None:
        return UNKNOWN
    shown = share * 100
    return f"{shown:.0f} %" if shown >= 10 or shown in (0, 100) else f"{shown:.1f} %"


def score(value: float | None) -> str:
    """A sentiment from -1 to 1 as `+0.25`."""
    return UNKNOWN if value is None else f"{value:+.2f}"


def difference(number: int) -> str:
    """`+3`, `-2`, `0`."""
    return f"{number:+,}" if number else "0"


def day(when: date) -> str:
    """`Thu 12 Nov 2026`."""
    return f"{when:%a} {when.day} {when:%b %Y}"


def span(first: date, last: date) -> str:
    """`Thu 12 Nov 2026 to Wed 18 Nov 2026`."""
    return day(first) if first == last else f"{day(first)} to {day(last)}"


def moment(when: datetime) -> str:
    """`2026-11-12 07:14`, in UTC."""
    return f"{when:%Y-%m-%d %H:%M}"


def odds(chance: float) -> str:
    """A small probability as `1 in 1,200`, with two digits that count."""
    times = 1 / max(chance, 1e-9)
    rounded = float(f"{times:.2g}")
    return f"1 in {rounded:,.0f}"


def dollars(amount: float) -> str:
    """`$12.30`, and `$0.0012` where it is little."""
    if amount and amount < 0.01:
        return "under $0.0001" if amount < 0.0001 else f"${amount:.4f}"
    return f"${amount:,.2f}"


def duration(seconds: float) -> str:
    """`40 seconds`, `12 minutes`, `5 hours`."""
    for length, unit in ((3_600, "hour"), (60, "minute")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}s"
    return f"{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"
