"""Chats as clients see them."""

from typing import Any

from sqlalchemy import Row

from api.views.conversations import Json, analysis_due_at, participant_view
from core.clock import iso
from domain.analysis import SENTIMENT_NAMES
from services.chats import Added
from store.conversations.chat_lists import Chat, ChatList, ChatPage
from store.conversations.chats import generated_id


def chat_view(chat: Chat) -> Json:
    """A chat without its messages."""
    row, glance = chat.row, chat.glance
    return {
        "conversation_id": row.id,
        "status": row.status,
        "due_at": analysis_due_at(row),
        "timestamp": iso(row.timestamp),
        "first_line": glance.first_line,
        "sentiment": None if glance.sentiment is None else SENTIMENT_NAMES[glance.sentiment],
        "topics": list(glance.topics),
        "participants": [*map(participant_view, chat.participants)],
        "message_count": row.message_count - row.erased,
        "created_at": iso(row.received_at),
        "updated_at": iso(row.received_at if row.updated_at is None else row.updated_at),
    }


def chat_page_view(found: ChatPage, *, page: int, limit: int) -> Json:
    """A chat with a page of its messages."""
    chat = found.chat.row
    messages = [message_view(row, chat.id, chat.timestamp) for row in found.messages]
    total = chat.message_count - chat.erased
    return {**chat_view(found.chat), "messages": messages, **paging_view(total, page=page, limit=limit)}


def chat_list_view(found: ChatList, *, page: int, limit: int) -> Json:
    """A page of a list of chats."""
    chats = [chat_view(chat) for chat in found.chats]
    paging = paging_view(found.total, page=page, limit=limit)
    return {"chats": chats, **paging, "total_is_exact": found.total_is_exact}


def message_view(message: Row[Any] | Added, chat: str, begun_at: int) -> Json:
    """One message. Defaults replace what its sender left out; `begun_at` is when the chat began."""
    times = (message.timestamp, message.received_at, begun_at)
    return {
        "message_id": message.message_id or generated_id(message.position),
        "conversation_id": chat,
        "user_id": message.author,
        "user_type": message.role or "customer",
        "message_content": message.text,
        "timestamp": iso(next(time for time in times if time is not None)),
        "position": message.position,
    }


def paging_view(total: int, *, page: int, limit: int) -> Json:
    """The position of a page in a list of `total` entries."""
    return {"total": total, "page": page, "limit": limit, "pages": -(-total // limit)}
