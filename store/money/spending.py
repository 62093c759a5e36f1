"""What analysis costs: reserved before a call leaves, settled when it is known, never over the day's budget.

One row a UTC day. It is the last lock of every transaction that takes it.
"""

from collections.abc import Sequence
from enum import Enum
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, select, update

from core.clock import SECOND
from domain.analysis import Usage
from models import spending
from store.engine.dialect import insert_on_conflict

DAY = 86_400 * SECOND
_s = spending.c
_TODAY = _s.day == bindparam("of")
_RAISED = _s.reserved + bindparam("ticks", type_=BigInteger)
RESERVE = (
    update(spending)
    .where(_TODAY)
    .values(reserved=_RAISED, calls=_s.calls + 1, summary_calls=_s.summary_calls + bindparam("is_summary"))
)
RESERVE_WITHIN = RESERVE.where(_s.spent + _RAISED <= bindparam("budget"))
USED = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
SETTLE = (
    update(spending)
    .where(_TODAY)
    .values(
        reserved=_s.reserved - bindparam("was_reserved", type_=BigInteger),
        spent=_s.spent + bindparam("cost", type_=BigInteger),
        summary_spent=_s.summary_spent + bindparam("of_summary", type_=BigInteger),
        **{name: _s[name] + bindparam(f"used_{name}", type_=BigInteger) for name in USED},
    )
)


class CallKind(Enum):
    """What a call is for: what summaries cost is counted once more by itself."""

    ANALYSIS = "analysis"
    SUMMARY = "summary"


def day_of(moment: int) -> int:
    """The UTC day of a moment in microseconds, as days since 1970."""
    return moment // DAY


def reserve(
    connection: Connection, day: int, ticks: int, *, budget: int | None, kind: CallKind = CallKind.ANALYSIS
) -> bool:
    """Set aside the most that a call can cost; False, and nothing is set aside, where the day's budget forbids."""
    connection.execute(_begin(connection.dialect.name), {"day": day})
    given: dict[str, int] = {"of": day, "ticks": ticks, "is_summary": int(kind is CallKind.SUMMARY)}
    if budget is None:
        return connection.execute(RESERVE, given).rowcount == 1
    return connection.execute(RESERVE_WITHIN, {**given, "budget": budget}).rowcount == 1


@cache
def _begin(dialect: str) -> Any:
    return insert_on_conflict(dialect, spending).on_conflict_do_nothing()


def remaining(connection: Connection, day: int, budget: int) -> int:
    """What of the day's budget is neither spent nor reserved, in ticks."""
    s = spending.c
    used = connection.scalar(select(s.spent + s.reserved).where(s.day == day))
    return max(0, budget - (used or 0))


def record(
    connection: Connection,
    day: int,
    *,
    reserved: int,
    cost: int,
    usage: Usage,
    kind: CallKind = CallKind.ANALYSIS,
) -> None:
    """Replace a reservation by what the call cost, on the day it was made."""
    used = {f"used_{name}": getattr(usage, name) for name in USED}
    of_summary = cost if kind is CallKind.SUMMARY else 0
    given = {"of": day, "was_reserved": reserved, "cost": cost, "of_summary": of_summary, **used}
    connection.execute(SETTLE, given)


def count_conversations(
    connection: Connection, day: int, *, analysed: int = 0, cached: int = 0, skipped: int = 0
) -> None:
    """Count conversations that were asked about, answered from the cache, and spared by the prefilter."""
    if not (analysed or cached or skipped):
        return
    row = {"day": day, "analysed": analysed, "cached": cached, "skipped": skipped}
    connection.execute(_counted(connection.dialect.name), row)


@cache
def _counted(dialect: str) -> Any:
    new = insert_on_conflict(dialect, spending)
    added = {name: _s[name] + new.excluded[name] for name in ("analysed", "cached", "skipped")}
    return new.on_conflict_do_update(index_elements=[_s.day], set_=added)


def list_days(connection: Connection, since: int) -> Sequence[Row[Any]]:
    """The days from `since` on that have anything to tell, the newest first."""
    return connection.execute(
        select(spending).where(spending.c.day >= since).order_by(spending.c.day.desc())
    ).all()
