"""`WebSocket /ws/chats/{id}`: messages in, and out what everybody says, with the summary as it changes.

Frames are JSON texts with a `type`. A client that was cut off comes back with `?after=` the last position it has.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.websockets import WebSocketState

from api import dependencies
from api.dependencies import Resources
from api.errors import ApiError, Code, to_api_error
from api.parsing import parse
from api.routes.chats import stored
from api.routes.conversations import known_id
from api.views.summaries import written_view
from schemas import ChatMessage
from services.live import Listener, News
from store.conversations import chat_lists
from store.queue import summaries

router = APIRouter(tags=["live"])
NOT_TEXT, POLICY, TRY_LATER, DELETED = 1003, 1008, 1013, 4404
"""Close codes: a frame of bytes, a bad request, a database that does not answer, a chat that is gone."""
MAX_DIGITS = 9
Ref = Annotated[str, Field(max_length=255)] | Annotated[int, Field(strict=True)]
Json = dict[str, Any]
log = structlog.get_logger()


class Ping(BaseModel):
    """Answered by a pong."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["ping"]
    ref: Ref | None = None


class Said(ChatMessage):
    """A message, as in `POST /chats`; `ref` comes back with the answer to it."""

    type: Literal["message"]
    ref: Ref | None = None


FRAME: TypeAdapter[Ping | Said] = TypeAdapter(Annotated[Ping | Said, Field(discriminator="type")])


@router.websocket("/ws/chats/{conversation_id}")
async def live(socket: WebSocket, conversation_id: str) -> None:
    """Talk in a chat and hear it, until either side hangs up."""
    owned = dependencies.of(socket)
    await socket.accept()
    try:
        await known_id(conversation_id)
        after = await _after(owned, socket, conversation_id)
    except Exception as error:  # noqa: BLE001  there is one mapping of errors, and it takes them all
        await _refuse(socket, error)
        return
    with owned.hub.listening(conversation_id, after) as listener:
        async with _telling(socket, owned, conversation_id, listener):
            await _hear(socket, owned, conversation_id)


async def _after(owned: Resources, socket: WebSocket, chat: str) -> int:
    """The position behind which to begin: the client's, or the chat's last."""
    unknown = [name for name in socket.query_params if name != "after"]
    if unknown:
        raise ApiError(Code.INVALID_QUERY, f"Unknown parameter: {unknown[0][:64]}")
    last = await owned.database.read(partial(chat_lists.last_position, id_=chat))
    match socket.query_params.getlist("after"):
        case []:
            return last
        case [given] if given.isascii() and given.isdigit() and len(given) <= MAX_DIGITS:
            if int(given) > last:
                raise ApiError(Code.INVALID_QUERY, f"after: the chat has only {last} messages")
            return int(given)
        case _:
            raise ApiError(Code.INVALID_QUERY, "after: must be the position of a message, once")


# --- out ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _telling(socket: WebSocket, owned: Resources, chat: str, listener: Listener) -> AsyncIterator[None]:
    """Tell the client what there is and what is new, beside what the block does."""
    telling = asyncio.create_task(_tell(socket, owned, chat, listener))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def _tell(socket: WebSocket, owned: Resources, chat: str, listener: Listener) -> None:
    try:
        stored = await owned.database.read(partial(summaries.get, id_=chat))
        if stored is not None and (view := written_view(stored)) is not None:
            await _send(socket, {"type": "summary", "summary": view})
        while True:
            news = await listener.news()
            for said in news.messages:
                await _send(socket, said.frame)
            for frame in _of_the_summary(news):
                await _send(socket, frame)
            if news.deleted:
                await _hang_up(socket, DELETED, "the chat was deleted")
                return
    except WebSocketDisconnect:
        return
    except Exception as error:  # noqa: BLE001  there is one mapping of errors, and it takes them all
        await _refuse(socket, error)


def _of_the_summary(news: News) -> Iterator[Json]:
    if news.draft is not None:
        yield {"type": "summary.draft", "text": news.draft.text, "starts": news.draft.starts}
    if news.summary is not None:
        yield {"type": "summary", "summary": news.summary}


# --- in -----------------------------------------------------------------------------------------------------


async def _hear(socket: WebSocket, owned: Resources, chat: str) -> None:
    while (event := await socket.receive())["type"] == "websocket.receive":
        # What was sent next is not read before this is answered: who sends faster is slowed down by its socket.
        if (written := event.get("text")) is None:
            await _hang_up(socket, NOT_TEXT, "frames are JSON texts")
            return
        answer = await _answer(owned, socket, chat, written)
        with suppress(WebSocketDisconnect):
            await _send(socket, answer)


async def _answer(owned: Resources, socket: WebSocket, chat: str, written: str) -> Json:
    frame: Ping | Said | None = None
    try:
        frame = parse(FRAME, written.encode("utf-8", "surrogatepass"))
        if isinstance(frame, Ping):
            return {"type": "pong", "ref": frame.ref}
        return await _said(owned, socket, chat, frame)
    except Exception as error:  # noqa: BLE001  there is one mapping of errors, and it takes them all
        return _error(error, None if frame is None else frame.ref)


async def _said(owned: Resources, socket: WebSocket, chat: str, frame: Said) -> Json:
    decision = owned.limiter.take((socket.client or ("",))[0], write=True)
    if not decision.allowed:
        owned.metrics.rate_limited.inc()
        raise ApiError(Code.RATE_LIMIT_EXCEEDED, retry_after=max(1, math.ceil(decision.retry_after)))
    if frame.conversation_id not in (None, chat):
        raise ApiError(Code.INVALID_SCHEMA, "conversation_id: must be this socket's chat, or left out")
    message = frame.model_copy(update={"conversation_id": chat})
    [(_, placed)] = await stored(owned, [message], many=False)
    return {
        "type": "ack",
        "ref": frame.ref,
        "message_id": placed.message_id,
        "position": placed.position,
        "duplicate": not placed.created,
    }


async def _refuse(socket: WebSocket, error: Exception) -> None:
    answer = _error(error, None)
    with suppress(WebSocketDisconnect):
        await _send(socket, answer)
        await _hang_up(socket, POLICY if "retry_after" not in answer else TRY_LATER, answer["error"])


async def _send(socket: WebSocket, frame: Json | str) -> None:
    """Raises WebSocketDisconnect where either side has hung up; of our own doing Starlette makes a defect."""
    if socket.application_state is WebSocketState.DISCONNECTED:
        raise WebSocketDisconnect
    await socket.send_text(frame if isinstance(frame, str) else json.dumps(frame))


async def _hang_up(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(WebSocketDisconnect):
        if socket.application_state is not WebSocketState.DISCONNECTED:
            await socket.close(code, reason)


def _error(error: Exception, ref: object) -> Json:
    known = to_api_error(error)
    if known.code is Code.INTERNAL_ERROR:
        log.error("socket_failed", exc_info=error)
    return {"type": "error", "ref": ref, **known.envelope()}
