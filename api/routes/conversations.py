"""`/api/v1/conversations`: reading what was taken in, and steering its analysis."""

import re
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, TypeAdapter

from api.dependencies import Owned, Resources
from api.errors import ApiError, Code, documented
from api.parameters.common import Limit, Parameters, Word, once_each
from api.parsing import parse, read_json
from api.views.conversations import conversation_view, item_view, status_view
from models import COMPLETED, FAILED, SKIPPED
from schemas import ID_PATTERN, ConversationOut, ConversationPage, Ids, Queued, Statuses
from services import deletion
from store.conversations import records as store
from store.conversations.records import RetryResult

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"], dependencies=[Depends(once_each)])
IDS = TypeAdapter(Ids)
ASKED_IDS = {"required": True, "content": {"application/json": {"schema": Ids.model_json_schema()}}}
ENDED = frozenset({COMPLETED, FAILED, SKIPPED})
LONGEST_WAIT = 60
POLL_SECONDS = 1.0
"""How often a conversation that another process may be analysing is looked at."""
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)


async def known_id(conversation_id: str) -> str:
    """An id that could be known. Raises ApiError 404 where no conversation can have it."""
    if not re.fullmatch(ID_PATTERN, conversation_id):
        raise unknown()
    return conversation_id


Id = Annotated[str, Depends(known_id)]


def unknown() -> ApiError:
    """404."""
    return ApiError(Code.NOT_FOUND, "No conversation has this id")


class GetParameters(Parameters):
    """Of one conversation."""

    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 0
    include: Literal["raw"] | None = None


class ListParameters(Parameters):
    """Of the list of conversations."""

    status: Literal["queued", "processing", "completed", "failed", "skipped"] | None = None
    external_id: Word | None = None
    author: Word | None = None
    limit: Limit = 100
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | None = None


class RetryParameters(Parameters):
    """Of a retry."""

    fresh: bool = False


class RetryAllParameters(Parameters):
    """Of a retry of many."""

    status: Literal["failed", "skipped"]


@router.get("", response_model=ConversationPage, responses=documented(*SHARED))
async def page(owned: Owned, asked: Annotated[ListParameters, Query()]) -> Response:
    """Conversations without their texts, newest intake first."""
    filters = asked.model_dump(exclude={"limit", "cursor"})
    before = None if asked.cursor is None else int(asked.cursor)
    rows = await owned.database.read(
        partial(store.list_conversations, limit=asked.limit + 1, before=before, **filters)
    )
    shown = rows[: asked.limit]
    cursor = str(shown[-1].number) if len(rows) > len(shown) else None
    return JSONResponse({"conversations": [item_view(row) for row in shown], "next_cursor": cursor})


@router.get(
    "/{conversation_id}", response_model=ConversationOut, responses=documented(Code.NOT_FOUND, *SHARED)
)
async def get(owned: Owned, conversation_id: Id, asked: Annotated[GetParameters, Query()]) -> Response:
    """One conversation; with `wait`, as soon as it has ended or after so many seconds."""
    await _wait(owned, conversation_id, asked.wait)
    stored = await owned.database.read(partial(store.get_conversation, id_=conversation_id))
    if stored is None:
        raise unknown()
    return JSONResponse(conversation_view(stored, raw=asked.include == "raw"))


async def _wait(owned: Resources, id_: str, seconds: float) -> None:
    until = owned.clock() + round(seconds * 1_000_000)
    while (left := (until - owned.clock()) / 1_000_000) > 0:
        # Listening begins before looking, or an ending between the two would be missed.
        async with owned.waiters.listening(id_) as ended:
            status = await owned.database.read(partial(store.status_of, id_=id_))
            if status is None or status in ENDED:
                return
            await ended(min(left, POLL_SECONDS))


@router.post(
    "/status",
    response_model=Statuses,
    responses=documented(Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE, *SHARED),
    openapi_extra={"requestBody": ASKED_IDS},
)
async def statuses(owned: Owned, request: Request) -> Response:
    """How far up to 500 conversations are."""
    ids = parse(IDS, await read_json(request)).ids
    found = await owned.database.read(partial(store.list_with_insights, ids=ids))
    wanted = list(dict.fromkeys(ids))
    views = [status_view(*found[id_]) for id_ in wanted if id_ in found]
    return JSONResponse({"conversations": views, "unknown": [id_ for id_ in wanted if id_ not in found]})


@router.post("/retry", status_code=202, response_model=Queued, responses=documented(*SHARED))
async def retry_all(owned: Owned, asked: Annotated[RetryAllParameters, Query()]) -> Response:
    """Queue all that failed, or that were skipped, in steps that do not hold up intake."""
    before: int | None = None
    queued = 0
    while True:
        step = partial(store.retry_by_status, status=asked.status, before=before, now=owned.clock())
        numbers = await owned.database.write(step)
        if not numbers:
            break
        queued, before = queued + len(numbers), numbers[-1]
        owned.processor.wake()
    return JSONResponse({"queued": queued}, 202)


@router.post(
    "/{conversation_id}/retry",
    status_code=202,
    response_model=Queued,
    responses=documented(Code.NOT_FOUND, Code.CONFLICT, *SHARED),
)
async def retry(owned: Owned, conversation_id: Id, asked: Annotated[RetryParameters, Query()]) -> Response:
    """Queue a conversation that failed or was skipped; `fresh` asks although the answer may be known."""
    again = partial(store.retry, id_=conversation_id, fresh=asked.fresh, now=owned.clock())
    result = await owned.database.write(again)
    if result is RetryResult.UNKNOWN:
        raise unknown()
    if result is RetryResult.NOT_ENDED_BADLY:
        raise ApiError(Code.CONFLICT, "Only a conversation that failed or was skipped can be retried")
    owned.processor.wake()
    return JSONResponse({"queued": 1}, 202)


@router.delete("/{conversation_id}", status_code=204, responses=documented(Code.NOT_FOUND, *SHARED))
async def delete(owned: Owned, conversation_id: Id) -> Response:
    """Delete a conversation with everything that belongs to it."""
    if not await deletion.remove(owned.database, conversation_id):
        raise unknown()
    owned.hub.deleted(conversation_id)
    return Response(status_code=204)
