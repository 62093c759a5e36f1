"""Dialogues as chats: messages with roles, each a row of its own, or all of a dialogue in one object.

A message that has no id is called by its position in its dialogue, so a second run adds nothing, and a file
that has grown adds only what is new. Who has no name is called by role and dialogue: `customer:d-17`.
A dialogue with a message that cannot be read is rejected whole: half of it would be another conversation.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from client.importers import openai, roles
from client.importers.conversations import (
    API_FIELDS,
    Conversation,
    Identities,
    from_object,
    is_exported,
    unused,
)
from client.importers.fields import Fields, Reader, first
from client.importers.rows import Rejected, Row, Rows
from client.wire import encoded

CHAT = ("conversation_id", "chat_id", "dialog_id", "dialogue_id")
NAME = ("message_id",)
# What only a conversation has room for: an object with one of these is sent as a conversation.
OF_CONVERSATIONS = API_FIELDS - {"conversation_id", "messages"}


@dataclass(frozen=True, slots=True)
class Chat:
    """A dialogue as it is sent: the line of the file where it starts, its messages in order, JSON in UTF-8.

    `dated` is false where a message does not say when it was said. `ids_last`: a message keeps its id whatever becomes
    of the others, so one that is known with other content was edited; else it may be another message.
    """

    line: int
    messages: Sequence[bytes]
    dated: bool = True
    ids_last: bool = False


Record = Conversation | Chat | Rejected


def are_in(names: Collection[str], reader: Reader) -> bool:
    """Whether a row with these columns is a message of a dialogue."""
    known = (CHAT, roles.NAMES, reader.text)
    return all(not set(some).isdisjoint(names) for some in known) and not is_exported(names)


def is_dialogue(fields: Fields) -> bool:
    """Whether an object is a dialogue whose every turn has a role, and nothing that only a conversation has."""
    turns = fields.get("messages")
    return (
        isinstance(turns, list)
        and bool(turns)
        and first(fields, CHAT) is not None
        and OF_CONVERSATIONS.isdisjoint(fields)
        and all(isinstance(turn, dict) and first(turn, roles.NAMES) is not None for turn in turns)
    )


def from_objects(objects: Rows, dialogues: "Dialogues") -> Iterator[Record]:
    """What the objects of a file are: dialogues, messages of dialogues (which come last), or conversations."""
    identities = Identities()
    for each in objects:
        row = each
        if isinstance(row, Row) and openai.is_one(row.fields):
            row = _of_model(row, dialogues.reader)
        if isinstance(row, Rejected):
            yield row
        elif is_dialogue(row.fields):
            yield dialogues.whole(row)
        elif not are_in(row.fields, dialogues.reader):
            if record := from_object(row, dialogues.reader, identities):
                yield record
        elif (rejected := dialogues.take(row)) is not None:
            yield rejected
    yield from dialogues.chats()


def _of_model(row: Row, reader: Reader) -> Row | Rejected:
    try:
        return Row(row.line, openai.plain(row.fields, reader), row.beside)
    except ValueError as error:
        return Rejected(row.line, str(error))


class Dialogues:
    """The dialogues of a file. Messages in rows of their own wait in a temporary SQLite file until all are there."""

    def __init__(self, reader: Reader | None = None) -> None:
        self.reader = reader or Reader()
        self.taken = 0
        """Rows that were taken in."""
        self.given = 0
        """How many of them the chats given out so far hold, and the rejected dialogues."""
        self._rows_of: Counter[str] = Counter()
        self._numbers: dict[str, int] = {}
        self._spool = sqlite3.connect("", isolation_level=None)  # a file without a name cannot be left behind
        self._spool.executescript("""
            PRAGMA journal_mode = OFF;
            CREATE TABLE messages (chat INTEGER, position INTEGER, line INTEGER, said_at, body BLOB, wrong,
                                   PRIMARY KEY (chat, position)) WITHOUT ROWID;
            BEGIN;
        """)

    def close(self) -> None:
        """Gives the disk back."""
        self._spool.close()

    def whole(self, row: Row) -> Chat | Rejected:
        """The chat of an object that is a dialogue; one bad turn rejects all of it."""
        turns = []
        try:
            chat = self._chat_of(row.fields)
            for position, turn in enumerate(row.fields["messages"], 1):
                if self._is_sent(turn):
                    turns.append(self._numbered(turn, chat, position))
        except ValueError as error:
            return Rejected(row.line, str(error))
        self.reader.fields_left_out.update(row.fields.keys() - {"messages", *CHAT})
        return _chat(row.line, turns) if turns else Rejected(row.line, NOBODY_SPEAKS)

    def take(self, row: Row | Rejected) -> Rejected | None:
        """Takes a message in, also one that cannot be read: its dialogue is then rejected. None if it was taken."""
        fields = row.fields or {}
        try:
            chat = self._chat_of(fields)
        except ValueError as error:
            return row if isinstance(row, Rejected) else Rejected(row.line, str(error))
        self._rows_of[chat] += 1
        if isinstance(row, Rejected):
            self._spooled(chat, row.line, None, None, row.reason)
        elif self._is_sent(fields):
            self._take(chat, row)
        return None

    def _take(self, chat: str, row: Row) -> None:
        try:
            said_at, body = self._message(row.fields, chat, self._rows_of[chat])
        except ValueError as error:
            self._spooled(chat, row.line, None, None, str(error))
        else:
            self._spooled(chat, row.line, said_at, body, None)

    def _spooled(self, chat: str, line: int, *rest: object) -> None:
        number = self._numbers.setdefault(chat, len(self._numbers))
        values = (number, self._rows_of[chat], line, *rest)
        self._spool.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", values)
        self.taken += 1

    def chats(self) -> Iterator[Chat | Rejected]:
        """Every message that was taken in once, by its dialogue, in the order in which these began."""
        rows = self._spool.execute(
            "SELECT chat, line, said_at, body, wrong FROM messages ORDER BY chat, position"
        )
        for _, together in groupby(rows, itemgetter(0)):
            turns = list(together)
            self.given += len(turns)
            yield _rejected(turns) or _chat(
                turns[0][1], [(said_at, body) for _, _, said_at, body, _ in turns]
            )

    def _chat_of(self, fields: Fields) -> str:
        found = self.reader.own_id(fields, CHAT)
        if found is None:
            raise ValueError("there is no conversation_id")
        return self.reader.named(found.text)

    def _is_sent(self, turn: Fields) -> bool:
        if kind := roles.left_out(turn):
            self.reader.left_out[kind] += 1
        return kind is None

    def _numbered(self, turn: Fields, chat: str, position: int) -> tuple[str | None, bytes]:
        try:
            return self._message(turn, chat, position)
        except ValueError as error:
            raise ValueError(f"message {position}: {error}") from None

    def _message(self, fields: Fields, chat: str, position: int) -> tuple[str | None, bytes]:
        """When it was said, and the message as the HTTP API takes it. Raises ValueError."""
        role = roles.role_of(fields)
        if role is None:
            raise ValueError("the role is neither customer nor support_agent")
        said, author, said_at = (
            self.reader.said(fields),
            self.reader.author(fields),
            self.reader.said_at(fields),
        )
        own_id = self.reader.own_id(fields, NAME)
        message = {
            "conversation_id": chat,
            "message_id": own_id.text if own_id else str(position),
            "user_id": author.text if author else f"{role}:{chat}",
            "user_type": role,
            "message_content": said.text,
            "timestamp": said_at and said_at.text,
        }
        used = {found.name for found in (said, author, said_at, own_id) if found}
        self.reader.fields_left_out.update(unused(fields, used | {first(fields, CHAT) or ""}))
        body = encoded({name: value for name, value in message.items() if value is not None})
        return (said_at and said_at.text), body


NOBODY_SPEAKS = "there are no messages from a customer or an agent"


def _rejected(turns: Sequence[tuple[Any, ...]]) -> Rejected | None:
    """The rejection of a dialogue, with the line of its first row that cannot be read; None where all can be."""
    for _, line, _, _, wrong in turns:
        if wrong is not None:
            return Rejected(line, f"{wrong}{whole_of(len(turns))}")
    return None


def whole_of(turns: int) -> str:
    """What is said of the others when one turn rejects its conversation."""
    return "" if turns == 1 else f" (none of the conversation's {turns:,} turns is sent)"


def _chat(line: int, turns: Iterable[tuple[str | None, bytes]]) -> Chat:
    """In the order of time where every turn has one, as the service would within one request; else as they stand."""
    known = list(turns)
    dated = all(said_at is not None for said_at, _ in known)
    if dated:
        known.sort(key=lambda turn: turn[0] or "")
    return Chat(line, [body for _, body in known], dated)
