"""`/api/v1/spending` and `/api/v1/analysis`: what analysis has cost and will cost, and how to pause it."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from api.dependencies import Resources, ResourcesDep
from api.errors import documented
from api.parameters.common import once_each
from api.parameters.spending import SpendingParameters
from api.views.spending import estimate_view, spending_view
from schemas import AnalysisSwitch, Code, EstimateOut, SpendingOut
from store.engine.notifications import Channel
from store.money import spending
from store.queue import switches

router = APIRouter(prefix="/api/v1", tags=["spending"], dependencies=[Depends(once_each)])
REFUSALS = documented(Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)


@router.get("/spending", response_model=SpendingOut, responses=REFUSALS)
async def report(resources: ResourcesDep, query: Annotated[SpendingParameters, Query()]) -> Response:
    """Calls, tokens and dollars a day, and what cache, prefilter and packing saved."""
    today = spending.day_of(resources.clock())
    rows = await resources.database.read(partial(spending.list_days, since=today - query.days + 1))
    budget = resources.gateway.budget
    overhead = 0 if budget is None else budget.overhead()
    daily_usd = resources.settings.daily_budget_usd
    return JSONResponse(spending_view(rows, overhead=overhead, daily_usd=daily_usd, today=today))


@router.get("/spending/estimate", response_model=EstimateOut, responses=REFUSALS)
async def estimate(resources: ResourcesDep) -> Response:
    """What the queued conversations will cost, and how long they will take."""
    today = spending.day_of(resources.clock())
    rows = await resources.database.read(partial(spending.list_days, since=today - spending.LOOK_BACK))
    view = estimate_view(
        rows,
        resources.gateway.budget,
        queue_size=resources.capacity.depth,
        batched=resources.lane.batched,
        batch_size=resources.processor.batch_size,
        calls_per_second=resources.settings.outbound_rps,
        hold=resources.gateway.hold,
        today=today,
    )
    return JSONResponse(view)


@router.post("/analysis/pause", response_model=AnalysisSwitch, responses=REFUSALS)
async def pause(resources: ResourcesDep) -> Response:
    """Pause analysis until it is resumed, across restarts; intake continues."""
    return await _set_paused(resources, paused=True)


@router.post("/analysis/resume", response_model=AnalysisSwitch, responses=REFUSALS)
async def resume(resources: ResourcesDep) -> Response:
    """Resume analysis where it was paused."""
    return await _set_paused(resources, paused=False)


async def _set_paused(resources: Resources, *, paused: bool) -> Response:
    await resources.database.write(partial(switches.turn, name=switches.ANALYSIS_PAUSED, on=paused))
    resources.gateway.hold.switch(paused=paused)
    resources.notifications.notify(Channel.ANALYSIS)
    return JSONResponse({"paused": paused})
