"""Which column of a file becomes what, in a line for whoever sends it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from client.importers import chats, roles, threads
from client.importers.base import Row, Rows
from client.importers.conversations import is_exported
from client.importers.fields import AUTHOR, Reader
from client.importers.tables import Table

LOOKED_AT = 1_000
"""Rows. Objects may have other fields later in the file."""
SHOWN_COLUMNS = 20
SECOND_CHOICE = " or "
"""Of several columns the first counts that has a value."""


def columns_of(rows: Rows, found: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """The columns of a table; of objects the names that the first of them, `found`, have."""
    if isinstance(rows, Table):
        return rows.columns
    return list(dict.fromkeys(name for fields in found for name in fields))


def where_it_goes(rows: Rows, reader: Reader) -> str:
    """What becomes the text, the time, the id and the author, and where all else goes."""
    found = [row.fields for row in rows.peek(LOOKED_AT) if isinstance(row, Row)]
    columns = columns_of(rows, found)
    if is_exported(columns):
        return "What goes where: each insight is sent as its conversation, under its own id"
    if any("messages" in fields for fields in found):
        return "What goes where: text, time, author and role are those of each message in messages"
    places = _places(rows, columns, reader)
    return f"What goes where: {'; '.join(f'{place}: {_printable(names)}' for place, names in places)}"


def _places(rows: Rows, columns: Sequence[str], reader: Reader) -> Iterator[tuple[str, str]]:
    """Each place with the columns for it."""
    used: set[str] = set()

    def of(names: Sequence[str], without: str) -> str:
        there = [name for name in names if name in columns]
        used.update(there)
        return SECOND_CHOICE.join(there) or without

    are_tweets = isinstance(rows, Table) and threads.are_in(columns)
    are_messages = not are_tweets and chats.are_in(columns, reader)
    yield "text", of(reader.text, "none")
    yield "time", of(reader.timestamp, "none, so the time of intake")
    if are_tweets:
        yield "id", of(("tweet_id",), "none")
        yield "replies", of(threads.REPLIES, "none").replace(SECOND_CHOICE, ", ")
    elif are_messages:
        yield "conversation", of(chats.CHAT, "none")
        yield "id", of(chats.NAME, "none, so the place in the conversation")
    else:
        yield "id", of(("conversation_id", *reader.identity), "none, so a hash of the content")
    yield "author", of(AUTHOR, "none")
    if are_tweets or are_messages:
        yield "role", of(("inbound",) if are_tweets else roles.NAMES, "none")
    rest = [name for name in columns if name and name not in used]
    if rest:
        yield "left out" if are_tweets or are_messages else "metadata", _listed(rest)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_COLUMNS
    return ", ".join(names[:SHOWN_COLUMNS]) + (f" and {more:,} more" if more > 0 else "")


def _printable(names: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in names)
