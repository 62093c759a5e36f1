"""What the service answers, as far as `ingest_data.py` reads it."""

from pydantic import BaseModel


class Clash(BaseModel):
    """An item whose id is known with other content; what was sent is not stored."""

    index: int
    conversation_id: str | None = None


class Stored(BaseModel):
    """Every item is on disk, but for the conflicts. The ids are in the order sent, null for a conflict."""

    ingested: int
    duplicates: int
    conversation_ids: list[str | None]
    conflicts: list[Clash] | None = None


class Fault(BaseModel):
    """An item the service will not take."""

    index: int
    error: str


class Blamed(BaseModel):
    """Nothing is stored, because of these items."""

    details: list[Fault]


class Said(BaseModel):
    """Every message of a chat is on disk; `stored` of them were not before."""

    conversation_ids: list[str]
    stored: int


class Taken(BaseModel):
    """Nothing is stored: a message is known with other content, or the chat is full."""

    reason: str


class Unwanted(BaseModel):
    """Nothing is stored, and which item is to blame remains to be found out."""

    reason: str


class Analysis(BaseModel):
    """What an analyzer found."""

    sentiment_score: float
    confidence: float
    clusters: list[str]
    reasoning: str


class Insight(BaseModel):
    """What came out for a conversation."""

    sentiment: str
    grok_analysis: Analysis


class Status(BaseModel):
    """How far a conversation is."""

    conversation_id: str
    status: str
    error: str | None = None
    insight: Insight | None = None


class Statuses(BaseModel):
    """How far each of some conversations is."""

    conversations: list[Status]


class Message(BaseModel):
    """A turn."""

    text: str


class Content(BaseModel):
    """What was said in a conversation."""

    text: str | None = None
    messages: list[Message] | None = None

    @property
    def opening(self) -> str:
        """The text, or the first message."""
        return self.text or next((message.text for message in self.messages or ()), "")


class ChatSummary(BaseModel):
    """How far a chat's summary is, and what it says."""

    status: str
    conversation_id: str = ""
    summary: str | None = None
    sentiment: str | None = None
    outcome: str | None = None
    error: str | None = None


class Problem(BaseModel):
    """The error envelope."""

    error: str
    details: str | None = None
