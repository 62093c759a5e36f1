"""What the service answers about chats and their summaries."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from .base import Answer


class PlacedMessage(Answer):
    """Where a message is that was sent; `position` counts from 1, without gaps."""

    conversation_id: str
    message_id: str
    position: int


class AddedMessage(PlacedMessage):
    """A message of a post. `duplicate`: it was stored before; False also where an older service does not say it."""

    duplicate: bool = False


class ChatsStored(Answer):
    """Every message is on disk; `stored` of them were not before."""

    conversation_ids: list[str]
    stored: int
    duplicates: int
    messages: list[AddedMessage]


class Message(PlacedMessage):
    """A message of a chat."""

    user_id: str | None
    user_type: str
    message_content: str
    timestamp: AwareDatetime


class Participant(Answer):
    """Somebody who wrote in a conversation; `roles` are `customer`, `support_agent` or both."""

    id: str
    roles: list[str]


class ChatItem(Answer):
    """A chat without its messages. `participants` are the first hundred who wrote in it."""

    conversation_id: str
    status: str
    due_at: AwareDatetime | None
    timestamp: AwareDatetime
    first_line: str
    sentiment: str | None
    topics: list[str]
    participants: list[Participant]
    message_count: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Paged(Answer):
    """What every list of chats says of itself; `page` counts from 1."""

    total: int
    page: int
    limit: int
    pages: int


class Chat(ChatItem, Paged):
    """A chat with a page of its messages, in order."""

    messages: list[Message]


class ChatsPage(Paged):
    """A page of chats, newest intake first. There are at least `total`, if not `total_is_exact`."""

    chats: list[ChatItem]
    total_is_exact: bool


class SummaryItem(Answer):
    """A point of a summary and where it comes from; `verified`: the quote stands in those messages."""

    text: str
    positions: list[int]
    quote: str
    verified: bool


class Question(SummaryItem):
    """A question that was asked in a chat."""

    answered: bool


class ChatInsights(Answer):
    """Sentiment, outcome and keywords of a chat; `stale`: messages came since.

    `model_outcome` is the analyzer's: `outcome` differs where a person has corrected it.
    """

    status: Literal["completed"]
    conversation_id: str
    sentiment: str
    outcome: str
    model_outcome: str
    keywords: list[str]
    message_count: int
    stale: bool
    analyzer: str
    model: str
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ChatSummary(ChatInsights):
    """What a chat was about."""

    summary: str
    action_items: list[SummaryItem]
    decisions: list[SummaryItem]
    questions: list[Question]


class SummaryPending(Answer):
    """It is being written; `previous` is of the chat as it was."""

    status: Literal["pending"]
    previous: ChatSummary | None = None


class SummaryFailed(Answer):
    """It could not be written."""

    status: Literal["failed"]
    conversation_id: str
    error: str
    previous: ChatSummary | None = None


class InsightsPending(Answer):
    """They are being written; `previous` are of the chat as it was."""

    status: Literal["pending"]
    previous: ChatInsights | None = None


class InsightsFailed(Answer):
    """They could not be written."""

    status: Literal["failed"]
    conversation_id: str
    error: str
    previous: ChatInsights | None = None


SummaryState = Annotated[ChatSummary | SummaryPending | SummaryFailed, Field(discriminator="status")]
InsightsState = Annotated[ChatInsights | InsightsPending | InsightsFailed, Field(discriminator="status")]
