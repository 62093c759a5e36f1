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
    page = partial(chat_lists.get, id_=chat, offset=position, limit=AT_ONCE)
    found = await database.read(page)
    if found is None:
        return ()
    views = ((row.position, message_view(row, found.chat.row)) for row in found.messages)
    return [Said(at, json.dumps({"type": "message", "message": view})) for at, view in views]
