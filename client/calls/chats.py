"""Calls about chats and their summaries."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Literal, TypedDict

from pydantic import TypeAdapter

from ..answers import Chat, ChatsPage, ChatsStored, InsightsState, SummaryState
from ..wire import Call, Encoded, encoded
from .building import Answer, Reader, content_of, getting, path_to, posting, reader

Day = date | str
"""A `date` or a `datetime`, or a text in ISO 8601."""
SUMMARY: TypeAdapter[SummaryState] = TypeAdapter(SummaryState)
INSIGHTS: TypeAdapter[InsightsState] = TypeAdapter(InsightsState)


class NewMessage(TypedDict, total=False):
    """A message to add to a chat; `user_id`, `user_type` and `message_content` are required."""

    conversation_id: str
    message_id: str
    user_id: str
    user_type: str
    message_content: str
    timestamp: datetime | str


def post_messages(
    messages: NewMessage | Sequence[NewMessage] | Encoded, *, freshness: Literal["now", "day"] = "now"
) -> Call[ChatsStored]:
    """Add a message, or 1 to 500 of them, to any number of chats, all or none.

    With the freshness `day`, an answer within a day will do, which may be cheaper. They are sent again after a lost
    connection only if each has a `conversation_id` and a `message_id`. Raises Invalid and Conflict, whose `faults` name
    messages.
    """
    several = [messages] if isinstance(messages, dict) else messages
    content = content_of(several, lambda each: all(map(_is_identified, each)))
    call = posting("/chats", content, reader(ChatsStored))
    return call if freshness == "now" else replace(call, params={"freshness": freshness})


def chat(conversation_id: str, *, page: int = 1, limit: int = 50) -> Call[Chat]:
    """A chat with a page of 1 to 100 of its messages, in order. Raises NotFound."""
    return getting(path_to("/chats", conversation_id), reader(Chat), {"page": page, "limit": limit})


def chats_page(
    *,
    user_id: str | None = None,
    start_date: Day | None = None,
    end_date: Day | None = None,
    keyword: str | None = None,
    page: int = 1,
    limit: int = 10,
) -> Call[ChatsPage]:
    """A page of 1 to 100 chats with a message that meets every filter, newest intake first.

    A date is in the window to its end, a time is not.
    """
    window = {"start_date": start_date, "end_date": end_date}
    filters = {"user_id": user_id, "keyword": keyword, **window}
    return getting("/chats", reader(ChatsPage), {**filters, "page": page, "limit": limit})


def user_chats_page(user_id: str, *, page: int = 1, limit: int = 10) -> Call[ChatsPage]:
    """A page of 1 to 100 of the chats that a user has written in, newest intake first."""
    path = f"{path_to('/users', user_id)}/chats"
    return getting(path, reader(ChatsPage), {"page": page, "limit": limit})


def summarize(conversation_id: str, *, wait: float = 30) -> Call[SummaryState]:
    """Have a chat summarised; it is pending where that takes longer than so many seconds. Raises NotFound."""
    return _ask("/chats/summarize", conversation_id, wait, SUMMARY.validate_json)


def summary(conversation_id: str, *, wait: float = 0) -> Call[SummaryState]:
    """The summary that was asked for, or how far it is. Raises NotFound."""
    path = f"{path_to('/chats', conversation_id)}/summary"
    return getting(path, SUMMARY.validate_json, {"wait": wait or None}, wait=wait)


def analyse_chat(conversation_id: str, *, wait: float = 30) -> Call[InsightsState]:
    """Have a chat's sentiment, outcome and keywords found, as `summarize` does. Raises NotFound."""
    return _ask("/chats/insights", conversation_id, wait, INSIGHTS.validate_json)


def chat_insights(conversation_id: str, *, wait: float = 0) -> Call[InsightsState]:
    """The sentiment, outcome and keywords that were asked for, or how far they are. Raises NotFound."""
    path = f"{path_to('/chats', conversation_id)}/insights"
    return getting(path, INSIGHTS.validate_json, {"wait": wait or None}, wait=wait)


def _ask(path: str, conversation_id: str, wait: float, read: Reader[Answer]) -> Call[Answer]:
    body = encoded({"conversation_id": conversation_id})
    return Call("POST", path, read, {"wait": wait}, body, wait=wait)


def _is_identified(message: Mapping[str, object]) -> bool:
    return message.get("conversation_id") is not None and message.get("message_id") is not None
