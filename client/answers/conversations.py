"""What the service answers about conversations."""

from typing import Any

from pydantic import AwareDatetime, Field

from .base import Answer


class Accepted(Answer):
    """A conversation is on disk; `enqueued` is false where it was already known."""

    conversation_id: str
    message: str
    enqueued: bool


class Clash(Answer):
    """An item whose id is known with other content; what was sent is not stored."""

    index: int
    conversation_id: str


class BulkAccepted(Answer):
    """Every item is on disk, but for the conflicts. The ids are in the order sent, None for a conflict."""

    ingested: int
    enqueued: int
    duplicates: int
    conversation_ids: list[str | None]
    conflicts: list[Clash] | None = None


class Analysis(Answer):
    """What an analyzer found: the score in [-1, 1], None if it is unsure; the confidence in [0, 1], topics."""

    sentiment_score: float | None
    confidence: float
    clusters: list[str]
    reasoning: str


FieldValue = str | float | bool | list[str] | None
"""What an analyzer says of a field of FIELDS_FILE; None where it says that there is nothing."""


class InsightVersion(Answer):
    """What counted before for the same text; `origin` is `analysis` or `correction`."""

    origin: str
    sentiment: str
    sentiment_score: float | None
    clusters: list[str]
    confidence: float
    reasoning: str | None
    language: str | None
    fields: dict[str, FieldValue] | None = None
    fields_version: str | None = None
    analyzer: str
    model: str
    prompt_version: str | None
    made_at: AwareDatetime
    made_by: str | None
    replaced_at: AwareDatetime


class ModelSaid(Answer):
    """What the analyzer says of a text that a person has corrected."""

    sentiment: str
    sentiment_score: float | None
    clusters: list[str]
    confidence: float
    outcome: str | None
    fields: dict[str, FieldValue] | None = None


class Correction(Answer):
    """What a person said, which counts; None where they said nothing."""

    sentiment: str | None
    clusters: list[str] | None
    outcome: str | None
    fields: dict[str, FieldValue] | None = None
    made_at: AwareDatetime
    made_by: str
    model: ModelSaid


class Insight(Answer):
    """An analysis and where it comes from."""

    grok_analysis: Analysis
    sentiment: str
    """`positive`, `neutral`, `negative`, or `unsure` if the analyzer does not know the language."""
    language: str | None = None
    """ISO 639-1; None if it is not known."""
    fields: dict[str, FieldValue] | None = None
    """By the names of FIELDS_FILE; None if it was analysed without fields."""
    fields_version: str | None = None
    analyzer: str
    model: str
    prompt_version: str | None = None
    cached: bool
    partial: bool
    analysed_at: AwareDatetime
    correction: Correction | None = None
    history: list[InsightVersion] | None = None
    """Its earlier versions, newest first, where they were asked for."""


class Status(Answer):
    """How far a conversation is: `queued`, `processing`, `completed`, `failed`, `skipped`.

    `wait_for_analysis` also says `deleted`.
    """

    conversation_id: str
    status: str
    error: str | None = None
    skip_reason: str | None = None
    insight: Insight | None = None


class Statuses(Answer):
    """How far each conversation is that is known; the others' ids are in `unknown`."""

    conversations: list[Status]
    unknown: list[str]


class Turn(Answer):
    """One message of a conversation."""

    text: str
    author: str | None
    role: str | None
    timestamp: AwareDatetime | None
    message_id: str | None


class ConversationItem(Answer):
    """A conversation without its text."""

    conversation_id: str
    status: str
    external_id: str | None
    author: str | None
    timestamp: AwareDatetime
    metadata: dict[str, Any] | None
    error: str | None
    skip_reason: str | None
    attempts: int
    due_at: AwareDatetime | None
    received_at: AwareDatetime
    finished_at: AwareDatetime | None
    redactions: dict[str, int] = Field(default_factory=dict)


class Conversation(ConversationItem):
    """A conversation as it was sent, `text` or `messages`, with its insight once there is one.

    `raw` is what the analyzer wrote, where it was asked for.
    """

    text: str | None = None
    messages: list[Turn] | None = None
    messages_truncated: bool | None = None
    raw_data: dict[str, Any] | None
    insight: Insight | None
    raw: dict[str, Any] | None = None

    @property
    def opening(self) -> str:
        """The text, or the first message."""
        return self.text or next((turn.text for turn in self.messages or ()), "")


class ConversationsPage(Answer):
    """A page of conversations, newest intake first."""

    conversations: list[ConversationItem]
    next_cursor: str | None


class Queued(Answer):
    """How many conversations were queued again."""

    queued: int


class CorrectedConversation(Answer):
    """A conversation that was corrected, with its insight as it counts now."""

    conversation_id: str
    insight: Insight
