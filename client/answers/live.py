"""What is heard in a chat over its socket."""

from typing import Annotated, Any, Literal

from pydantic import Field

from .base import Answer
from .chats import Message, SummaryState


class MessageFrame(Answer):
    """A message that somebody added to the chat, oneself too."""

    type: Literal["message"]
    message: Message


class AckFrame(Answer):
    """A message that was sent is on disk, at this position."""

    type: Literal["ack"]
    ref: str | int | None = None
    message_id: str
    position: int
    duplicate: bool


class DraftFrame(Answer):
    """More of a summary that is being written; `starts`: it begins anew."""

    type: Literal["summary.draft"]
    text: str
    starts: bool


class SummaryFrame(Answer):
    """The summary, or that it failed."""

    type: Literal["summary"]
    summary: SummaryState


class ErrorFrame(Answer):
    """What was sent cannot be done; `ref` is that of the frame, None where it was dropped unread."""

    type: Literal["error"]
    ref: str | int | None = None
    error: str
    details: Any = None
    retry_after: float | None = None


class PongFrame(Answer):
    """An answer to a ping."""

    type: Literal["pong"]
    ref: str | int | None = None


Frame = Annotated[
    MessageFrame | AckFrame | DraftFrame | SummaryFrame | ErrorFrame | PongFrame,
    Field(discriminator="type"),
]
