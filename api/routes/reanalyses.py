"""`/api/v1/reanalysis`: has conversations analysed again, says what that would cost, or compares a sample."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from api.access import asked
from api.dependencies import ResourcesDep
from api.errors import ApiError, documented
from api.guard import DONE_INSTEAD
from api.openapi import json_body
from api.parameters.common import once_each
from api.parameters.insights import SENTIMENT_OF
from api.parsing import parse_body, read_json
from api.routes.bulk_summaries import ensure_topic
from api.routes.jobs import accepted
from api.views.reanalyses import price_view, reanalysis_view
from domain.analysis import CONFIDENCE_UNIT
from domain.fields.fieldsets import FieldSet
from domain.topics import slug
from llm.prices import TICKS_PER_USD
from models import DAY
from schemas import Code, JobOut, NewReanalysis, ReanalysisEstimateOut, ReanalysisOut
from store.queue import long_jobs
from store.reanalysis import runs
from store.reanalysis.choice import ALWAYS, ReanalysisChoice

PATH = "/api/v1/reanalysis"
router = APIRouter(prefix=PATH, tags=["insights"], dependencies=[Depends(once_each)])
NEW = TypeAdapter(NewReanalysis)
SENT = (Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
ESTIMATED: dict[int | str, Any] = {200: {"model": ReanalysisEstimateOut, "description": "With `dry_run`"}}


@router.post(
    "",
    status_code=202,
    response_model=JobOut,
    responses={**ESTIMATED, **documented(Code.CONFLICT, *SENT, *SHARED)},
    openapi_extra=json_body(NewReanalysis),
)
async def reanalyse(resources: ResourcesDep, request: Request) -> Response:
    """Analyse the chosen conversations again, as a job that goes behind everything fresh.

    With `dry_run` only say what that costs and takes, with `sample` only what it would change.
    """
    new = parse_body(NEW, await read_json(request))
    await ensure_topic(resources, new.filter.cluster)
    choice = _choice(new, resources.fields.of("conversations"))
    if new.dry_run:
        setattr(request.state, DONE_INSTEAD, "reanalysis.estimate")
        in_batch, by = new.freshness == DAY and resources.lane.gate.reason is None, resources.gateway.analyzer
        price = await resources.reanalyses.price(choice, new.sample, in_batch=in_batch)
        return JSONResponse(price_view(price, by.name, by.model))
    id_, is_new = await resources.reanalyses.begin(
        choice,
        sample=new.sample,
        cap=None if new.max_usd is None else round(new.max_usd * TICKS_PER_USD),
        by=asked(request.scope).actor,
        freshness=DAY if new.freshness == DAY else None,
    )
    if not is_new:
        raise ApiError(Code.CONFLICT, f"{id_} is analysing conversations again; wait for it, or cancel it")
    return await accepted(resources, id_)


@router.get("/{job_id}", response_model=ReanalysisOut, responses=documented(Code.NOT_FOUND, *SHARED))
async def one(resources: ResourcesDep, job_id: str) -> Response:
    """A re-analysis: how far it has come, and of a sample what would change."""
    row = await resources.database.read(partial(long_jobs.get, id_=job_id))
    run = None if row is None else await resources.database.read(partial(runs.get, job=row.number))
    if row is None or run is None:
        raise ApiError(Code.NOT_FOUND, "No re-analysis has this id")
    return JSONResponse(reanalysis_view(row, run))


def _choice(new: NewReanalysis, fields: FieldSet) -> ReanalysisChoice:
    given = new.filter
    if given.fields and not fields:
        raise ApiError(
            Code.INVALID_SCHEMA, "filter.fields: FIELDS_FILE names none that conversations are asked for"
        )
    start, end = ALWAYS if new.window is None else (new.window.start_time, new.window.end_time)
    return ReanalysisChoice(
        start,
        end,
        given.status,
        given.analyzer,
        given.model,
        given.prompt_version,
        None if given.cluster is None else slug(given.cluster),
        None if given.sentiment is None else SENTIMENT_OF[given.sentiment],
        None if given.max_confidence is None else round(given.max_confidence * CONFIDENCE_UNIT),
        fields.version if given.fields else None,
    )
