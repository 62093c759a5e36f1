"""`WebSocket /ws/chats/{id}`: post messages to a chat and receive its messages and summary as they change.

Frames are JSON texts with a `type`. A client that lost its connection resumes with `?after=` its last position.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import TypeAdapter
from starlette.websockets import WebSocketState

from api import dependencies
from api.access import caller_again, caller_of
from api.dependencies import Resources
from api.errors import ApiError, to_api_error
from api.parameters.common import printable
from api.parsing import parse_body
from api.routes.chats import add_messages
from api.routes.conversations import valid_id
from api.views.live import encoded
from api.views.summaries import written_view
from core.errors import RoleMissing
from domain.roles import Caller, Role
from schemas import Code, MessageFrame, PingFrame, SocketFrame
from services.access.standing import Standing
from services.live import Listener, News
from services.live_summaries import version_of
from store.conversations import chat_lists
from store.queue import summaries

router = APIRouter(tags=["live"])
NOT_TEXT, POLICY, TRY_LATER, DELETED = 1003, 1008, 1013, 4404
"""Close codes: a binary frame, a bad request, a database that does not answer, a deleted chat."""
MAX_DIGITS = 9
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds in which a socket is not read after a refused frame, doubled with each: refusing is work, too."""
Json = dict[str, Any]
FRAME: TypeAdapter[PingFrame | MessageFrame] = TypeAdapter(SocketFrame)
log = structlog.get_logger()


@router.websocket("/ws/chats/{conversation_id}")
async def live(socket: WebSocket, conversation_id: str) -> None:
    """Post to a chat and receive its messages, until either side closes."""
    resources = dependencies.resources_of(socket)
    await socket.accept()
    try:
        await valid_id(conversation_id)
        after = await _after(resources, socket, conversation_id)
    except Exception as error:  # noqa: BLE001  the one mapping of errors takes them all
        await _refuse(socket, error)
        return
    with resources.hub.listening(conversation_id, after) as listener:
        async with _sending_news(socket, resources, conversation_id, listener):
            with _standing(socket, resources):
                await _receive(socket, resources, conversation_id)


def _standing(socket: WebSocket, resources: Resources) -> AbstractContextManager[None]:
    """The block in which a socket is open; it is closed when its credential ends."""
    if not resources.settings.auth_required:
        return nullcontext()
    standing = Standing(
        check=partial(caller_again, socket.scope),
        renewed=partial(socket.scope.__setitem__, "caller"),
        ended=partial(_close, socket, POLICY, "the credential has ended"),
    )
    return resources.access.standings.holding(standing)


async def _after(resources: Resources, socket: WebSocket, chat: str) -> int:
    """The position after which to start: the client's, or the chat's last."""
    unknown = [name for name in socket.query_params if name not in ("after", "ticket")]
    if unknown:
        raise ApiError(Code.INVALID_QUERY, f"Unknown parameter: {printable(unknown[0])}")
    last = await resources.database.read(partial(chat_lists.last_position, id_=chat))
    match socket.query_params.getlist("after"):
        case []:
            return last
        case [given] if given.isascii() and given.isdigit() and len(given) <= MAX_DIGITS:
            if int(given) > last:
                raise ApiError(Code.INVALID_QUERY, f"after: the chat has only {last} messages")
            return int(given)
        case _:
            raise ApiError(Code.INVALID_QUERY, "after: must be one message position")


# --- out ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _sending_news(
    socket: WebSocket, resources: Resources, chat: str, listener: Listener
) -> AsyncIterator[None]:
    """Send the current summary and all news to the client while the block runs."""
    sender = asyncio.create_task(_send_news(socket, resources, chat, listener))
    try:
        yield
    finally:
        sender.cancel()
        await asyncio.wait([sender])


async def _send_news(socket: WebSocket, resources: Resources, chat: str, listener: Listener) -> None:
    try:
        stored = await resources.database.read(partial(summaries.get, id_=chat))
        listener.has_summary(version_of(stored))
        if stored is not None and (view := written_view(stored)) is not None:
            await _send(socket, {"type": "summary", "summary": view})
        while True:
            news = await listener.news()
            for message in news.messages:
                await _send(socket, message.frame)
            for frame in _summary_frames(news):
                await _send(socket, frame)
            if news.deleted:
                await _close(socket, DELETED, "the chat was deleted")
                return
    except WebSocketDisconnect:
        return
    except Exception as error:  # noqa: BLE001  the one mapping of errors takes them all
        await _refuse(socket, error)


def _summary_frames(news: News) -> Iterator[Json]:
    if news.draft is not None:
        yield {"type": "summary.draft", "text": news.draft.text, "starts": news.draft.starts}
    if news.summary is not None:
        yield {"type": "summary", "summary": news.summary}


# --- in -----------------------------------------------------------------------------------------------------


async def _receive(socket: WebSocket, resources: Resources, chat: str) -> None:
    refused = 0
    while (event := await socket.receive())["type"] == "websocket.receive":
        # The next frame is read once this one is answered: TCP slows down a client that sends faster.
        if (refusal := _refusal(resources, socket)) is not None:
            await _reply(socket, _error(refusal, None))
            await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2**refused))
            refused += 1
            continue
        refused = 0
        if (text := event.get("text")) is None:
            await _close(socket, NOT_TEXT, "frames are JSON texts")
            return
        await _reply(socket, await _answer(resources, chat, text, caller_of(socket.scope)))


def _refusal(resources: Resources, socket: WebSocket) -> ApiError | None:
    """Count a frame before anything is made of it; the error if it is over a limit."""
    decision = resources.limiter.take((socket.client or ("",))[0], write=True)
    if decision.allowed:
        return None
    resources.metrics.rate_limited.inc()
    return ApiError(Code.RATE_LIMIT_EXCEEDED, retry_after=max(1, math.ceil(decision.retry_after)))


async def _answer(resources: Resources, chat: str, text: str, caller: Caller) -> Json:
    frame: PingFrame | MessageFrame | None = None
    try:
        frame = parse_body(FRAME, text.encode("utf-8", "surrogatepass"))
        if isinstance(frame, PingFrame):
            return {"type": "pong", "ref": frame.ref}
        if not caller.role.includes(Role.AGENT):
            raise RoleMissing(Role.AGENT)
        return await _add_message(resources, chat, frame)
    except Exception as error:  # noqa: BLE001  the one mapping of errors takes them all
        return _error(error, None if frame is None else frame.ref)


async def _add_message(resources: Resources, chat: str, frame: MessageFrame) -> Json:
    if frame.conversation_id not in (None, chat):
        raise ApiError(Code.INVALID_SCHEMA, "conversation_id: must be the chat of this socket, or left out")
    message = frame.model_copy(update={"conversation_id": chat})
    [(_, placed)] = await add_messages(resources, [message], many=False)
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
        await _close(socket, POLICY if "retry_after" not in answer else TRY_LATER, answer["error"])


async def _reply(socket: WebSocket, frame: Json) -> None:
    with suppress(WebSocketDisconnect):
        await _send(socket, frame)


async def _send(socket: WebSocket, frame: Json | bytes) -> None:
    """Raises WebSocketDisconnect if either side has closed; after our own close Starlette raises RuntimeError."""
    if socket.application_state is WebSocketState.DISCONNECTED:
        raise WebSocketDisconnect
    data = frame if isinstance(frame, bytes) else encoded(frame)
    await socket.send_text(data.decode())


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(WebSocketDisconnect):
        if socket.application_state is not WebSocketState.DISCONNECTED:
            await socket.close(code, reason)


def _error(error: Exception, ref: object) -> Json:
    known = to_api_error(error)
    if known.code is Code.INTERNAL_ERROR:
        log.error("socket_failed", exc_info=error)
    return {"type": "error", "ref": ref, **known.envelope()}
