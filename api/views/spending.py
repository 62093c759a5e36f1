"""Spending and its estimate as clients see them. Amounts are stored in ticks and shown in dollars."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from core.clock import iso
from domain.budget_days import seconds_until_done
from llm.budget import Budget
from llm.hold import Hold
from llm.prices import TICKS_PER_USD
from schemas import SavedOut
from store.money import spending

Json = dict[str, Any]
COUNTS = ("calls", "unpriced_calls", "summary_calls", "batch_calls", "analysed", "cached", "skipped")
TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
OFFLINE_PER_SECOND = 3_000
BATCH_PRICE = 0.8
"""What a request of a batch costs of the price of a live call."""


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
        "batch_usd": _usd(row.batch_spent),
        "saved": {
            "cache_usd": _usd(average * row.cached),
            "prefilter_usd": _usd(average * row.skipped),
            "packing_usd": _usd(overhead * max(0, row.analysed - (row.calls - row.summary_calls))),
        },
    }


def _total_view(days: Sequence[Mapping[str, Any]]) -> Json:
    names = (*COUNTS, *TOKENS, "usd", "reserved_usd", "summary_usd", "batch_usd")
    saved = {name: round(sum(day["saved"][name] for day in days), 6) for name in SavedOut.model_fields}
    return {**{name: round(sum(day[name] for day in days), 6) for name in names}, "saved": saved}


def _budget_view(rows: Sequence[Row[Any]], daily_usd: float | None, today: int) -> Json:
    used = sum(spending.used_on(rows, today))
    left = None if daily_usd is None else max(0.0, round(daily_usd - used / TICKS_PER_USD, 6))
    return {"daily_usd": daily_usd, "left_today_usd": left}


def estimate_view(
    rows: Sequence[Row[Any]],
    budget: Budget | None,
    *,
    queue_size: int,
    batched: int,
    batch_size: int,
    calls_per_second: float,
    hold: Hold,
    today: int,
) -> Json:
    """What the queue will cost, judged by the last days; `budget` is None for the offline analyzer.

    `batched` of the queue wait for batches at the provider, or are in one; these take the time that they take.
    `seconds` counts the days that the daily budget spreads it over, and is None while nobody knows when analysis
    goes on.
    """
    live = max(0, queue_size - batched)
    calls = 0 if budget is None else math.ceil(live / batch_size)
    per_conversation, based_on = _cost_of_one(rows, budget)
    work = queue_size / OFFLINE_PER_SECOND if budget is None else calls / calls_per_second
    ticks = per_conversation * (live + BATCH_PRICE * (queue_size - live))
    money = None if budget is None else budget.money(sum(spending.used_on(rows, today)), hold)
    is_known = not queue_size or hold.blocks_reserved is None
    seconds = seconds_until_done(work, ticks, money) if is_known else None
    return {
        "queue_size": queue_size,
        "batched": queue_size - live,
        "calls": calls,
        "usd": _usd(ticks),
        "seconds": None if seconds is None else round(seconds, 1),
        "resumes_at": None if (at := hold.resumes_at) is None else iso(at),
        "usd_per_conversation": _usd(per_conversation),
        "based_on": based_on,
    }


def _cost_of_one(rows: Sequence[Row[Any]], budget: Budget | None) -> tuple[float, str]:
    """The ticks that a conversation costs, and what that figure is based on."""
    if budget is None:
        return 0.0, "the offline analyzer costs nothing"
    if (average := spending.average_cost(rows)) is not None:
        unpriced = sum(row.unpriced_calls for row in rows)
        but = f", without {unpriced} calls whose price is not known" if unpriced else ""
        return average, f"the last {spending.LOOK_BACK} days{but}"
    return budget.most_of_one(), "the worst case of a call at the list price"


def _usd(ticks: float) -> float:
    return round(ticks / TICKS_PER_USD, 6)
