"""Months of numbers: in a partitioned database, the number of a row says in which month it was stored.

Numbers are partitioned and not times, so that the number alone leads to the partition, stays the primary key, and puts
rows in order as before. At the turn of a month the numbers go on at the first one of the new month.
"""

from datetime import UTC, datetime

from core.clock import SECOND

NUMBERS = 10_000_000_000
"""Of a month. One with more would go on in the next one's. A thousand years fit into the 47 bits that a search has."""
FIRST_YEAR = 2_000


def month_of(at: int) -> int:
    """The UTC month of a time (UTC microseconds), counted from January 2000."""
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    return (moment.year - FIRST_YEAR) * 12 + moment.month - 1


def first_number(month: int) -> int:
    """The lowest number of a month."""
    return month * NUMBERS


def month_name(month: int) -> str:
    """The month as the end of a table's name, such as `2026_11`."""
    return f"{FIRST_YEAR + month // 12}_{month % 12 + 1:02}"
