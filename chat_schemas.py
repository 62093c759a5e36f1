"""What travels over HTTP about chats: messages as they are sent, chats as they are read."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from schemas import ID_PATTERN, MAX_BULK, MAX_TEXT, MessageId, Moment, Role, Sent


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "is only white space")
    return text


Content = Annotated[
    str,
    Field(min_length=1, max_length=MAX_TEXT, json_schema_extra={"pattern": r"\S"}),
    AfterValidator(_not_blank),
]


class ChatMessage(Sent):
    """One message of a chat."""

    conversation_id: Annotated[str, Field(pattern=ID_PATTERN)] | None = None
    user_id: Annotated[str, Field(min_length=1, max_length=255)]
    user_type: Role
    message_content: Content
    timestamp: Moment | None = None
    message_id: MessageId | None = None


ChatMessages = Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_BULK)]


class PlacedMessage(BaseModel):
    """Where a message is that was sent."""

    conversation_id: str
    message_id: str
    position: int


class ChatsStored(BaseModel):
    """Every message is on disk; `stored` of them were not before."""

    conversation_ids: list[str]
    stored: int
    duplicates: int
    messages: list[PlacedMessage]


class MessageOut(BaseModel):
    """A message as it is read; `position` counts from 1, without gaps."""

    message_id: str
    conversation_id: str
    user_id: str | None
    user_type: Role
    message_content: str
    timestamp: str
    position: int


class ChatItem(BaseModel):
    """A chat without its messages. `participants` are the first hundred who wrote in it."""

    conversation_id: str
    status: Literal["queued", "processing", "completed", "failed", "skipped"]
    due_at: str | None
    participants: list[str]
    message_count: int
    created_at: str
    updated_at: str


class Paged(BaseModel):
    """What every list says of itself."""

    total: int
    page: int
    limit: int
    pages: int


class ChatOut(ChatItem, Paged):
    """A chat with a page of its messages, in order."""

    messages: list[MessageOut]


class ChatList(Paged):
    """A page of chats, newest intake first. There are at least `total`, if not `total_is_exact`."""

    chats: list[ChatItem]
    total_is_exact: bool
