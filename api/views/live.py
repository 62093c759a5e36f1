"""A chat's messages as those who listen to it get them."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row

from api.views.chats import message_view
from database import Database
from services.chats import Added
from services.live import Hub, LiveMessage
from store.conversations import chat_lists

AT_ONCE = 100
"""Messages that are read together, up to a megabyte."""


async def messages_after(database: Database, chat: str, position: int) -> Sequence[LiveMessage]:
    """The next messages behind a position, in order; none where there are no more."""
    page = partial(chat_lists.messages_after, id_=chat, position=position, limit=AT_ONCE)
    return [_said(row, chat, row.begun_at) for row in await database.read(page)]


def tell(hub: Hub, chat: str, added: Sequence[Added]) -> None:
    """Have those who listen to a chat hear what was added to it.

    From here, and not from the database: 200 messages a second were as many reads, half of the service's time.
    """
    on_draft = [_said(each, chat, each.received_at) for each in added] if hub.is_heard(chat) else ()
    hub.spoke(chat, on_draft)


def _said(message: Row[Any] | Added, chat: str, begun_at: int) -> LiveMessage:
    view = message_view(message, chat, begun_at)
    return LiveMessage(message.position, json.dumps({"type": "message", "message": view}))
