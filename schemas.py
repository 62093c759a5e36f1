"""Everything that travels over HTTP: the bodies of requests, of answers and of errors, and socket frames."""

import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from core import clock
from domain.api_keys import NAMES, is_key_name
from domain.fields.kinds import LONGEST_TEXT, MOST_FIELDS, MOST_ITEMS
from domain.receivers import MOST_URL
from domain.summaries import Outcome, Sentiment
from domain.topics import MAX_SLUG, slug

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
ROLE_OF: Mapping[str, Role] = {
    "customer": "customer",
    "user": "customer",
    "end_user": "customer",
    "support_agent": "support_agent",
    "agent": "support_agent",
    "assistant": "support_agent",
    "bot": "support_agent",
    "admin": "support_agent",
}
"""What other programs call the two roles, in lower case and with `_` between words."""
ROLE_NAMES = ["customer", "user", "end-user", "support_agent", "agent", "assistant", "bot", "admin"]

ROLES = "must be customer or support_agent (or user, end-user; agent, assistant, bot, admin)"


def _role(value: object) -> Role:
    role = ROLE_OF.get(re.sub("[- ]", "_", value.strip().lower())) if isinstance(value, str) else None
    if role is None:
        raise PydanticCustomError("role", ROLES)
    return role


def role_of(inbound: object) -> Role:
    """The author's role: whoever writes to the support is a customer."""
    return "customer" if inbound else "support_agent"


SentRole = Annotated[Role, BeforeValidator(_role), WithJsonSchema({"type": "string", "enum": ROLE_NAMES})]
MessageId = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^#]")]


class Sent(BaseModel):
    """Base of all that a client sends. An unknown field is refused, never dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DialogueMessage(Sent):
    """One message of a dialogue; its fields have synonyms."""

    text: Text = Field(validation_alias=AliasChoices("text", "message_content", "content"))
    author: Author | None = Field(None, validation_alias=AliasChoices("author", "author_id", "user_id"))
    inbound: StrictBool | None = None
    role: SentRole | None = Field(None, validation_alias=AliasChoices("role", "user_type"))
    timestamp: Moment | None = None
    message_id: MessageId | None = None

    @field_validator("role")
    @classmethod
    def _agrees_with_inbound(cls, role: Role | None, others: ValidationInfo) -> Role | None:
        inbound = others.data.get("inbound")
        if None not in (role, inbound) and role != role_of(inbound):
            raise PydanticCustomError("role", "disagrees with inbound")
        return role

    @property
    def sender(self) -> Role | None:
        """The author's role: `role` as sent, or what `inbound` implies."""
        return self.role if self.inbound is None else role_of(self.inbound)


SECOND_NAMES = frozenset(
    str(choice)
    for field in DialogueMessage.model_fields.values()
    if isinstance(field.validation_alias, AliasChoices)
    for choice in field.validation_alias.choices
)
"""Every name of the fields of a message that have several."""


class Conversation(Sent):
    """The body of `POST /api/v1/conversations`: one text, or the messages of a dialogue."""

    text: Text | None = None
    messages: Annotated[list[DialogueMessage], Field(min_length=1, max_length=MAX_MESSAGES)] | None = None
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
        if not any(text.strip() for text in self.texts()):
            raise PydanticCustomError("blank", "{field} is only white space", {"field": self.content_field})
        return self

    @model_validator(mode="after")
    def _message_ids_are_unique(self) -> Self:
        ids = [message.message_id for message in self.messages or () if message.message_id is not None]
        if len(set(ids)) != len(ids):
            raise PydanticCustomError("message_id", "a message_id appears twice in messages")
        return self

    @property
    def content_field(self) -> str:
        """`text` or `messages`, whichever was sent."""
        return "text" if self.messages is None else "messages"

    def texts(self) -> Iterator[str]:
        """The text of every message, in order."""
        if self.text is not None:
            yield self.text
        yield from (message.text for message in self.messages or ())


class AcceptedOut(BaseModel):
    """The answer to one conversation: it is on disk."""

    status: Literal["accepted"] = "accepted"
    conversation_id: str
    message: str
    enqueued: bool


class ConflictOut(BaseModel):
    """An item of a bulk whose id is known with other content."""

    index: int
    error: Literal["conflict"] = "conflict"
    conversation_id: str


class BulkAccepted(BaseModel):
    """The answer to a bulk: every conversation is on disk, but for `conflicts`."""

    ingested: int
    enqueued: int
    duplicates: int
    conversation_ids: list[str | None]
    conflicts: list[ConflictOut] | None = None


class Ids(Sent):
    """The ids of the conversations whose status is wanted."""

    ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=500)
    ]


BulkConversations = Annotated[list[Conversation], Field(min_length=1, max_length=MAX_BULK)]


class GrokAnalysis(BaseModel):
    """The analysis itself. `sentiment_score` is from -1 to 1, null if unsure; `confidence` from 0 to 1."""

    sentiment_score: float | None
    clusters: list[str]
    confidence: float
    reasoning: str


class MakerOut(BaseModel):
    """What makes insights: an analyzer with a model and a version of its prompt."""

    analyzer: str
    model: str
    prompt_version: str | None


FieldValues = dict[str, str | float | bool | list[str] | None] | None


class FieldDefinition(BaseModel):
    """A field of the operator's; what its type does not have is null."""

    name: str
    type: Literal["enum", "number", "boolean", "text", "list"]
    meaning: str
    of: Literal["customer", "agent", "conversation"]
    required: bool
    values: dict[str, str] | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    max_length: int | None = None
    max_items: int | None = None


class AskedField(FieldDefinition):
    """A field that is asked for now."""

    asker: Literal["conversations", "summaries", "both"] = Field(alias="for")
    answered_offline: bool


class FieldsVersionOut(BaseModel):
    """A version of the fields, and how many insights have it."""

    version: str
    current: bool
    first_seen: str
    insights: int
    fields: list[FieldDefinition]


class FieldsOut(BaseModel):
    """The fields that are asked for, and the versions that insights have; newest first."""

    fields: list[AskedField]
    version: str | None
    summary_version: str | None
    insights: int
    insights_without: int
    versions: list[FieldsVersionOut]


class InsightVersionOut(MakerOut):
    """What counted before for the same text. `made_by` is whoever made a correction; then there is no reasoning."""

    origin: Literal["analysis", "correction"]
    sentiment: Literal["positive", "neutral", "negative", "unsure"]
    sentiment_score: float | None
    clusters: list[str]
    confidence: float
    reasoning: str | None
    language: str | None
    fields: FieldValues = None
    fields_version: str | None = None
    made_at: str
    made_by: str | None
    replaced_at: str


class ModelSaid(BaseModel):
    """What the analyzer says of the same text."""

    sentiment: Literal["positive", "neutral", "negative", "unsure"]
    sentiment_score: float | None
    clusters: list[str]
    confidence: float
    outcome: Outcome | None
    fields: FieldValues


class CorrectionOut(BaseModel):
    """What a person said, which counts; null where they said nothing. `model` is what the analyzer says."""

    sentiment: Literal["positive", "neutral", "negative"] | None
    clusters: list[str] | None
    outcome: Outcome | None
    fields: FieldValues
    made_at: str
    made_by: str
    model: ModelSaid


class InsightOut(MakerOut):
    """An insight: the analysis of a conversation, and what produced it."""

    grok_analysis: GrokAnalysis
    sentiment: Literal["positive", "neutral", "negative", "unsure"]
    language: str | None
    fields: FieldValues = None
    fields_version: str | None = None
    cached: bool
    partial: bool
    analysed_at: str
    correction: CorrectionOut | None
    history: list[InsightVersionOut] | None = None
    """Only with `include=history`."""


class DialogueMessageOut(BaseModel):
    """One message of a dialogue."""

    text: str
    author: str | None
    role: Role | None
    timestamp: str | None
    message_id: str | None


class CallOut(BaseModel):
    """The model call behind an insight; tokens and dollars are those of the whole batch."""

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
    """The raw row that the analyzer wrote for one conversation, and its call."""

    answer: Any
    call: CallOut | None


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
    redactions: dict[str, int]


class ConversationOut(ConversationItem):
    """A conversation as it was sent, `text` or `messages`, with its insight once there is one."""

    text: str | None = None
    messages: list[DialogueMessageOut] | None = None
    messages_truncated: bool | None = None
    raw_data: dict[str, Any] | None
    insight: InsightOut | None
    raw: RawAnswer | None = None


class ConversationPage(BaseModel):
    """A page of conversations, most recently received first."""

    conversations: list[ConversationItem]
    next_cursor: str | None


class StatusItem(BaseModel):
    """The status of one conversation."""

    conversation_id: str
    status: str
    error: str | None
    skip_reason: str | None
    insight: InsightOut | None


class Statuses(BaseModel):
    """The status of every known conversation; ids that no conversation has are in `unknown`."""

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
    user_type: SentRole
    message_content: Content
    timestamp: Moment | None = None
    message_id: MessageId | None = None


ChatMessages = Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_BULK)]


class PlacedMessageOut(BaseModel):
    """Where a message was stored."""

    conversation_id: str
    message_id: str
    position: int
    duplicate: bool


class ChatsStored(BaseModel):
    """The answer to messages: all are on disk, and `stored` of them are new."""

    conversation_ids: list[str]
    stored: int
    duplicates: int
    messages: list[PlacedMessageOut]


class MessageOut(BaseModel):
    """A message of a chat. `position` counts from 1, without gaps."""

    message_id: str
    conversation_id: str
    user_id: str | None
    user_type: Role
    message_content: str
    timestamp: str
    position: int


class ParticipantOut(BaseModel):
    """Somebody who wrote in a conversation, and in which roles."""

    id: str
    roles: list[Literal["customer", "support_agent"]]


class ChatItem(BaseModel):
    """A chat without its messages. `participants` are the first hundred authors."""

    conversation_id: str
    status: Literal["queued", "processing", "completed", "failed", "skipped"]
    due_at: str | None
    timestamp: str
    first_line: str
    sentiment: Literal["positive", "neutral", "negative", "unsure"] | None
    topics: list[str]
    participants: list[ParticipantOut]
    message_count: int
    created_at: str
    updated_at: str


class Paged(BaseModel):
    """Where a page is in its list. `total` and `limit` count entries, `pages` counts pages."""

    total: int
    page: int
    limit: int
    pages: int


class ChatOut(ChatItem, Paged):
    """A chat with a page of its messages, in order."""

    messages: list[MessageOut]


class ChatListOut(Paged):
    """A page of chats, most recently received first. Unless `total_is_exact`, there are at least `total`."""

    chats: list[ChatItem]
    total_is_exact: bool


# --- insights and trends ------------------------------------------------------------------------------------


class CorrectedOut(BaseModel):
    """A conversation that was corrected, with its insight as it counts now."""

    conversation_id: str
    insight: InsightOut


class ListedInsight(InsightOut):
    """An insight together with its conversation."""

    conversation_id: str
    external_id: str | None
    author: str | None
    timestamp: str
    text: str
    text_truncated: bool = False
    metadata: dict[str, Any]
    redactions: dict[str, int]


class AccuracyOut(BaseModel):
    """An estimated share of right ones; with 0.95 certainty it lies between `low` and `high`."""

    checked: int
    accuracy: float | None
    low: float
    high: float


class ThresholdOut(AccuracyOut):
    """The lowest confidence from which on insights are right often enough, and how many have it."""

    confidence: float
    share: float


class QualityBinOut(AccuracyOut):
    """The insights of a range of confidence, `to` excluded but for 1."""

    from_: float = Field(alias="from")
    to: float
    share: float | None
    mean_confidence: float | None


class QualityMakerOut(AccuracyOut):
    """What an analyzer, with a model and a version of its prompt, said of checked texts."""

    analyzer: str
    model: str
    prompt_version: str | None


class QualityTopicOut(AccuracyOut):
    """The sentiment of insights with a topic; `precision` is how often the topic itself is right."""

    slug: str
    precision: AccuracyOut


class QualityFieldOut(AccuracyOut):
    """How often the answer to a field is right; of a field that has changed its type, of each type."""

    name: str
    type: Literal["enum", "number", "boolean", "text", "list"]


class OutsideOut(BaseModel):
    """Corrections of what was not drawn, which measure nothing: people correct what looks wrong."""

    corrections: int
    disagreeing: int


class QualityOut(BaseModel):
    """How often the sentiment of insights is right, measured on what was drawn at random and checked."""

    target: float
    checked: int
    pending: int
    outside: OutsideOut
    accuracy: AccuracyOut
    threshold: ThresholdOut | None
    bins: list[QualityBinOut]
    makers: list[QualityMakerOut]
    topics: list[QualityTopicOut]
    fields: list[QualityFieldOut]


class SampleOut(BaseModel):
    """Insights to check. `pending` is how many wait for it in all."""

    insights: list[ListedInsight]
    pending: int


class ExportedInsight(ListedInsight):
    """The same with those who wrote in it, as a file has it."""

    participants: list[ParticipantOut]


class CorrectionColumns(BaseModel):
    """What a file has of a correction: what the analyzer says, where a person says something else or the same."""

    corrected: bool
    model_sentiment: str | None
    model_sentiment_score: float | None
    model_clusters: list[str] | None


class TimeWindow(BaseModel):
    """A window of time, `end_time` excluded."""

    start_time: str
    end_time: str


class SentimentCounts(BaseModel):
    """How many insights have each sentiment."""

    positive: int
    neutral: int
    negative: int
    unsure: int


class InsightsMetadata(BaseModel):
    """Counts and window of a list of insights. The window is null where the request named none."""

    total_count: int
    returned_count: int
    skipped_count: int
    start_time: str | None
    end_time: str | None
    time_window: TimeWindow | None
    next_cursor: str | None
    sentiment_counts: SentimentCounts | None = None
    """Only with a keyword."""
    total_is_exact: bool | None = None
    """Only with a keyword: false while words of some conversations are not in the index yet."""


class InsightsOut(BaseModel):
    """A page of insights, in the order of `sort`; those of `/insights/recent` as they were analysed, last first."""

    insights: list[ListedInsight]
    metadata: InsightsMetadata


class TrendsPoint(SentimentCounts):
    """One hour or day. `partial`: the window, or the present, ends inside it."""

    start: str
    total: int
    mean_sentiment: float | None
    partial: bool
    mixed: bool


class TrendsVersion(MakerOut):
    """What made insights of the window, and in which of its buckets it did first and last."""

    first_bucket: str
    last_bucket: str


class TrendsBefore(BaseModel):
    """The preceding window of the same length."""

    total_insights: int
    sentiment_counts: SentimentCounts


class TrendsOut(BaseModel):
    """Sentiment and topics over a window."""

    interval: Literal["hour", "day", "week", "month"]
    tz: str
    window_days: float
    total_insights: int
    skipped_count: int
    sentiment_counts: SentimentCounts
    top_topics: list[tuple[str, int]]
    series: list[TrendsPoint]
    versions: list[TrendsVersion]
    previous: TrendsBefore


class TopicFigures(BaseModel):
    """A topic's insights in a window."""

    count: int
    share: float | None
    negative_share: float | None
    mean_sentiment: float | None


class ComparedTopicOut(TopicFigures):
    """A topic in a window and in another one."""

    slug: str
    label: str
    previous: TopicFigures
    change: int
    surprise: float | None
    first_seen: str | None
    last_seen: str | None
    sparkline: list[int]


class ComparedWindow(TimeWindow):
    """A window, and what all its insights add up to."""

    total_insights: int
    negative_share: float | None
    mean_sentiment: float | None


class ComparedTopicsOut(Paged):
    """A page of the topics of a window."""

    topics: list[ComparedTopicOut]
    window: ComparedWindow
    previous: ComparedWindow
    history_days: int


class ExplainedPart(BaseModel):
    """A part of the change."""

    mix: float
    mood: float


class ExplainedTopicOut(ExplainedPart):
    """The part of a topic, with conversations of the window."""

    slug: str
    label: str
    typical: list[ListedInsight]
    extreme: list[ListedInsight]


class ExplanationOut(BaseModel):
    """The change of the mean sentiment, by topic."""

    change: float | None
    mean: float | None
    baseline_mean: float | None
    total_insights: int
    baseline_insights: int
    window: TimeWindow
    baseline: TimeWindow
    topics: list[ExplainedTopicOut]
    rest: ExplainedPart


class PersonItem(BaseModel):
    """Somebody who wrote in the window, and what they have in it."""

    id: str | None
    conversations: int
    negative: int
    mean: float | None
    topics: list[str]
    last_seen: str
    open_cases: int


class PeopleOut(BaseModel):
    """A page of people, in the order of `sort`."""

    people: list[PersonItem]
    next_cursor: str | None


# --- summaries ----------------------------------------------------------------------------------------------


class ChatReference(Sent):
    """The chat to summarise."""

    conversation_id: Annotated[str, Field(min_length=1, max_length=128)]


class ItemOut(BaseModel):
    """An action item or a decision, with the positions and the quote that support it."""

    text: str
    positions: list[int]
    quote: str
    verified: bool


class QuestionOut(ItemOut):
    """A question that was raised in the chat."""

    answered: bool


class ChatInsights(BaseModel):
    """The countable part of a summary: sentiment, outcome and keywords."""

    status: Literal["completed"] = "completed"
    conversation_id: str
    sentiment: Sentiment
    outcome: Outcome
    model_outcome: Outcome
    keywords: list[str]
    fields: FieldValues = None
    fields_version: str | None = None
    message_count: int
    stale: bool
    analyzer: str
    model: str
    created_at: str
    updated_at: str


class ChatSummary(ChatInsights):
    """The summary of a chat."""

    summary: str
    action_items: list[ItemOut]
    decisions: list[ItemOut]
    questions: list[QuestionOut]


class CaseOut(ChatSummary):
    """A chat with its summary, and what it can be filtered by."""

    timestamp: str
    participants: list[ParticipantOut]
    topics: list[str]
    has_open_questions: bool


class OutcomeCounts(BaseModel):
    """How many summaries have each outcome."""

    yes: int
    no: int
    maybe: int
    curious: int


class CasesOut(BaseModel):
    """A page of chats with their summaries, the newest conversation first."""

    summaries: list[CaseOut]
    counts: OutcomeCounts
    next_cursor: str | None


class FacetOut(BaseModel):
    """A value of a field, and how many have it."""

    value: str | None
    count: int


class FacetsOut(BaseModel):
    """The values of a field, the commonest first."""

    field: str
    values: list[FacetOut]
    has_more: bool


class PendingInsights(BaseModel):
    """The insights are being written. `previous` holds the last ones, which cover fewer messages."""

    status: Literal["pending"] = "pending"
    previous: ChatInsights | None = None


class PendingSummary(BaseModel):
    """The summary is being written. `previous` holds the last one, which covers fewer messages."""

    status: Literal["pending"] = "pending"
    previous: ChatSummary | None = None


class FailedInsights(BaseModel):
    """The insights could not be written; `error` says why. Asking again tries again."""

    status: Literal["failed"] = "failed"
    conversation_id: str
    error: str
    previous: ChatInsights | None = None


class FailedSummary(BaseModel):
    """The summary could not be written; `error` says why. Asking again tries again."""

    status: Literal["failed"] = "failed"
    conversation_id: str
    error: str
    previous: ChatSummary | None = None


# --- socket frames ------------------------------------------------------------------------------------------


def _text_or_number(value: object, of_either: ValidatorFunctionWrapHandler) -> object:
    try:
        return of_either(value)
    except ValidationError:  # its own words name both members of the union, by their types
        raise PydanticCustomError("ref", "must be a text of up to 255 characters or a whole number") from None


FrameRef = Annotated[
    Annotated[str, Field(max_length=255)] | Annotated[int, Field(strict=True)],
    WrapValidator(_text_or_number),
]
"""Chosen by the client; the answer to its frame repeats it."""


class PingFrame(Sent):
    """A ping; the answer is a pong."""

    type: Literal["ping"]
    ref: FrameRef | None = None


class MessageFrame(ChatMessage):
    """A message, with the fields of `POST /chats`."""

    type: Literal["message"]
    ref: FrameRef | None = None


SocketFrame = Annotated[PingFrame | MessageFrame, Field(discriminator="type")]


# --- spending -----------------------------------------------------------------------------------------------


class SavedOut(BaseModel):
    """Dollars not spent, estimated from that day's average cost of a conversation."""

    cache_usd: float
    prefilter_usd: float
    packing_usd: float


class SpentOut(BaseModel):
    """Calls, tokens and dollars of a period. They include summaries, which are also reported on their own.

    `reserved_usd` is held by calls in flight and by calls whose outcome is unknown.
    """

    calls: int
    unpriced_calls: int
    summary_calls: int
    batch_calls: int
    analysed: int
    cached: int
    skipped: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    usd: float
    reserved_usd: float
    summary_usd: float
    batch_usd: float
    saved: SavedOut


class SpendingDay(SpentOut):
    """The spending of one UTC day."""

    date: str


class BudgetOut(BaseModel):
    """The budget of a UTC day; null where there is no limit."""

    daily_usd: float | None
    left_today_usd: float | None


class SpendingOut(BaseModel):
    """Spending, newest day first. Days without activity are left out."""

    days: list[SpendingDay]
    total: SpentOut
    budget: BudgetOut


class EstimateOut(BaseModel):
    """What the present queue will cost, and how long it will take."""

    queue_size: int
    batched: int
    calls: int
    usd: float
    seconds: float | None
    resumes_at: str | None
    usd_per_conversation: float
    based_on: str


class AnalysisSwitch(BaseModel):
    """Whether analysis is paused."""

    paused: bool


# --- access -------------------------------------------------------------------------------------------------

RoleName = Literal["viewer", "agent", "admin"]


def _key_name(text: str) -> str:
    if not is_key_name(text):
        raise PydanticCustomError("key_name", NAMES)
    return text


class NewKey(Sent):
    """An API key to be made."""

    name: Annotated[str, AfterValidator(_key_name), Field(min_length=1, max_length=100)]
    role: RoleName
    expires_at: Moment | None = None


class KeyOut(BaseModel):
    """An API key, without its secret."""

    id: str
    name: str
    role: RoleName
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class CreatedKey(KeyOut):
    """A new API key. `key` is shown this once."""

    key: str


class KeysOut(BaseModel):
    """All API keys, the newest first."""

    keys: list[KeyOut]


class Me(BaseModel):
    """Who the caller is to the service."""

    actor: str
    name: str
    role: RoleName
    means: Literal["none", "key", "token", "session", "ticket"]


class RoleChange(Sent):
    """Another role for somebody who has logged in."""

    role: RoleName


class AccountOut(BaseModel):
    """Somebody who has logged in."""

    id: str
    provider: str
    email: str
    role: RoleName
    role_by: str | None
    created_at: str
    last_login_at: str


class AccountsOut(BaseModel):
    """Everybody who has logged in."""

    accounts: list[AccountOut]


class TokenOut(BaseModel):
    """A token, to be sent after `Authorization: Bearer`."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class TicketOut(BaseModel):
    """A ticket, to be sent as `?ticket=` in the address of a socket."""

    ticket: str


class ErasedCounts(BaseModel):
    """What an erasure removed."""

    deleted: int
    changed: int
    messages: int
    insights: int
    summaries: int


class ReceiptOut(BaseModel):
    """The receipt of an erasure. It names the person by a hash, and has nothing of the content."""

    id: str
    counts: ErasedCounts
    at: str
    by: str
    provider_keeps_until: str | None = None
    algorithm: Literal["HMAC-SHA256", "none"]
    key: str | None
    signature: str | None


class ExportedMessage(MessageOut):
    """A message in an export of a person's data."""

    own: bool


class ExportedConversation(ConversationItem):
    """A conversation that a person has written in, with all that is stored of it."""

    raw_data: dict[str, Any] | None
    insight: InsightOut | None
    summary: ChatSummary | None
    messages: list[ExportedMessage]


class PersonExport(BaseModel):
    """All that is stored of a person, oldest conversation first."""

    person: str
    exported_at: str
    conversations: list[ExportedConversation]


class AuditEntryOut(BaseModel):
    """Who did what to what, when, from where, and how it ended."""

    at: str
    actor: str
    action: str
    target: str
    outcome: str
    client: str
    request_id: str


class AuditOut(BaseModel):
    """A page of the audit log, the newest entries first."""

    entries: list[AuditEntryOut]
    next_cursor: str | None


# --- topics -------------------------------------------------------------------------------------------------


class TopicOut(BaseModel):
    """A topic: what it is called, what it means, and where it came from."""

    id: str
    slug: str
    label: str
    description: str
    parent: str | None
    state: Literal["active", "hidden", "merged"]
    origin: Literal["built_in", "proposed", "discovered", "human"]
    aliases: list[str]
    merged_into: str | None
    created_at: str | None


def _topic_slug(name: str) -> str:
    if slug(name) != name:
        raise PydanticCustomError(
            "slug", "must be a slug such as late_delivery: lower case, words joined by _"
        )
    return name


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("one_line", "must be one line without control characters")
    return text


TopicSlug = Annotated[str, Field(min_length=1, max_length=MAX_SLUG), AfterValidator(_topic_slug)]
TopicName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)]
"""An id, a slug, an alias or a label."""


class TopicChange(Sent):
    """What is to be changed of a topic; what is left out stays."""

    slug: TopicSlug | None = None
    label: TopicName | None = None
    description: Annotated[str, Field(max_length=500), AfterValidator(_one_line)] | None = None
    parent: TopicName | None = None
    state: Literal["active", "hidden"] | None = None

    @field_validator("slug", "description", "state")
    @classmethod
    def _is_given(cls, value: str | None) -> str:
        if value is None:
            raise PydanticCustomError("null", "must not be null; leave it out to keep what is there")
        return value


def _slug_of(name: str) -> str:
    found = slug(name)
    if not found:
        raise PydanticCustomError("slug", "must contain a letter or digit")
    return found


FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
SAID_OF_A_FIELD: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "maxLength": LONGEST_TEXT},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "array", "items": {"type": "string"}, "maxItems": MOST_ITEMS},
        {"type": "null"},
    ]
}


def _is_of_a_field(value: object) -> object:
    items = value if isinstance(value, list) else ["" if value is None else value]
    kinds = (str,) if isinstance(value, list) else (str, int, float)
    if not all(isinstance(each, kinds) for each in items):
        raise PydanticCustomError("field", "must be a text, a number, true, false, a list of texts or null")
    return value


SaidOfField = Annotated[Any, AfterValidator(_is_of_a_field), WithJsonSchema(SAID_OF_A_FIELD)]


class NewCorrection(Sent):
    """What a person says of a conversation. What is left out stays as it is; null takes a correction back.

    In `fields`, null is a value: the conversation has none.
    """

    sentiment: Literal["positive", "neutral", "negative"] | None = None
    clusters: (
        Annotated[list[Annotated[TopicName, AfterValidator(_slug_of)]], Field(min_length=1, max_length=5)]
        | None
    ) = None
    outcome: Outcome | None = None
    fields: Annotated[dict[FieldName, SaidOfField], Field(min_length=1, max_length=MOST_FIELDS)] | None = None
    withdrawn_fields: Annotated[list[FieldName], Field(max_length=MOST_FIELDS)] = []

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            reason = "needs at least one of sentiment, clusters, outcome, fields and withdrawn_fields"
            raise PydanticCustomError("empty", "{reason}", {"reason": reason})
        for place, name in enumerate(self.withdrawn_fields):
            if name in (self.fields or {}):
                path = f"withdrawn_fields[{place}]"
                raise PydanticCustomError("both", "{path}: is in fields, too", {"path": path})
        return self


class TopicMerge(Sent):
    """The topics to merge, and the one that they become."""

    sources: Annotated[list[TopicName], Field(min_length=1, max_length=50, alias="from")]
    into: TopicName


class TopicSplit(Sent):
    """Which conversations of a topic are to have a topic of their own."""

    slug: TopicSlug
    words: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_one_line)] | None = None
    group: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)] | None = None
    ask: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_one_line)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if [self.words, self.group, self.ask].count(None) != 2:
            raise PydanticCustomError("one_of", "needs one of words, group and ask")
        return self


class TopicChangeOut(BaseModel):
    """A change that was made to topics."""

    id: int
    at: str
    by: str
    kind: Literal["edit", "merge", "split"]
    topic: str
    before: dict[str, Any]
    after: dict[str, Any]
    undone_at: str | None
    undone_by: str | None


class TopicHistoryOut(BaseModel):
    """What was done to a topic, or to all, the newest first."""

    changes: list[TopicChangeOut]
    next_cursor: str | None


class UndoneOut(BaseModel):
    """The change that was taken back."""

    change: int


class TopicsOut(BaseModel):
    """A page of topics, by slug."""

    topics: list[TopicOut]
    next_cursor: str | None


# --- jobs ---------------------------------------------------------------------------------------------------

JobStatus = Literal["queued", "running", "paused", "completed", "capped", "cancelled", "failed"]


class JobOut(BaseModel):
    """Work that takes longer than a request."""

    id: str
    kind: str
    status: JobStatus
    done: int
    total: int | None
    usd: float
    conversations: int
    error: str | None
    created_at: str
    created_by: str
    ended_at: str | None


class JobsOut(BaseModel):
    """A page of jobs, the newest first."""

    jobs: list[JobOut]
    next_cursor: str | None


# --- discovery ----------------------------------------------------------------------------------------------


class SentWindow(Sent):
    """A time from a start to before an end."""

    start_time: Moment
    end_time: Moment

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.end_time <= self.start_time:
            raise PydanticCustomError("window", "must end after its start")
        return self


class DiscoveryFilter(Sent):
    """Which insights are grouped. Null: all of them."""

    sentiment: Sentiment | None = None
    min_confidence: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    max_confidence: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    analyzer: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    cluster: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class NewDiscovery(Sent):
    """What to look for topics in."""

    window: SentWindow | None = None
    filter: DiscoveryFilter = DiscoveryFilter()


class SummariesFilter(Sent):
    """Which insights' conversations are summarised. Null: all of them."""

    sentiment: Sentiment | None = None
    min_confidence: Annotated[float, Field(ge=0, le=1, strict=True)] = 0
    cluster: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    author: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    analyzer: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class NewSummaries(Sent):
    """Which conversations to summarise, and whether only to say what that costs."""

    window: SentWindow
    filter: SummariesFilter = SummariesFilter()
    dry_run: Annotated[bool, Field(strict=True)] = False


class SummariesEstimateOut(BaseModel):
    """How many conversations lack a summary, and what these cost."""

    conversations: int
    usd: float
    usd_per_summary: float
    seconds: float
    based_on: str


class ReanalysisFilter(Sent):
    """Which conversations are analysed again. Null: all of them."""

    analyzer: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    prompt_version: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    cluster: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    sentiment: Sentiment | None = None
    max_confidence: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    fields: Literal["missing"] | None = None
    status: Literal["completed", "failed", "skipped"] = "completed"

    @model_validator(mode="after")
    def _has_insights_to_filter(self) -> Self:
        given = [
            name for name in type(self).model_fields if name != "status" and getattr(self, name) is not None
        ]
        if self.status != "completed" and given:
            raise PydanticCustomError(
                "filter", f"{given[0]} needs an insight, and a conversation that is {self.status} has none"
            )
        return self


class NewReanalysis(Sent):
    """Which conversations to analyse again; a sample of them is only compared."""

    window: SentWindow | None = None
    filter: ReanalysisFilter = ReanalysisFilter()
    sample: Annotated[int, Field(ge=1, le=1_000, strict=True)] | None = None
    max_usd: Annotated[float, Field(gt=0, le=1_000_000, strict=True)] | None = None
    freshness: Literal["now", "day"] | None = None
    dry_run: Annotated[bool, Field(strict=True)] = False


class ReanalysisEstimateOut(BaseModel):
    """How many conversations would be analysed again, by whom, and what that costs and takes."""

    conversations: int
    free: int
    calls: int
    usd: float | None
    usd_per_conversation: float | None
    seconds: float | None
    analyzer: str
    model: str
    based_on: str


class SentimentChangeOut(BaseModel):
    """How many conversations of a sample had a sentiment before and have one now."""

    before: Literal["positive", "neutral", "negative", "unsure", "none"]
    after: Literal["positive", "neutral", "negative", "unsure"]
    conversations: int


class TopicSwapOut(BaseModel):
    """How many conversations of a sample had a topic, have it, got it and lost it."""

    topic: str
    before: int
    after: int
    came: int
    went: int


class ScoreShiftOut(BaseModel):
    """The mean shift of the scores of all chosen conversations, by those of the sample that had a score both times."""

    n: int
    mean: float
    low: float
    high: float


class ReanalysisSampleOut(BaseModel):
    """What a re-analysis would change, by a sample of the chosen conversations."""

    compared: int
    population: int
    sentiments: list[SentimentChangeOut]
    topics: list[TopicSwapOut]
    shift: ScoreShiftOut | None


class ReanalysisOut(BaseModel):
    """A re-analysis: its job, and what has become of the conversations."""

    job: JobOut
    changed: int
    unchanged: int
    dropped: int
    failed: int
    max_usd: float | None
    lost_usd: float
    sample: ReanalysisSampleOut | None


class Acceptance(Sent):
    """The name of the topic that an accepted proposal becomes."""

    slug: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    label: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class GrowthOut(BaseModel):
    """How many people there are in a group, in the window and in the equally long one before it."""

    people: int
    people_before: int
    p: float
    is_significant: bool


class ShareOut(BaseModel):
    """A share of a group's conversations that is in another group."""

    id: str
    share: float


class ExampleOut(BaseModel):
    """A conversation that is typical of a group."""

    conversation_id: str
    timestamp: str
    text: str


ProposalState = Literal["proposed", "accepted", "rejected"]


class ProposalOut(BaseModel):
    """A group of conversations that might be a topic."""

    id: str
    state: ProposalState
    name: str
    named_by: str | None
    description: str | None
    slug: str
    words: list[str]
    language: str | None
    size: int
    people: int
    growth: GrowthOut
    part_of: str | None
    came_from: list[ShareOut]
    went_to: list[ShareOut] | None
    topic: str | None
    examples: list[ExampleOut]
    first_seen: str
    last_seen: str
    decided_by: str | None
    decided_at: str | None


class ProposalsOut(BaseModel):
    """A page of proposals, the largest first."""

    proposals: list[ProposalOut]
    next_cursor: str | None


class ProposalPageOut(ProposalOut):
    """A proposal with a page of its conversations, in the order of their intake."""

    insights: list[ListedInsight]
    next_cursor: str | None


# --- webhooks -----------------------------------------------------------------------------------------------

EventType = Literal[
    "insight.completed",
    "conversation.failed",
    "summary.completed",
    "topic.proposed",
    "alert.fired",
    "alert.resolved",
]
DeliveryState = Literal["pending", "delivered", "failed"]


def _each_once(types: list[str]) -> list[str]:
    if len(set(types)) < len(types):
        raise PydanticCustomError("twice", "must not have the same type twice")
    return types


ReceiverUrl = Annotated[str, Field(min_length=1, max_length=MOST_URL)]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=6), AfterValidator(_each_once)]


class NewWebhook(Sent):
    """A webhook to be made."""

    url: ReceiverUrl
    events: EventTypes


class WebhookChange(Sent):
    """What of a webhook is to be changed, at least one field."""

    url: ReceiverUrl | None = None
    events: EventTypes | None = None
    enabled: StrictBool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(getattr(self, name) is None for name in ("url", "events", "enabled")):
            raise PydanticCustomError("empty", "must have url, events or enabled")
        return self


class WebhookOut(BaseModel):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[EventType]
    enabled: bool
    disabled_reason: str | None
    disabled_at: str | None
    created_at: str
    created_by: str
    succeeded_at: str | None


class CreatedWebhook(WebhookOut):
    """A new webhook. `secret` is shown this once."""

    secret: str


class HelpdeskTaken(BaseModel):
    """What became of a help desk's webhook: what is stored is on disk."""

    conversation_ids: list[str]
    stored: int
    duplicates: int
    changed: int
    left_out: dict[str, int]


class WebhooksOut(BaseModel):
    """All webhooks, the newest first."""

    webhooks: list[WebhookOut]


class DeliveryOut(BaseModel):
    """An event for a webhook, and how its delivery goes."""

    id: str
    type: EventType
    state: DeliveryState
    created_at: str
    tries: int
    tried_at: str | None
    next_try_at: str | None
    ended_at: str | None
    outcome: str | None
    answer: int | None
    error: str | None


class DeliveriesOut(BaseModel):
    """A page of deliveries, the newest event first."""

    deliveries: list[DeliveryOut]
    next_cursor: str | None


# --- alerts -------------------------------------------------------------------------------------------------

AlertMetric = Literal["negative_share", "count", "share", "surprise", "queue_age", "budget_left"]
AlertDirection = Literal["above", "below"]
WINDOW = re.compile(r"([1-9][0-9]{0,3})([mhdw])", re.ASCII)
MINUTES = {"m": 1, "h": 60, "d": 1_440, "w": 10_080}
LONGEST_WINDOW = 366 * 1_440
"""Minutes."""
OF_TOPICS = frozenset({"negative_share", "count", "share", "surprise"})
"""What an alert may look at for one topic."""
FieldAndValue = Annotated[str, Field(max_length=80, pattern=r"^[a-z][a-z0-9_]{0,31}=[^\x00-\x1f]{1,40}$")]
"""A field of FIELDS_FILE and a value of it, as `urgency=high`."""


def _window(value: object) -> int:
    found = WINDOW.fullmatch(value) if isinstance(value, str) else None
    minutes = int(found[1]) * MINUTES[found[2]] if found else 0
    if not 5 <= minutes <= LONGEST_WINDOW:
        raise PydanticCustomError(
            "window", "must be minutes, hours, days or weeks, such as 15m, 1h or 7d, from 5m to 366d"
        )
    return minutes * 60 * clock.SECOND


def _alert_name(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise PydanticCustomError("name", "must be one line that says something")
    return text


AlertWindow = Annotated[
    int, BeforeValidator(_window), WithJsonSchema({"type": "string", "pattern": WINDOW.pattern})
]
AlertName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_alert_name)]
Threshold = Annotated[float, Field(ge=-1e12, le=1e12, strict=True)]
MinimumCount = Annotated[int, Field(ge=0, le=1_000_000_000, strict=True)]


class NewAlert(Sent):
    """An alert to be made."""

    name: AlertName
    metric: AlertMetric
    topic: TopicName | None = None
    field: FieldAndValue | None = None
    # As it is sent: the default in the OpenAPI document was a number of microseconds in a string's place.
    window: AlertWindow = Field("1h", validate_default=True)
    threshold: Threshold
    resolve_threshold: Threshold | None = None
    direction: AlertDirection | None = None
    minimum_count: MinimumCount | None = None

    @model_validator(mode="after")
    def _topic_fits(self) -> Self:
        if self.topic is not None and self.metric not in OF_TOPICS:
            raise PydanticCustomError(
                "topic", "topic: goes with negative_share, count, share and surprise only"
            )
        if self.field is not None and (self.topic is not None or self.metric not in OF_TOPICS - {"surprise"}):
            reason = "field: goes with negative_share, count and share only, and without topic"
            raise PydanticCustomError("field", reason)
        if self.metric == "share" and self.topic is None and self.field is None:
            raise PydanticCustomError("share", "Missing required field: topic or field, whose share is told")
        if self.topic is None and self.metric == "surprise":
            raise PydanticCustomError("topic", "Missing required field: topic, of which surprise is told")
        return self


class AlertChange(Sent):
    """What of an alert is to be changed, at least one field."""

    name: AlertName | None = None
    window: AlertWindow | None = None
    threshold: Threshold | None = None
    resolve_threshold: Threshold | None = None
    minimum_count: MinimumCount | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(value is None for value in self.model_dump().values()):
            raise PydanticCustomError("empty", "must have at least one field that is not null")
        return self


class AlertOut(BaseModel):
    """An alert, and how it is."""

    id: str
    name: str
    metric: AlertMetric
    topic: str | None
    field: str | None
    window: str
    direction: AlertDirection
    threshold: float
    resolve_threshold: float
    minimum_count: int
    state: Literal["ok", "firing"]
    value: float | None
    count: int | None
    looked_at: str | None
    fired_at: str | None
    resolved_at: str | None
    firings: int
    created_at: str
    created_by: str


class AlertsOut(BaseModel):
    """All alerts: those that fire first, then the newest first."""

    alerts: list[AlertOut]


# --- operations ---------------------------------------------------------------------------------------------


class OfferOut(BaseModel):
    """How many conversations were analysed offline, and about what an analyzer would take for them."""

    conversations: int
    analyzer: str
    model: str
    usd: float | None


class ProviderBatchOut(BaseModel):
    """A batch at the provider."""

    id: str
    stage: Literal["filling", "sending", "running", "cancelling", "late", "ended"]
    model: str
    requests: int
    answered: int
    conversations: int
    stored: int
    dropped: int
    usd: float
    cancelled_by: str | None
    error: str | None
    created_at: str
    deadline: str
    kept_until: str
    ended_at: str | None


class ProviderBatchesOut(BaseModel):
    """Batches at the provider, the newest first."""

    batches: list[ProviderBatchOut]


class BatchLaneOut(BaseModel):
    """What there is in the lane of batches at the provider."""

    is_open: bool
    reason: str | None
    tried_again_at: str | None
    waiting: int
    batches: int
    requests: int
    answered: int
    ends_at: str | None


class Health(BaseModel):
    """The state of the service; `reasons` says why it is not `ok`."""

    status: Literal["ok", "degraded", "unavailable"]
    reasons: list[str]
    queue_size: int
    summary_queue_size: int
    role: Literal["all", "api", "worker"]
    worker_running: bool
    workers_alive: int
    worker_restarts: int
    worker_last_death: str | None
    db_ok: bool
    analyzer: str
    model: str
    circuit: Literal["closed", "open", "half_open"] | None
    oldest_queued_seconds: float
    drain_seconds: float | None
    notifications: Literal["heard", "unheard"] | None
    resumes_at: str | None
    replica_lag_seconds: float | None = None
    webhooks_pending: int
    webhooks_oldest_seconds: float
    webhooks_disabled: int
    batch_lane: BatchLaneOut
    offer: OfferOut | None
    started_at: str
    version: str


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


# --- errors -------------------------------------------------------------------------------------------------


class Code(StrEnum):
    """Every `error` code; there are no others."""

    INVALID_SCHEMA = "invalid_schema"
    INVALID_QUERY = "invalid_query"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    QUEUE_FULL = "queue_full"
    STORAGE_FULL = "storage_full"
    DATABASE_UNAVAILABLE = "database_unavailable"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"


class ErrorOut(BaseModel):
    """The body of every error."""

    error: Code
    details: str | list[dict[str, Any]] | None = None
    retry_after: int | None = None
