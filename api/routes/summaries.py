"""`/chats`: request and read summaries, and the insights that the same model call produces."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.openapi import json_body
from api.parameters.common import once_each
from api.parameters.summaries import ReadSummaryParameters, RequestSummaryParameters
from api.parsing import parse_body, read_json
from api.routes.conversations import Id, not_found
from api.views.summaries import INSIGHTS, SUMMARY, written_view
from core.clock import SECOND
from models import FAILED
from schemas import (
    ChatInsights,
    ChatReference,
    ChatSummary,
    Code,
    FailedInsights,
    FailedSummary,
    PendingInsights,
    PendingSummary,
)
from store.engine.notifications import Channel
from store.queue import summaries as store
from store.queue.summaries import Stored

router = APIRouter(prefix="/chats", tags=["chats"], dependencies=[Depends(once_each)])
Json = dict[str, Any]
Responses = dict[int | str, Json]


REFERENCE = TypeAdapter(ChatReference)
BODY = json_body(ChatReference)
SHARED = (Code.INVALID_QUERY, Code.NOT_FOUND, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
REQUESTED = (Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE, *SHARED)
LATER = {"description": "It is being written; poll `Location`"}
SUMMARY_LATER: Responses = {202: {"model": PendingSummary, **LATER}}
INSIGHTS_LATER: Responses = {202: {"model": PendingInsights, **LATER}}


@router.post(
    "/summarize",
    response_model=ChatSummary | FailedSummary,
    responses={**SUMMARY_LATER, **documented(*REQUESTED)},
    openapi_extra=BODY,
)
async def summarize(
    resources: ResourcesDep, request: Request, query: Annotated[RequestSummaryParameters, Query()]
) -> Response:
    """Request a summary: 200 if it is ready within half a minute, else 202 with its `Location`."""
    return _answer(await _requested(resources, request, query.wait), "summary", SUMMARY)


@router.post(
    "/insights",
    response_model=ChatInsights | FailedInsights,
    responses={**INSIGHTS_LATER, **documented(*REQUESTED)},
    openapi_extra=BODY,
)
async def analyse(
    resources: ResourcesDep, request: Request, query: Annotated[RequestSummaryParameters, Query()]
) -> Response:
    """Request sentiment, outcome and keywords; the call that writes the summary produces them."""
    return _answer(await _requested(resources, request, query.wait), "insights", INSIGHTS)


@router.get(
    "/{conversation_id}/summary",
    response_model=ChatSummary | FailedSummary,
    responses={**SUMMARY_LATER, **documented(*SHARED)},
)
async def summary(
    resources: ResourcesDep, conversation_id: Id, query: Annotated[ReadSummaryParameters, Query()]
) -> Response:
    """The stored summary, `stale` if the chat has newer messages; 202 while it is being written."""
    return _answer(await _current(resources, conversation_id, query.wait), "summary", SUMMARY)


@router.get(
    "/{conversation_id}/insights",
    response_model=ChatInsights | FailedInsights,
    responses={**INSIGHTS_LATER, **documented(*SHARED)},
)
async def insights(
    resources: ResourcesDep, conversation_id: Id, query: Annotated[ReadSummaryParameters, Query()]
) -> Response:
    """The stored sentiment, outcome and keywords; 202 while they are being written."""
    return _answer(await _current(resources, conversation_id, query.wait), "insights", INSIGHTS)


async def _requested(resources: Resources, request: Request, wait: float) -> Stored:
    id_ = parse_body(REFERENCE, await read_json(request)).conversation_id
    stored = await _stored(resources, id_)
    if stored.is_current:
        return stored
    if not await resources.database.write(partial(store.ask, id_=id_, now=resources.clock())):
        raise await not_found(resources, id_)
    resources.notifications.notify(Channel.SUMMARIES)
    return await _when_written(resources, id_, wait)


async def _current(resources: Resources, id_: str, wait: float) -> Stored:
    stored = await _when_written(resources, id_, wait)
    if stored.row is None:
        raise ApiError(Code.NOT_FOUND, "No summary of this chat was requested")
    return stored


async def _when_written(resources: Resources, id_: str, seconds: float) -> Stored:
    """The stored summary once none is being written, at the latest after that many seconds."""
    until = resources.clock() + round(seconds * SECOND)
    while True:
        # Subscribe before reading, or an outcome between the two would be missed.
        async with resources.summary_waiters.listening(id_) as ended:
            stored = await _stored(resources, id_)
            left = (until - resources.clock()) / SECOND
            if not stored.is_pending or left <= 0 or resources.summary_waiters.released:
                return stored
            await ended(left)


async def _stored(resources: Resources, id_: str) -> Stored:
    stored = await resources.database.read(partial(store.get, id_=id_))
    if stored is None:
        raise await not_found(resources, id_)
    return stored


def _answer(stored: Stored, name: str, fields: Sequence[str]) -> Response:
    id_, row = stored.conversation_id, stored.row
    assert row is not None  # noqa: S101  for the type checker: both callers made sure of it
    written = written_view(stored, fields)
    previous = {} if written is None else {"previous": written}
    if stored.is_pending:
        where = {"Location": f"/chats/{id_}/{name}"}
        return JSONResponse({"status": "pending", **previous}, 202, where)
    if row.status == FAILED:
        failed = {"status": "failed", "conversation_id": id_, "error": row.error}
        return JSONResponse({**failed, **previous})
    return JSONResponse(written)
