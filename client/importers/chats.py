"""Dialogues as chats: messages with roles, each a row of its own, or all of a dialogue in one object.

A message that has no id is called by its position in its dialogue, so a second run adds nothing, and a file
that has grown adds only what is new. Who has no name is called by role and dialogue: `customer:d-17`.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from client.importers.conversations import (
    AUTHOR,
    FIELDS,
    TEXT,
    TIMESTAMP,
    Conversation,
    Identities,
    from_object,
    moment,
    sayable,
)
from client.importers.rows import Rejected, Row, Rows
from client.wire import encoded

CHAT = ("conversation_id", "chat_id", "dialog_id", "dialogue_id")
ROLE = ("role", "user_type", "inbound")
ROLES = {
    **dict.fromkeys(("customer", "user", "true", "1"), "customer"),
    **dict.fromkeys(("support_agent", "agent", "false", "0"), "support_agent"),
}
NAME = "message_id"
# What only a conversation has room for: an object with one of these is sent as a conversation.
OF_CONVERSATIONS = FIELDS - {"conversation_id", "messages"}
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chat:
    """A dialogue as it is sent: the line of the file where it starts, its messages in order, JSON in UTF-8."""

    line: int
    messages: Sequence[bytes]


Record = Conversation | Chat | Rejected


def are_in(names: Collection[str]) -> bool:
    """Whether a row with these columns is a message of a dialogue."""
    return all(not set(some).isdisjoint(names) for some in (CHAT, ROLE, TEXT))


def is_dialogue(fields: Fields) -> bool:
    """Whether an object is a dialogue whose every turn has a role, and nothing that only a conversation has."""
    turns = fields.get("messages")
    return (
        isinstance(turns, list)
        and bool(turns)
        and _first(fields, CHAT) is not None
        and OF_CONVERSATIONS.isdisjoint(fields)
        and all(isinstance(turn, dict) and _first(turn, ROLE) is not None for turn in turns)
    )


def from_objects(objects: Rows, dialogues: "Dialogues") -> Iterator[Record]:
    """What the objects of a file are: dialogues, messages of dialogues (which come last), or conversations."""
    identities = Identities("")
    for row in objects:
        if isinstance(row, Rejected):
            yield row
        elif is_dialogue(row.fields):
            yield dialogues.whole(row)
        elif not are_in(row.fields):
            yield from_object(row, identities)
        elif (rejected := dialogues.take(row)) is not None:
            yield rejected
    yield from dialogues.chats()


class Dialogues:
    """The dialogues of a file. `left_out` counts the fields for which a chat has no place.

    Messages in rows of their own are kept in a temporary SQLite file until all are there.
    """

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self.taken = 0
        """Rows that are to be sent."""
        self.given = 0
        """How many of them the chats given out so far hold."""
        self._rows_of: Counter[str] = Counter()
        self._numbers: dict[str, int] = {}
        self._spool = sqlite3.connect("", isolation_level=None)  # a file without a name cannot be left behind
        self._spool.executescript("""
            PRAGMA journal_mode = OFF;
            CREATE TABLE messages (chat INTEGER, position INTEGER, line INTEGER, said_at, body BLOB,
                                   PRIMARY KEY (chat, position)) WITHOUT ROWID;
            BEGIN;
        """)

    def close(self) -> None:
        """Gives the disk back."""
        self._spool.close()

    def whole(self, row: Row) -> Chat | Rejected:
        """The chat of an object that is a dialogue; one bad turn rejects all of it."""
        chat = str(_first(row.fields, CHAT))
        turns = []
        for position, turn in enumerate(row.fields["messages"], 1):
            try:
                turns.append(self._message(turn, chat, position))
            except ValueError as error:
                return Rejected(row.line, f"message {position}: {error}")
        self.left_out.update(row.fields.keys() - {"messages", *CHAT})
        return Chat(row.line, _in_order(turns))

    def take(self, row: Row) -> Rejected | None:
        """Takes a message in. One that cannot be sent keeps its position, and the others theirs."""
        chat = str(_first(row.fields, CHAT) or "")
        if not chat:
            return Rejected(row.line, "there is no conversation_id")
        self._rows_of[chat] += 1
        position = self._rows_of[chat]
        try:
            said_at, body = self._message(row.fields, chat, position)
        except ValueError as error:
            return Rejected(row.line, str(error))
        number = self._numbers.setdefault(chat, len(self._numbers))
        values = (number, position, row.line, said_at, body)
        self._spool.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", values)
        self.taken += 1
        return None

    def chats(self) -> Iterator[Chat]:
        """Every message that was taken in once, by its dialogue, in the order in which these began."""
        rows = self._spool.execute("SELECT chat, line, said_at, body FROM messages ORDER BY chat, position")
        for _, together in groupby(rows, itemgetter(0)):
            turns = list(together)
            self.given += len(turns)
            yield Chat(turns[0][1], _in_order([(said_at, body) for _, _, said_at, body in turns]))

    def _message(self, fields: Fields, chat: str, position: int) -> tuple[str | None, bytes]:
        """When it was said, and the message as the HTTP API takes it. Raises ValueError."""
        role = ROLES.get(str(_first(fields, ROLE)).strip().lower())
        if role is None:
            raise ValueError("the role is neither customer nor support_agent")
        written = _first(fields, TIMESTAMP)
        said_at = None if written is None else moment(str(written))
        message = {
            "conversation_id": chat,
            "message_id": str(_first(fields, (NAME,)) or position),
            "user_id": str(_first(fields, AUTHOR) or f"{role}:{chat}"),
            "user_type": role,
            "message_content": sayable(_first(fields, TEXT)),
            "timestamp": said_at,
        }
        self.left_out.update(_left_out(fields))
        return said_at, encoded({name: value for name, value in message.items() if value is not None})


def _first(fields: Fields, names: Sequence[str]) -> Any:
    """The first value under one of the names, None where there is none."""
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), None)


def _left_out(fields: Fields) -> Iterator[str]:
    """The fields with a value of which a message has made no use."""
    used = {next((name for name in names if fields.get(name) not in (None, "")), "") for names in KINDS}
    return (name for name, value in fields.items() if name not in used and value not in (None, ""))


KINDS = (CHAT, ROLE, TEXT, AUTHOR, TIMESTAMP, (NAME,))


def _in_order(turns: Iterable[tuple[str | None, bytes]]) -> Sequence[bytes]:
    """By time where every turn has one, as the service would within one request; else as they stand."""
    known = list(turns)
    if all(said_at is not None for said_at, _ in known):
        known.sort(key=lambda turn: turn[0] or "")
    return [body for _, body in known]
