"""A chat's messages as those who listen to it get them."""

import json
from collections.abc import Sequence
from functools import partial

from chat_views import message_view
from database import Database
from live import Said
from store import chat_lists

AT_ONCE = 100
"""Messages that are read together, up to a megabyte."""


async def messages_after(database: Database, chat: str, position: int) -> Sequence[Said]:
    """The next messages behind a position, in order; none where there are no more."""
    page = partial(chat_lists.said_after, id_=chat, position=position, limit=AT_ONCE)
    views = [(row.position, message_view(row, chat, row.begun_at)) for row in await database.read(page)]
    return [Said(at, json.dumps({"type": "message", "message": view})) for at, view in views]
