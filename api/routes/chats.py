"""`/chats` and `/users/{user_id}/chats`: conversations as chats, to which messages can be added."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, TypeAdapter

from api.dependencies import Resources, ResourcesDep
from api.errors import OF_ALL, ApiError, documented
from api.openapi import json_body_or_array
from api.parameters.chats import ChatsParameters, MessagesParameters, PageParameters, PostChatsParameters
from api.parameters.common import once_each, without_nul
from api.parsing import first_character, parse_body, read_json
from api.routes.conversations import Id, not_found
from api.routes.intake import REFUSALS, refuse_when_full
from api.views.chats import chat_list_view, chat_page_view
from core.errors import ChatFull, Conflicts
from schemas import MAX_BULK, ChatListOut, ChatMessage, ChatMessages, ChatOut, ChatsStored, Code
from services import deletion
from store.conversations import chat_lists as store
from store.conversations.chat_lists import ChatFilter
from store.conversations.chats import PlacedMessage

log = structlog.get_logger()
router = APIRouter(tags=["chats"], dependencies=[Depends(once_each)])
ONE, MANY = TypeAdapter(ChatMessage), TypeAdapter(ChatMessages)
UserId = Annotated[str, Path(min_length=1, max_length=255), AfterValidator(without_nul)]


@router.post(
    "/chats",
    status_code=201,
    response_model=ChatsStored,
    responses=REFUSALS,
    openapi_extra=json_body_or_array(ChatMessage, MAX_BULK),
)
async def post(
    resources: ResourcesDep, request: Request, query: Annotated[PostChatsParameters, Query()]
) -> Response:
    """Add one message, or an array of up to 500, to any number of chats: all or none. 201 means: on disk."""
    body = await read_json(request)
    many = first_character(body) == b"["
    sent = parse_body(MANY, body) if many else [parse_body(ONE, body)]
    placed = await add_messages(resources, sent, many=many, can_wait=query.freshness == "day")
    return JSONResponse(_stored_view(placed), 201)


async def add_messages(
    resources: Resources, sent: Sequence[ChatMessage], *, many: bool, can_wait: bool = False
) -> list[tuple[str, PlacedMessage]]:
    """Add messages durably; gives each one's chat and place.

    `can_wait` is whether an answer within a day will do. With `many`, an error names the index of the message that
    caused it. Raises ApiError and Refusal.
    """
    await refuse_when_full(resources, partial(resources.chats.is_new, sent))
    try:
        return await resources.chats.post(sent, can_wait=can_wait)
    except (Conflicts, ChatFull) as refusal:
        if many:
            raise
        raise ApiError(Code.CONFLICT, _reason(refusal)) from None


def _reason(refusal: Conflicts | ChatFull) -> str:
    """Why the only message of a post was refused."""
    if isinstance(refusal, ChatFull):
        return refusal.reason
    (message,) = refusal.messages.values()
    return f"message_id: {message} is known in this chat with other content"


def _stored_view(placed: Sequence[tuple[str, PlacedMessage]]) -> dict[str, object]:
    created = sum(place.created for _, place in placed)
    return {
        "conversation_ids": list(dict.fromkeys(chat for chat, _ in placed)),
        "stored": created,
        "duplicates": len(placed) - created,
        "messages": [
            {
                "conversation_id": chat,
                "message_id": place.message_id,
                "position": place.position,
                "duplicate": not place.created,
            }
            for chat, place in placed
        ],
    }


@router.get("/chats", response_model=ChatListOut, responses=documented(*OF_ALL))
async def page(resources: ResourcesDep, query: Annotated[ChatsParameters, Query()]) -> Response:
    """Chats with a message that meets every filter, most recently received first."""
    return await _list(resources, query.filter, query)


@router.get(
    "/users/{user_id:path}/chats", response_model=ChatListOut, responses=documented(Code.NOT_FOUND, *OF_ALL)
)
async def of_user(
    resources: ResourcesDep, user_id: UserId, query: Annotated[PageParameters, Query()]
) -> Response:
    """The chats that a user has written in, most recently received first."""
    return await _list(resources, ChatFilter(author=user_id), query)


async def _list(resources: Resources, chosen: ChatFilter, paging: PageParameters) -> Response:
    read = partial(store.list_chats, filters=chosen, offset=paging.offset, limit=paging.limit)
    found = await resources.database.read(read)
    return JSONResponse(chat_list_view(found, page=paging.page, limit=paging.limit))


@router.get("/chats/{conversation_id}", response_model=ChatOut, responses=documented(Code.NOT_FOUND, *OF_ALL))
async def get(
    resources: ResourcesDep, conversation_id: Id, query: Annotated[MessagesParameters, Query()]
) -> Response:
    """A chat with a page of its messages, in order."""
    read = partial(store.get_chat, id_=conversation_id, offset=query.offset, limit=query.limit)
    found = await resources.database.read(read)
    if found is None:
        raise await not_found(resources, conversation_id)
    return JSONResponse(chat_page_view(found, page=query.page, limit=query.limit))


@router.delete("/chats/{conversation_id}", status_code=204, responses=documented(Code.NOT_FOUND, *OF_ALL))
async def delete(resources: ResourcesDep, conversation_id: Id) -> Response:
    """Delete a chat and everything that belongs to it."""
    if not await deletion.remove(resources.database, conversation_id):
        raise await not_found(resources, conversation_id)
    log.info("conversation_deleted", conversation=conversation_id)
    resources.hub.deleted(conversation_id)
    return Response(status_code=204)
