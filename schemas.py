"""What travels over HTTP: conversations as they are sent, answers as they are given."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from core import clock

MAX_TEXT = 20_000
MAX_MESSAGES = 1_000
MAX_BULK = 500
MAX_RAW_BYTES = 64 * 1024
MAX_METADATA_BYTES = 16 * 1024
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$"


def _moment(value: object) -> int:
    if not isinstance(value, str):
        raise PydanticCustomError("time", "must be an ISO 8601 string")
    try:
        return clock.parse(value)
    except ValueError as error:
        raise PydanticCustomError("time", "{reason}", {"reason": str(error)}) from None


def _bounded(limit: int) -> AfterValidator:
    def check(value: dict[str, Any]) -> dict[str, Any]:
        try:
            size = len(compact(value).encode())
        except ValueError:
            raise PydanticCustomError("json", "NaN and Infinity are not JSON") from None
        if size > limit:
            raise PydanticCustomError("too_large", "is over {limit} KB", {"limit": limit // 1024})
        return value

    return AfterValidator(check)


def compact(value: object) -> str:
    """Canonical JSON: the same value is always the same text. Raises ValueError on NaN and Infinity."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Author = Annotated[str, Field(max_length=255)]
Role = Literal["customer", "support_agent"]
MessageId = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^#]")]


class Sent(BaseModel):
    """Something a client sends. What is not understood is refused, never dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Turn(Sent):
    """One message of a conversation; several names are accepted for its fields."""

    text: Text = Field(validation_alias=AliasChoices("text", "message_content"))
    author: Author | None = Field(None, validation_alias=AliasChoices("author", "author_id", "user_id"))
    role: Role | None = Field(None, validation_alias=AliasChoices("role", "user_type"))
    inbound: StrictBool | None = None
    timestamp: Moment | None = None
    message_id: MessageId | None = None

    @model_validator(mode="after")
    def _one_role(self) -> Self:
        if self.inbound is not None and self.role not in (None, self.sender):
            raise PydanticCustomError("role", "role and inbound disagree")
        return self

    @property
    def sender(self) -> Role | None:
        """Who speaks: the role as sent, or what `inbound` says of it."""
        if self.inbound is None:
            return self.role
        return "customer" if self.inbound else "support_agent"


# For the document: exactly one of the two, and an author with the text only.
NOT_SENT = {"type": "null"}
A_TEXT = {"text": {"type": "string", "pattern": r"\S"}, "messages": NOT_SENT}
A_DIALOGUE = {"messages": {"type": "array"}, "text": NOT_SENT, "author": NOT_SENT}
TEXT_OR_MESSAGES: Any = {
    "oneOf": [
        {"required": ["text"], "properties": A_TEXT},
        {"required": ["messages"], "properties": A_DIALOGUE},
    ]
}


class Conversation(Sent):
    """One conversation as `POST /api/v1/conversations` takes it: a text, or the messages of a dialogue."""

    model_config = ConfigDict(json_schema_extra=TEXT_OR_MESSAGES)

    text: Text | None = None
    messages: Annotated[list[Turn], Field(min_length=1, max_length=MAX_MESSAGES)] | None = None
    author: Author | None = None
    timestamp: Moment | None = None
    external_id: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    conversation_id: Annotated[str, Field(pattern=ID_PATTERN)] | None = None
    raw_data: Annotated[dict[str, Any], _bounded(MAX_RAW_BYTES)] | None = Field(
        None, validation_alias=AliasChoices("raw_data", "raw")
    )
    metadata: Annotated[dict[str, Any], _bounded(MAX_METADATA_BYTES)] | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if self.text is None and self.messages is None:
            raise PydanticCustomError("missing_content", "Missing required field: text")
        if self.text is not None and self.messages is not None:
            raise PydanticCustomError("content", "give either text or messages, not both")
        if self.messages is not None and self.author is not None:
            raise PydanticCustomError("author", "author goes with text only; each message names its own")
        if not any(said.strip() for said in self.said()):
            raise PydanticCustomError("blank", "{field} is only white space", {"field": self.content_field})
        return self

    @model_validator(mode="after")
    def _message_ids_are_unique(self) -> Self:
        ids = [turn.message_id for turn in self.messages or () if turn.message_id is not None]
        if len(set(ids)) != len(ids):
            raise PydanticCustomError("message_id", "a message_id comes twice in messages")
        return self

    @property
    def content_field(self) -> str:
        """`text` or `messages`, whichever was sent."""
        return "text" if self.messages is None else "messages"

    def said(self) -> Iterator[str]:
        """Every text, in order."""
        if self.text is not None:
            yield self.text
        yield from (turn.text for turn in self.messages or ())


class Accepted(BaseModel):
    """A conversation is on disk."""

    status: Literal["accepted"] = "accepted"
    conversation_id: str
    message: str
    enqueued: bool


class ConflictOut(BaseModel):
    """An item whose id is known with other content."""

    index: int
    error: Literal["conflict"] = "conflict"
    conversation_id: str


class BulkAccepted(BaseModel):
    """Every conversation of a bulk is on disk."""

    ingested: int
    enqueued: int
    duplicates: int
    conversation_ids: list[str | None]
    conflicts: list[ConflictOut] | None = None


class Ids(Sent):
    """The conversations asked about."""

    ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=500)
    ]


BulkConversations = Annotated[list[Conversation], Field(min_length=1, max_length=MAX_BULK)]


class GrokAnalysis(BaseModel):
    """What an analyzer said of a conversation."""

    sentiment_score: float
    clusters: list[str]
    confidence: float
    reasoning: str


class InsightOut(BaseModel):
    """An analysis and where it comes from."""

    grok_analysis: GrokAnalysis
    sentiment: Literal["positive", "neutral", "negative"]
    analyzer: str
    model: str
    cached: bool
    partial: bool
    analysed_at: str


class TurnOut(BaseModel):
    """One message of a conversation."""

    text: str
    author: str | None
    role: Role | None
    timestamp: str | None
    message_id: str | None


class Call(BaseModel):
    """The call that wrote an analysis; tokens and dollars are of the whole call."""

    id: int
    provider: str
    model: str
    request_id: str | None
    conversations: int
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    started_at: str
    finished_at: str | None


class RawAnswer(BaseModel):
    """What the analyzer wrote for one conversation, and in which call."""

    answer: Any
    call: Call | None


class ConversationItem(BaseModel):
    """A conversation without its text."""

    conversation_id: str
    status: Literal["queued", "processing", "completed", "failed", "skipped"]
    external_id: str | None
    author: str | None
    timestamp: str
    metadata: dict[str, Any] | None
    error: str | None
    skip_reason: str | None
    attempts: int
    due_at: str | None
    received_at: str
    finished_at: str | None


class ConversationOut(ConversationItem):
    """A conversation as it was sent, `text` or `messages`, with its insight once there is one."""

    text: str | None = None
    messages: list[TurnOut] | None = None
    messages_truncated: bool | None = None
    raw_data: dict[str, Any] | None
    insight: InsightOut | None
    raw: RawAnswer | None = None


class ConversationPage(BaseModel):
    """A page of a list, newest intake first."""

    conversations: list[ConversationItem]
    next_cursor: str | None


class StatusItem(BaseModel):
    """How far a conversation is."""

    conversation_id: str
    status: str
    error: str | None
    insight: InsightOut | None


class Statuses(BaseModel):
    """How far each conversation is that is known; the others' ids are in `unknown`."""

    conversations: list[StatusItem]
    unknown: list[str]


class Queued(BaseModel):
    """How many conversations were queued again."""

    queued: int


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
