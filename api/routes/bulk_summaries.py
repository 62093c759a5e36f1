"""`POST /api/v1/summaries`: has the conversations of a window summarised, or says what that would cost."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from sqlalchemy import Connection

from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.openapi import json_body
from api.parameters.common import once_each
from api.parameters.insights import SENTIMENT_OF
from api.parsing import parse_body, read_json
from api.routes.jobs import accepted
from domain.analysis import CONFIDENCE_UNIT
from domain.summaries import Message, Stretch
from domain.topics import slug, unknown_topic
from llm.prices import TICKS_PER_USD
from schemas import Code, JobOut, NewSummaries, SummariesEstimateOut, SummariesFilter
from store.insights.topic_names import names_near
from store.money import spending
from store.queue import bulk_summaries, long_jobs

router = APIRouter(prefix="/api/v1", tags=["chats"], dependencies=[Depends(once_each)])
NEW = TypeAdapter(NewSummaries)
SENT = (Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
TYPICAL = Stretch([Message(1, "customer", " " * 1_000)])
ESTIMATED: dict[int | str, Any] = {200: {"model": SummariesEstimateOut, "description": "With `dry_run`"}}


@router.post(
    "/summaries",
    status_code=202,
    response_model=JobOut,
    responses={**ESTIMATED, **documented(*SENT, *SHARED)},
    openapi_extra=json_body(NewSummaries),
)
async def summarize_all(resources: ResourcesDep, request: Request) -> Response:
    """Summarise the analysed conversations of a window that lack a summary, as a job.

    With `dry_run` only say how many these are and what they cost.
    """
    new = parse_body(NEW, await read_json(request))
    await ensure_topic(resources, new.filter.cluster)
    window = {"start": new.window.start_time, "end": new.window.end_time}
    parameters = {**window, "filters": _filters(new.filter)}
    chosen = bulk_summaries.selection_of(parameters)
    count = partial(bulk_summaries.count_lacking, chosen=chosen)
    lacking = await resources.database.read_in_background(count)
    if new.dry_run:
        return JSONResponse(await _estimate(resources, lacking))
    by, now = asked(request.scope).actor, resources.clock()

    def create(connection: Connection) -> str:
        return long_jobs.create(connection, bulk_summaries.KIND, parameters, by=by, now=now, total=lacking)

    return await accepted(resources, await resources.database.write(create))


def _filters(given: SummariesFilter) -> dict[str, Any]:
    found = given.model_dump()
    if given.sentiment is not None:
        found["sentiment"] = SENTIMENT_OF[given.sentiment]
    if given.cluster is not None:
        found["cluster"] = slug(given.cluster)
    return found | {"min_confidence": round(given.min_confidence * CONFIDENCE_UNIT)}


async def ensure_topic(resources: Resources, name: str | None) -> None:
    """Raises ApiError 400 if a filter names a topic that there is not."""
    if name is None:
        return
    known = slug(name)
    near = await resources.database.read(partial(names_near, name=known)) if known else []
    if near is not None:
        raise ApiError(Code.INVALID_SCHEMA, f"filter.cluster: {unknown_topic(near)}")


async def _estimate(resources: Resources, lacking: int) -> dict[str, Any]:
    today = spending.day_of(resources.clock())
    budget = resources.gateway.budget
    rows = await resources.database.read(partial(spending.list_days, since=today - spending.LOOK_BACK))
    average = spending.average_summary_cost(rows)
    if budget is None:
        each, based_on = 0.0, "the offline analyzer costs nothing"
    elif average is not None:
        each, based_on = average, f"summaries of the last {spending.LOOK_BACK} days"
    else:
        worst = resources.gateway.analyzer.worst_summary(TYPICAL)
        each, based_on = float(budget.cost_of_worst(worst)), "the worst case of a call at the list price"
    seconds = 0.0 if budget is None else lacking / resources.settings.outbound_rps
    return {
        "conversations": lacking,
        "usd": round(each * lacking / TICKS_PER_USD, 6),
        "usd_per_summary": round(each / TICKS_PER_USD, 6),
        "seconds": round(seconds, 1),
        "based_on": based_on,
    }
