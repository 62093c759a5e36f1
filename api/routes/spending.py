"""`/api/v1/spending` and `/api/v1/analysis`: what analysis costs, what it will cost, and how to hold it."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.dependencies import Owned, Resources
from api.errors import Code, documented
from api.parameters.common import Parameters, once_each
from core.clock import iso
from llm.prices import TICKS_PER_USD
from store.money import spending
from store.queue import switches

router = APIRouter(prefix="/api/v1", tags=["spending"], dependencies=[Depends(once_each)])
REFUSALS = documented(Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
COUNTS = ("calls", "summary_calls", "analysed", "cached", "skipped")
TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
LOOK_BACK = 7
"""Days whose average tells what a conversation costs."""
OFFLINE_PER_SECOND = 3_000


class SpendingParameters(Parameters):
    """Of the report."""

    days: Annotated[int, Field(ge=1, le=365)] = 7


class Saved(BaseModel):
    """Dollars that were not spent, estimated from what the day's conversations cost on average."""

    cache_usd: float
    prefilter_usd: float
    packing_usd: float


class Spent(BaseModel):
    """Calls, tokens and dollars of some time; what summaries took is in them, and told once more by itself.

    `reserved_usd` is what calls under way, or without an answer, hold.
    """

    calls: int
    summary_calls: int
    analysed: int
    cached: int
    skipped: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    usd: float
    reserved_usd: float
    summary_usd: float
    saved: Saved


class Day(Spent):
    """A UTC day."""

    date: str


class BudgetOut(BaseModel):
    """What may be spent a UTC day, null without a limit."""

    daily_usd: float | None
    left_today_usd: float | None


class Spending(BaseModel):
    """The newest day first; days on which nothing happened are left out."""

    days: list[Day]
    total: Spent
    budget: BudgetOut


class Estimate(BaseModel):
    """What the present queue will cost and how long it will take."""

    queue_size: int
    calls: int
    usd: float
    seconds: float
    usd_per_conversation: float
    based_on: str


class Switch(BaseModel):
    """Whether analysis is paused."""

    paused: bool


@router.get("/spending", response_model=Spending, responses=REFUSALS)
async def report(owned: Owned, asked: Annotated[SpendingParameters, Query()]) -> Response:
    """Calls, tokens and dollars a day, and what cache, prefilter and packing saved."""
    today = spending.day_of(owned.clock())
    rows = await owned.database.read(partial(spending.list_days, since=today - asked.days + 1))
    days = [{"date": iso(row.day * spending.DAY)[:10], **_day(owned, row)} for row in rows]
    return JSONResponse({"days": days, "total": _total(days), "budget": _budget(owned, rows, today)})


@router.get("/spending/estimate", response_model=Estimate, responses=REFUSALS)
async def estimate(owned: Owned) -> Response:
    """What the conversations that wait will cost, and how long they will take."""
    since = spending.day_of(owned.clock()) - LOOK_BACK
    rows = await owned.database.read(partial(spending.list_days, since=since))
    depth, per_call = owned.capacity.depth, owned.processor.batch_size
    budget = owned.gateway.budget
    analysed = sum(row.analysed for row in rows)
    spent = sum(row.spent - row.summary_spent for row in rows)
    calls = 0 if budget is None else math.ceil(depth / per_call)
    if budget is None:
        each, based_on = 0.0, "the offline analyzer costs nothing"
    elif analysed:
        each, based_on = spent / analysed, f"the last {LOOK_BACK} days"
    else:
        each, based_on = (
            budget.worst_case_cost([" " * 200]) / per_call,
            "the worst case of a call at the list price",
        )
    pace = OFFLINE_PER_SECOND if budget is None else owned.settings.outbound_rps
    seconds = (depth if budget is None else calls) / pace
    view = {
        "queue_size": depth,
        "calls": calls,
        "usd": _usd(each * depth),
        "seconds": round(seconds, 1),
        "usd_per_conversation": _usd(each),
        "based_on": based_on,
    }
    return JSONResponse(view)


@router.post("/analysis/pause", response_model=Switch, responses=REFUSALS)
async def pause(owned: Owned) -> Response:
    """Hold analysis, over a restart too; intake goes on."""
    return await _turn(owned, on=True)


@router.post("/analysis/resume", response_model=Switch, responses=REFUSALS)
async def resume(owned: Owned) -> Response:
    """Go on with analysis."""
    return await _turn(owned, on=False)


async def _turn(owned: Resources, *, on: bool) -> Response:
    await owned.database.write(partial(switches.turn, name=switches.ANALYSIS_PAUSED, on=on))
    owned.gateway.hold.paused = on
    owned.processor.wake()
    return JSONResponse({"paused": on})


def _day(owned: Resources, row: Row[Any]) -> dict[str, Any]:
    each = (row.spent - row.summary_spent) / row.analysed if row.analysed else 0
    budget = owned.gateway.budget
    overhead = 0 if budget is None else budget.overhead()
    return {
        **{name: getattr(row, name) for name in (*COUNTS, *TOKENS)},
        "usd": _usd(row.spent),
        "reserved_usd": _usd(row.reserved),
        "summary_usd": _usd(row.summary_spent),
        "saved": {
            "cache_usd": _usd(each * row.cached),
            "prefilter_usd": _usd(each * row.skipped),
            "packing_usd": _usd(overhead * max(0, row.analysed - (row.calls - row.summary_calls))),
        },
    }


def _total(days: list[dict[str, Any]]) -> dict[str, Any]:
    names = (*COUNTS, *TOKENS, "usd", "reserved_usd", "summary_usd")
    saved = {name: round(sum(day["saved"][name] for day in days), 6) for name in Saved.model_fields}
    return {**{name: round(sum(day[name] for day in days), 6) for name in names}, "saved": saved}


def _budget(owned: Resources, rows: Sequence[Row[Any]], today: int) -> dict[str, float | None]:
    daily = owned.settings.daily_budget_usd
    used = sum(row.spent + row.reserved for row in rows if row.day == today)
    left = None if daily is None else max(0.0, round(daily - used / TICKS_PER_USD, 6))
    return {"daily_usd": daily, "left_today_usd": left}


def _usd(ticks: float) -> float:
    return round(ticks / TICKS_PER_USD, 6)
