"""The spending of each UTC day: costs are reserved before a call and recorded after it, within the budget.

There is one row per day. A transaction locks it last.
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
LOOK_BACK = 7
"""Days over which the cost of a conversation is averaged."""
_s = spending.c
_TODAY = _s.day == bindparam("of")
_RAISED = _s.reserved + bindparam("ticks", type_=BigInteger)
RESERVE = (
    update(spending)
    .where(_TODAY)
    .values(
        reserved=_RAISED,
        calls=_s.calls + 1,
        summary_calls=_s.summary_calls + bindparam("is_summary"),
        batch_calls=_s.batch_calls + bindparam("is_batch"),
    )
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
        batch_spent=_s.batch_spent + bindparam("of_batch", type_=BigInteger),
        unpriced_calls=_s.unpriced_calls + bindparam("is_unpriced"),
        **{name: _s[name] + bindparam(f"used_{name}", type_=BigInteger) for name in USED},
    )
)


class CallKind(Enum):
    """What a call is for. What summaries and batches at the provider cost is also counted separately."""

    ANALYSIS = "analysis"
    SUMMARY = "summary"
    BATCH = "batch"


def day_of(moment: int) -> int:
    """The UTC day of a moment in microseconds, as days since 1970."""
    return moment // DAY


def reserve(
    connection: Connection, day: int, ticks: int, *, budget: int | None, kind: CallKind = CallKind.ANALYSIS
) -> bool:
    """Reserve the worst-case cost of a call. Return False, reserving nothing, if the day's budget does not cover it."""
    kinds = {"is_summary": int(kind is CallKind.SUMMARY), "is_batch": int(kind is CallKind.BATCH)}
    parameters: dict[str, int] = {"of": day, "ticks": ticks, **kinds}
    if budget is not None:
        parameters["budget"] = budget
    statement = RESERVE if budget is None else RESERVE_WITHIN
    if connection.execute(statement, parameters).rowcount == 1:
        return True
    # The day's first call, or nothing is left: only then is it worth a statement to make the day's row. Tried again
    # whoever made it: another process may have done so since.
    connection.execute(_insert_day(connection.dialect.name), {"day": day})
    return connection.execute(statement, parameters).rowcount == 1


@cache
def _insert_day(dialect: str) -> Any:
    return insert_on_conflict(dialect, spending).on_conflict_do_nothing()


def remaining(connection: Connection, day: int, budget: int) -> int:
    """The part of the day's budget that is neither spent nor reserved, in ticks."""
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
    is_unpriced: bool = False,
) -> None:
    """Replace a reservation by the call's cost, on the day of the reservation.

    `is_unpriced` is whether the cost is 0 only because nobody knows the price.
    """
    used = {f"used_{name}": getattr(usage, name) for name in USED}
    kinds = {f"of_{each.value}": cost if kind is each else 0 for each in (CallKind.SUMMARY, CallKind.BATCH)}
    parameters = {"of": day, "was_reserved": reserved, "cost": cost, **kinds, **used}
    connection.execute(SETTLE, parameters | {"is_unpriced": int(is_unpriced)})


def count_conversations(
    connection: Connection, day: int, *, analysed: int = 0, cached: int = 0, skipped: int = 0
) -> None:
    """Add to the day's numbers of conversations: analysed by a call, answered from the cache, skipped."""
    if not (analysed or cached or skipped):
        return
    row = {"day": day, "analysed": analysed, "cached": cached, "skipped": skipped}
    connection.execute(_counted(connection.dialect.name), row)


@cache
def _counted(dialect: str) -> Any:
    new = insert_on_conflict(dialect, spending)
    added = {name: _s[name] + new.excluded[name] for name in ("analysed", "cached", "skipped")}
    return new.on_conflict_do_update(index_elements=[_s.day], set_=added)


def used_on(days: Sequence[Row[Any]], day: int) -> tuple[int, int]:
    """What has been spent and what is reserved on a day, in ticks."""
    return next(((row.spent, row.reserved) for row in days if row.day == day), (0, 0))


def average_cost(days: Sequence[Row[Any]]) -> float | None:
    """What an analysed conversation cost on those days, in ticks; None if none was analysed."""
    analysed = sum(row.analysed for row in days)
    return sum(row.spent - row.summary_spent for row in days) / analysed if analysed else None


def average_summary_cost(days: Sequence[Row[Any]]) -> float | None:
    """What a call for a summary cost on those days, in ticks; None if there was none."""
    calls = sum(row.summary_calls for row in days)
    return sum(row.summary_spent for row in days) / calls if calls else None


def list_days(connection: Connection, since: int) -> Sequence[Row[Any]]:
    """List the days from `since` on that have a row, newest first."""
    return connection.execute(
        select(spending).where(spending.c.day >= since).order_by(spending.c.day.desc())
    ).all()
