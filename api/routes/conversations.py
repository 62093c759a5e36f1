"""`/api/v1/conversations`: read, retry and delete conversations."""

import re
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.openapi import json_body
from api.parameters.common import once_each
from api.parameters.conversations import (
    ConversationParameters,
    ConversationsParameters,
    RetryAllParameters,
    RetryParameters,
)
from api.parsing import parse_body, read_json
from api.views.conversations import conversation_view, item_view, status_view
from models import COMPLETED, FAILED, SKIPPED
from schemas import ID_PATTERN, Code, ConversationOut, ConversationPage, Ids, Queued, Statuses
from services import deletion
from store.conversations import records as store
from store.conversations.records import RetryResult
from store.engine.notifications import Channel

log = structlog.get_logger()
router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"], dependencies=[Depends(once_each)])
IDS = TypeAdapter(Ids)
ENDED = frozenset({COMPLETED, FAILED, SKIPPED})
NOT_FOUND = "No conversation has this id"
MOST_NAMED = 3
"""Conversations that an error names for one external id, which several owners may use."""
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)


async def valid_id(conversation_id: str) -> str:
    """The id itself. Raises ApiError 404 if it is not a valid id."""
    if not re.fullmatch(ID_PATTERN, conversation_id):
        raise ApiError(Code.NOT_FOUND, NOT_FOUND)
    return conversation_id


async def _id_from_path(conversation_id: str, resources: ResourcesDep) -> str:
    if not re.fullmatch(ID_PATTERN, conversation_id):
        raise await not_found(resources, conversation_id)
    return conversation_id


Id = Annotated[str, Depends(_id_from_path)]


async def not_found(resources: Resources, id_: str) -> ApiError:
    """The 404 for an id that no conversation has. It says so if the id is a conversation's external id."""
    # No stored id contains U+0000, and PostgreSQL refuses to be asked for one.
    find = partial(store.ids_by_external_id, external_id=id_, limit=MOST_NAMED)
    known = () if "\0" in id_ else await resources.database.read(find)
    if not known:
        return ApiError(Code.NOT_FOUND, NOT_FOUND)
    return ApiError(Code.NOT_FOUND, f"{NOT_FOUND}; it is the external_id of {', '.join(known)}")


@router.get("", response_model=ConversationPage, responses=documented(*SHARED))
async def page(resources: ResourcesDep, query: Annotated[ConversationsParameters, Query()]) -> Response:
    """Conversations without their texts, most recently received first."""
    filters = query.model_dump(exclude={"limit", "cursor"})
    before = None if query.cursor is None else int(query.cursor)
    rows = await resources.database.read(
        partial(store.list_conversations, limit=query.limit + 1, before=before, **filters)
    )
    shown = rows[: query.limit]
    cursor = str(shown[-1].number) if len(rows) > len(shown) else None
    return JSONResponse({"conversations": [item_view(row) for row in shown], "next_cursor": cursor})


@router.get(
    "/{conversation_id}", response_model=ConversationOut, responses=documented(Code.NOT_FOUND, *SHARED)
)
async def get(
    resources: ResourcesDep, conversation_id: Id, query: Annotated[ConversationParameters, Query()]
) -> Response:
    """One conversation. With `wait`: once its analysis has ended, at the latest after that many seconds."""
    await _wait(resources, conversation_id, query.wait)
    read = partial(store.get_conversation, id_=conversation_id, with_history=query.includes("history"))
    stored = await resources.database.read(read)
    if stored is None:
        raise await not_found(resources, conversation_id)
    return JSONResponse(conversation_view(stored, raw=query.includes("raw")))


async def _wait(resources: Resources, id_: str, seconds: float) -> None:
    if not seconds:
        return
    # Subscribe before reading the status, or an outcome between the two would be missed.
    async with resources.waiters.listening(id_) as ended:
        status = await resources.database.read(partial(store.status_of, id_=id_))
        if status is not None and status not in ENDED and not resources.waiters.released:
            await ended(seconds)


@router.post(
    "/status",
    response_model=Statuses,
    responses=documented(Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE, *SHARED),
    openapi_extra=json_body(Ids),
)
async def statuses(resources: ResourcesDep, request: Request) -> Response:
    """The status of up to 500 conversations."""
    ids = parse_body(IDS, await read_json(request)).ids
    found = await resources.database.read(partial(store.list_with_insights, ids=ids))
    distinct = list(dict.fromkeys(ids))
    views = [status_view(*found[id_]) for id_ in distinct if id_ in found]
    return JSONResponse({"conversations": views, "unknown": [id_ for id_ in distinct if id_ not in found]})


@router.post("/retry", status_code=202, response_model=Queued, responses=documented(*SHARED))
async def retry_all(resources: ResourcesDep, query: Annotated[RetryAllParameters, Query()]) -> Response:
    """Queue every failed, or every skipped, conversation again, in steps that do not delay intake."""
    before: int | None = None
    queued = 0
    while True:
        step = partial(store.retry_by_status, status=query.status, before=before, now=resources.clock())
        numbers = await resources.database.write(step)
        if not numbers:
            break
        queued, before = queued + len(numbers), numbers[-1]
        resources.notifications.notify(Channel.ANALYSIS)
    await resources.capacity.count()
    return JSONResponse({"queued": queued}, 202)


@router.post(
    "/{conversation_id}/retry",
    status_code=202,
    response_model=Queued,
    responses=documented(Code.NOT_FOUND, Code.CONFLICT, *SHARED),
)
async def retry(
    resources: ResourcesDep, conversation_id: Id, query: Annotated[RetryParameters, Query()]
) -> Response:
    """Queue a failed or skipped conversation again; `fresh` bypasses the cache."""
    again = partial(store.retry, id_=conversation_id, fresh=query.fresh, now=resources.clock())
    result = await resources.database.write(again)
    if result is RetryResult.UNKNOWN:
        raise await not_found(resources, conversation_id)
    if result is RetryResult.NOT_ENDED_BADLY:
        raise ApiError(Code.CONFLICT, "Only a conversation that failed or was skipped can be retried")
    resources.notifications.notify(Channel.ANALYSIS)
    resources.capacity.count_accepted([conversation_id])
    return JSONResponse({"queued": 1}, 202)


@router.delete("/{conversation_id}", status_code=204, responses=documented(Code.NOT_FOUND, *SHARED))
async def delete(resources: ResourcesDep, conversation_id: Id) -> Response:
    """Delete a conversation and everything that belongs to it."""
    if not await deletion.remove(resources.database, conversation_id):
        raise await not_found(resources, conversation_id)
    log.info("conversation_deleted", conversation=conversation_id)
    resources.hub.deleted(conversation_id)
    return Response(status_code=204)
