"""`/chats` and `/users/{user_id}/chats`: the same conversations, seen as chats that grow."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, TypeAdapter

from api.dependencies import Owned, Resources
from api.errors import ApiError, Code, documented
from api.parameters.chats import ChatsParameters, MessagesParameters, PageParameters
from api.parameters.common import once_each, storable
from api.parsing import parse, read_json
from api.routes.conversations import Id, unknown
from api.routes.intake import REFUSALS, refuse_when_full
from api.views.chats import chat_list_view, chat_page_view
from core.errors import ChatFull, Conflicts
from schemas import ChatList, ChatMessage, ChatMessages, ChatOut, ChatsStored
from services import deletion
from store.conversations import chat_lists as store
from store.conversations.chat_lists import ChatFilter
from store.conversations.chats import PlacedMessage

router = APIRouter(tags=["chats"], dependencies=[Depends(once_each)])
ONE, MANY = TypeAdapter(ChatMessage), TypeAdapter(ChatMessages)
# A schema of its own refers to its `$defs` from the root, and here it is not the root.
MESSAGES = {key: value for key, value in MANY.json_schema().items() if key != "$defs"} | {
    "items": ONE.json_schema()
}
POSTED: Any = {
    "required": True,
    "content": {"application/json": {"schema": {"anyOf": [ONE.json_schema(), MESSAGES]}}},
}
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
UserId = Annotated[str, Path(min_length=1, max_length=255), AfterValidator(storable)]


@router.post(
    "/chats",
    status_code=201,
    response_model=ChatsStored,
    responses=REFUSALS,
    openapi_extra={"requestBody": POSTED},
)
async def post(owned: Owned, request: Request) -> Response:
    """Add one message, or an array of up to 500, to any number of chats, all or none. 201 means: on disk."""
    body = await read_json(request)
    many = body.lstrip()[:1] == b"["
    sent = parse(MANY, body) if many else [parse(ONE, body)]
    return JSONResponse(_stored(await stored(owned, sent, many=many)), 201)


async def stored(
    owned: Resources, sent: Sequence[ChatMessage], *, many: bool
) -> list[tuple[str, PlacedMessage]]:
    """Add messages durably; of each its chat and its place. `many` is whether errors have to name one of them.

    Raises ApiError.
    """
    refuse_when_full(owned)
    try:
        return await owned.chats.post(sent)
    except (Conflicts, ChatFull) as refusal:
        if many:
            raise
        raise ApiError(Code.CONFLICT, refusal.reason) from None


def _stored(placed: Sequence[tuple[str, PlacedMessage]]) -> dict[str, object]:
    created = sum(each.created for _, each in placed)
    return {
        "conversation_ids": list(dict.fromkeys(chat for chat, _ in placed)),
        "stored": created,
        "duplicates": len(placed) - created,
        "messages": [
            {"conversation_id": chat, "message_id": each.message_id, "position": each.position}
            for chat, each in placed
        ],
    }


@router.get("/chats", response_model=ChatList, responses=documented(*SHARED))
async def page(owned: Owned, asked: Annotated[ChatsParameters, Query()]) -> Response:
    """Chats with a message that meets every filter, newest intake first."""
    return await _list(owned, asked.asked, asked)


@router.get("/users/{user_id:path}/chats", response_model=ChatList, responses=documented(*SHARED))
async def of_user(owned: Owned, user_id: UserId, asked: Annotated[PageParameters, Query()]) -> Response:
    """The chats that a user has written in, newest intake first."""
    return await _list(owned, ChatFilter(author=user_id), asked)


async def _list(owned: Resources, asked: ChatFilter, paging: PageParameters) -> Response:
    read = partial(store.list_chats, filters=asked, offset=paging.offset, limit=paging.limit)
    found = await owned.database.read(read)
    return JSONResponse(chat_list_view(found, page=paging.page, limit=paging.limit))


@router.get("/chats/{conversation_id}", response_model=ChatOut, responses=documented(Code.NOT_FOUND, *SHARED))
async def get(owned: Owned, conversation_id: Id, asked: Annotated[MessagesParameters, Query()]) -> Response:
    """A chat with a page of its messages, in order."""
    read = partial(store.get_chat, id_=conversation_id, offset=asked.offset, limit=asked.limit)
    found = await owned.database.read(read)
    if found is None:
        raise unknown()
    return JSONResponse(chat_page_view(found, page=asked.page, limit=asked.limit))


@router.delete("/chats/{conversation_id}", status_code=204, responses=documented(Code.NOT_FOUND, *SHARED))
async def delete(owned: Owned, conversation_id: Id) -> Response:
    """Delete a chat with everything that belongs to it."""
    if not await deletion.remove(owned.database, conversation_id):
        raise unknown()
    owned.hub.deleted(conversation_id)
    return Response(status_code=204)
