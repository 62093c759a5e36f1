"""`/chats`: summaries and what follows from them, asked for and looked at. One call to Grok fills both."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, TypeAdapter

from api.dependencies import Owned, Resources
from api.errors import ApiError, Code, documented
from api.parameters.common import Parameters, once_each
from api.parsing import parse, read_json
from api.routes.conversations import Id
from api.views.summaries import INSIGHTS, SUMMARY, written_view
from core.clock import SECOND
from domain.summaries import Outcome, Sentiment
from models import FAILED
from schemas import Sent
from store.queue import summaries as store
from store.queue.summaries import Stored

router = APIRouter(prefix="/chats", tags=["chats"], dependencies=[Depends(once_each)])
NO_CONVERSATION = "No conversation has this id"
READY_WITHIN = 30.0
"""Seconds that a summary is waited for."""
LONGEST_WAIT = 60
POLL_SECONDS = 1.0
"""How often a summary that another process may be writing is looked at."""
Json = dict[str, Any]
Responses = dict[int | str, Json]


class Wanted(Sent):
    """The chat that is meant."""

    conversation_id: Annotated[str, Field(min_length=1, max_length=128)]


class AskParameters(Parameters):
    """Of asking for a summary."""

    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = READY_WITHIN


class LookParameters(Parameters):
    """Of looking at one."""

    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 0


class ItemOut(BaseModel):
    """Something that was promised or decided, and where."""

    text: str
    positions: list[int]
    quote: str
    verified: bool


class QuestionOut(ItemOut):
    """Something that was asked."""

    answered: bool


class ChatInsights(BaseModel):
    """What can be said of a chat in words that can be counted."""

    status: Literal["completed"] = "completed"
    conversation_id: str
    sentiment: Sentiment
    outcome: Outcome
    keywords: list[str]
    message_count: int
    stale: bool
    analyzer: str
    model: str
    created_at: str
    updated_at: str


class ChatSummary(ChatInsights):
    """A chat's summary."""

    summary: str
    action_items: list[ItemOut]
    decisions: list[ItemOut]
    questions: list[QuestionOut]


class InsightsPending(BaseModel):
    """They are being written. `previous` is what was written before, of fewer messages."""

    status: Literal["pending"] = "pending"
    previous: ChatInsights | None = None


class SummaryPending(BaseModel):
    """It is being written. `previous` is what was written before, of fewer messages."""

    status: Literal["pending"] = "pending"
    previous: ChatSummary | None = None


class InsightsFailed(BaseModel):
    """They could not be written, and `error` says why. Asking again tries again."""

    status: Literal["failed"] = "failed"
    conversation_id: str
    error: str
    previous: ChatInsights | None = None


class SummaryFailed(BaseModel):
    """It could not be written, and `error` says why. Asking again tries again."""

    status: Literal["failed"] = "failed"
    conversation_id: str
    error: str
    previous: ChatSummary | None = None


WANTED = TypeAdapter(Wanted)
BODY = {"required": True, "content": {"application/json": {"schema": Wanted.model_json_schema()}}}
SHARED = (Code.INVALID_QUERY, Code.NOT_FOUND, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
ASKED = (Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE, *SHARED)
LATER = {"description": "It is being written: look at `Location`"}
SUMMARY_LATER: Responses = {202: {"model": SummaryPending, **LATER}}
INSIGHTS_LATER: Responses = {202: {"model": InsightsPending, **LATER}}


@router.post(
    "/summarize",
    response_model=ChatSummary | SummaryFailed,
    responses={**SUMMARY_LATER, **documented(*ASKED)},
    openapi_extra={"requestBody": BODY},
)
async def summarize(owned: Owned, request: Request, asked: Annotated[AskParameters, Query()]) -> Response:
    """Have a chat summarised: 200 when it is ready within half a minute, else 202 with its `Location`."""
    return _answer(await _asked(owned, request, asked.wait), "summary", SUMMARY)


@router.post(
    "/insights",
    response_model=ChatInsights | InsightsFailed,
    responses={**INSIGHTS_LATER, **documented(*ASKED)},
    openapi_extra={"requestBody": BODY},
)
async def analyse(owned: Owned, request: Request, asked: Annotated[AskParameters, Query()]) -> Response:
    """Sentiment, outcome and keywords: they come with the summary, by the same call."""
    return _answer(await _asked(owned, request, asked.wait), "insights", INSIGHTS)


@router.get(
    "/{conversation_id}/summary",
    response_model=ChatSummary | SummaryFailed,
    responses={**SUMMARY_LATER, **documented(*SHARED)},
)
async def summary(owned: Owned, conversation_id: Id, asked: Annotated[LookParameters, Query()]) -> Response:
    """The stored summary, `stale` where messages came since; 202 while it is being written."""
    return _answer(await _looked(owned, conversation_id, asked.wait), "summary", SUMMARY)


@router.get(
    "/{conversation_id}/insights",
    response_model=ChatInsights | InsightsFailed,
    responses={**INSIGHTS_LATER, **documented(*SHARED)},
)
async def insights(owned: Owned, conversation_id: Id, asked: Annotated[LookParameters, Query()]) -> Response:
    """Sentiment, outcome and keywords as they are stored; 202 while they are being written."""
    return _answer(await _looked(owned, conversation_id, asked.wait), "insights", INSIGHTS)


async def _asked(owned: Resources, request: Request, wait: float) -> Stored:
    id_ = parse(WANTED, await read_json(request)).conversation_id
    stored = await _stored(owned, id_)
    if stored.is_current:
        return stored
    if not await owned.database.write(partial(store.ask, id_=id_, now=owned.clock())):
        raise ApiError(Code.NOT_FOUND, NO_CONVERSATION)
    owned.summariser.wake()
    return await _ended(owned, id_, wait)


async def _looked(owned: Resources, id_: str, wait: float) -> Stored:
    stored = await _ended(owned, id_, wait)
    if stored.row is None:
        raise ApiError(Code.NOT_FOUND, "No summary of this chat was asked for")
    return stored


async def _ended(owned: Resources, id_: str, seconds: float) -> Stored:
    """What is stored, as soon as nothing is being written, or after so many seconds."""
    until = owned.clock() + round(seconds * SECOND)
    while True:
        # Listening begins before looking, or an ending between the two would be missed.
        async with owned.summarised.listening(id_) as ended:
            stored = await _stored(owned, id_)
            left = (until - owned.clock()) / SECOND
            if not stored.is_pending or left <= 0:
                return stored
            await ended(min(left, POLL_SECONDS))


async def _stored(owned: Resources, id_: str) -> Stored:
    stored = await owned.database.read(partial(store.get, id_=id_))
    if stored is None:
        raise ApiError(Code.NOT_FOUND, NO_CONVERSATION)
    return stored


def _answer(stored: Stored, name: str, fields: Sequence[str]) -> Response:
    id_, row = stored.conversation_id, stored.row
    assert row is not None  # noqa: S101  for the type checker: it was asked for
    written = written_view(stored, fields)
    previous = {} if written is None else {"previous": written}
    if stored.is_pending:
        where = {"Location": f"/chats/{id_}/{name}"}
        return JSONResponse({"status": "pending", **previous}, 202, where)
    if row.status == FAILED:
        failed = {"status": "failed", "conversation_id": id_, "error": row.error}
        return JSONResponse({**failed, **previous})
    return JSONResponse(written)
