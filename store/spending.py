"""What analysis costs: reserved before a call leaves, settled when it is known, never over the day's budget.

One row a UTC day. It is the last lock of every transaction that takes it.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, select, update

from analysis import Usage
from models import spending
from store.dialect import insert_or
from times import SECOND

DAY = 86_400 * SECOND


class Kind(Enum):
    """What a call is for: what summaries cost is counted once more by itself."""

    ANALYSIS = "analysis"
    SUMMARY = "summary"


def day_of(moment: int) -> int:
    """The UTC day of a moment in microseconds, as days since 1970."""
    return moment // DAY


def reserve(
    connection: Connection, day: int, ticks: int, *, budget: int | None, kind: Kind = Kind.ANALYSIS
) -> bool:
    """Set aside the most that a call can cost; False, and nothing is set aside, where the day's budget forbids."""
    s = spending.c
    row = insert_or(connection, spending).values(day=day).on_conflict_do_nothing()
    connection.execute(row)
    raised = update(spending).where(s.day == day).values(reserved=s.reserved + ticks, calls=s.calls + 1)
    if kind is Kind.SUMMARY:
        raised = raised.values(summary_calls=s.summary_calls + 1)
    if budget is not None:
        raised = raised.where(s.spent + s.reserved + ticks <= budget)
    return connection.execute(raised).rowcount == 1


def left(connection: Connection, day: int, budget: int) -> int:
    """What of the day's budget is neither spent nor reserved, in ticks."""
    s = spending.c
    used = connection.scalar(select(s.spent + s.reserved).where(s.day == day))
    return max(0, budget - (used or 0))


def settle(
    connection: Connection,
    day: int,
    *,
    reserved: int,
    cost: int,
    usage: Usage,
    kind: Kind = Kind.ANALYSIS,
) -> None:
    """Replace a reservation by what the call cost, on the day it was made."""
    s = spending.c
    connection.execute(
        update(spending)
        .where(s.day == day)
        .values(
            reserved=s.reserved - reserved,
            spent=s.spent + cost,
            summary_spent=s.summary_spent + (cost if kind is Kind.SUMMARY else 0),
            prompt_tokens=s.prompt_tokens + usage.prompt_tokens,
            cached_tokens=s.cached_tokens + usage.cached_tokens,
            completion_tokens=s.completion_tokens + usage.completion_tokens,
            reasoning_tokens=s.reasoning_tokens + usage.reasoning_tokens,
        )
    )


def count(connection: Connection, day: int, *, analysed: int = 0, cached: int = 0, skipped: int = 0) -> None:
    """Count conversations that were asked about, answered from the cache, and spared by the prefilter."""
    if not (analysed or cached or skipped):
        return
    s = spending.c
    statement = insert_or(connection, spending).values(
        day=day, analysed=analysed, cached=cached, skipped=skipped
    )
    new = statement.excluded
    added = {name: s[name] + new[name] for name in ("analysed", "cached", "skipped")}
    connection.execute(statement.on_conflict_do_update(index_elements=[s.day], set_=added))


def days(connection: Connection, since: int) -> Sequence[Row[Any]]:
    """The days from `since` on that have anything to tell, the newest first."""
    return connection.execute(
        select(spending).where(spending.c.day >= since).order_by(spending.c.day.desc())
    ).all()
