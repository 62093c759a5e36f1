"""Spending and its estimate as clients see them. Amounts are stored in ticks and shown in dollars."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from core.clock import iso
from llm.budget import Budget
from llm.hold import Hold
from llm.prices import TICKS_PER_USD
from schemas import SavedOut
from store.money import spending

Json = dict[str, Any]
COUNTS = ("calls", "summary_calls", "analysed", "cached", "skipped")
TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
LOOK_BACK = 7
"""Days over which the cost of a conversation is averaged."""
OFFLINE_PER_SECOND = 3_000
TYPICAL_TEXT = " " * 200


def spending_view(rows: Sequence[Row[Any]], *, overhead: float, daily_usd: float | None, today: int) -> Json:
    """The report; `overhead` is what a call costs apart from its conversations, in ticks."""
    days = [_day_view(row, overhead) for row in rows]
    return {"days": days, "total": _total_view(days), "budget": _budget_view(rows, daily_usd, today)}


def _day_view(row: Row[Any], overhead: float) -> Json:
    average = (row.spent - row.summary_spent) / row.analysed if row.analysed else 0
    return {
        "date": iso(row.day * spending.DAY)[:10],
        **{name: getattr(row, name) for name in (*COUNTS, *TOKENS)},
        "usd": _usd(row.spent),
        "reserved_usd": _usd(row.reserved),
        "summary_usd": _usd(row.summary_spent),
        "saved": {
            "cache_usd": _usd(average * row.cached),
            "prefilter_usd": _usd(average * row.skipped),
            "packing_usd": _usd(overhead * max(0, row.analysed - (row.calls - row.summary_calls))),
        },
    }


def _total_view(days: Sequence[Mapping[str, Any]]) -> Json:
    names = (*COUNTS, *TOKENS, "usd", "reserved_usd", "summary_usd")
    saved = {name: round(sum(day["saved"][name] for day in days), 6) for name in SavedOut.model_fields}
    return {**{name: round(sum(day[name] for day in days), 6) for name in names}, "saved": saved}


def _budget_view(rows: Sequence[Row[Any]], daily_usd: float | None, today: int) -> Json:
    used = sum(row.spent + row.reserved for row in rows if row.day == today)
    left = None if daily_usd is None else max(0.0, round(daily_usd - used / TICKS_PER_USD, 6))
    return {"daily_usd": daily_usd, "left_today_usd": left}


def estimate_view(
    rows: Sequence[Row[Any]],
    budget: Budget | None,
    *,
    queue_size: int,
    batch_size: int,
    calls_per_second: float,
    hold: Hold,
) -> Json:
    """What the queue will cost, judged by the last days; `budget` is None for the offline analyzer.

    `seconds` counts the wait for the next daily budget, and is None while nobody knows when analysis goes on.
    """
    calls = 0 if budget is None else math.ceil(queue_size / batch_size)
    per_conversation, based_on = _cost_of_one(rows, budget, batch_size)
    seconds = queue_size / OFFLINE_PER_SECOND if budget is None else calls / calls_per_second
    return {
        "queue_size": queue_size,
        "calls": calls,
        "usd": _usd(per_conversation * queue_size),
        "seconds": _seconds_with_wait(seconds, queue_size, hold),
        "resumes_at": None if (at := hold.resumes_at) is None else iso(at),
        "usd_per_conversation": _usd(per_conversation),
        "based_on": based_on,
    }


def _seconds_with_wait(seconds: float, queue_size: int, hold: Hold) -> float | None:
    if queue_size and hold.blocks_reserved is not None:
        return None
    return round(seconds + (hold.spent_seconds if queue_size else 0), 1)


def _cost_of_one(rows: Sequence[Row[Any]], budget: Budget | None, batch_size: int) -> tuple[float, str]:
    """The ticks that a conversation costs, and what that figure is based on."""
    if budget is None:
        return 0.0, "the offline analyzer costs nothing"
    if analysed := sum(row.analysed for row in rows):
        spent = sum(row.spent - row.summary_spent for row in rows)
        return spent / analysed, f"the last {LOOK_BACK} days"
    return budget.worst_case_cost([TYPICAL_TEXT]) / batch_size, "the worst case of a call at the list price"


def _usd(ticks: float) -> float:
    return round(ticks / TICKS_PER_USD, 6)
