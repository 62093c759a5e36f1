"""A person's data as JSON, piece by piece: no piece is larger than a page of messages."""

import json
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any

from sqlalchemy import Row

from api.views.chats import message_view
from api.views.conversations import Json, insight_view, item_view, version_view
from api.views.summaries import written_view
from core.clock import iso
from database import Database
from store.conversations import people
from store.conversations.people import Entry
from store.queue import summaries

CONVERSATIONS, MESSAGES = 50, 25
"""Numbers and messages read in one short transaction; so many of the longest messages take 2 MB."""


async def export(database: Database, person: str, now: int) -> AsyncIterator[str]:
    """Every conversation that a person has written in, oldest first, with all its messages.

    Each is read as it is at that moment.
    """
    yield _opened({"person": person, "exported_at": iso(now)}, "conversations")
    after, between = 0, ""
    find = partial(people.list_numbers, person=person, limit=CONVERSATIONS)
    while numbers := await database.read(partial(find, after=after)):
        for number in numbers:
            async for piece in _conversation(database, person, number, between):
                yield piece
                between = ","
        after = numbers[-1]
    yield "]}\n"


async def _conversation(database: Database, person: str, number: int, between: str) -> AsyncIterator[str]:
    entry = await database.read(partial(people.get_entry, number=number))
    if entry is None:
        return
    yield between + _opened(await _head(database, entry), "messages")
    row, after, between = entry.conversation, 0, ""
    while page := await database.read(
        partial(people.list_messages, number=number, after=after, limit=MESSAGES)
    ):
        yield between + _items(_message(each, row, person) for each in page)
        after, between = page[-1].position, ","
    yield "]}"


async def _head(database: Database, entry: Entry) -> Json:
    row = entry.conversation
    summary = await database.read(partial(summaries.get, id_=row.id))
    return {
        **item_view(row),
        "raw_data": None if row.raw_data is None else json.loads(row.raw_data),
        "insight": entry.insight
        and {**insight_view(entry.insight), "history": [*map(version_view, entry.history)]},
        "summary": summary and written_view(summary),
    }


def _message(message: Row[Any], conversation: Row[Any], person: str) -> Json:
    view = message_view(message, conversation.id, conversation.timestamp)
    return {**view, "own": message.author == person}


def _opened(fields: Json, name: str) -> str:
    """An object that goes on with a list of this name."""
    return f"{json.dumps(fields, ensure_ascii=False)[:-1]}, {json.dumps(name)}: ["


def _items(views: Iterable[Json]) -> str:
    return ",".join(json.dumps(view, ensure_ascii=False) for view in views)
