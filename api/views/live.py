"""Messages of a chat as its live listeners receive them."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row

from api.views.chats import message_view
from database import Database
from services.chats import Added
from services.live import Hub
from services.recent_messages import LiveMessage
from services.room import LiveChat
from store.conversations import chat_lists

Json = dict[str, Any]
MESSAGES_PER_READ, CHARACTERS_PER_READ = 100, 16_000
"""At most 64 KB, or one message."""


async def live_messages_after(database: Database, chat: str, position: int) -> LiveChat:
    """The chat with its next messages after a position."""
    page = partial(
        chat_lists.messages_after,
        id_=chat,
        position=position,
        limit=MESSAGES_PER_READ,
        characters=CHARACTERS_PER_READ,
    )
    found = await database.read(page)
    messages = [_live_message(row, chat, row.begun_at) for row in found.messages]
    return LiveChat(found.number, found.count, messages)


def publish(hub: Hub, chat: str, added: Sequence[Added]) -> None:
    """Pass new messages to the listeners of a chat.

    Directly, and not through the database: 200 messages a second were as many reads, half of the service's CPU.
    """
    messages = [_live_message(new, chat, new.received_at) for new in added] if hub.has_listeners(chat) else ()
    hub.messages_added(chat, messages)


def _live_message(message: Row[Any] | Added, chat: str, begun_at: int) -> LiveMessage:
    view = message_view(message, chat, begun_at)
    return LiveMessage(message.position, encoded({"type": "message", "message": view}))


def encoded(frame: Json) -> bytes:
    """A frame as JSON in UTF-8, without escapes: those of an emoji would take twelve bytes instead of four."""
    try:
        return json.dumps(frame, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, in the name of an unknown field or from a model
        return json.dumps(frame).encode()
