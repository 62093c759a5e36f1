"""Chats on their way from a file to the service: on disk until all of a file is there, so that memory stays constant.

A chat with a message that cannot be read is rejected whole. One that is longer than the service takes comes in parts,
with `:2`, `:3` and so on behind its name; a message keeps its part when the file grows.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from client.importers.base import Rejected
from client.importers.chats import Chat, whole_of
from client.importers.fields import MAX_AUTHOR, MAX_TEXT, Reader, sayable
from client.importers.files import Unreadable
from client.importers.said import Entry, Messages, Said, Spoiled, chat_id
from client.wire import encoded
from domain.helpdesk.messages import pieces

MOST_MESSAGES = 50_000
"""What the service takes of a chat."""
REPEATED = "repeated message"
VERSION = "other version"
"""Of a message that is in the file before: edited since, or a mail that came by way of a list as well."""


class Spool:
    """The messages of a file, taken in one by one, given out as chats."""

    def __init__(self, reader: Reader, *, most: int = MOST_MESSAGES) -> None:
        self.taken = 0
        """Messages that were taken in."""
        self.given = 0
        """How many of them the chats given out so far hold, and the rejected ones."""
        self._reader = reader
        self._most = most
        self._last: tuple[str, int] = ("", 0)
        self._ids_last = False
        self._file = sqlite3.connect("", isolation_level=None)  # a file without a name cannot be left behind
        self._file.executescript("""
            PRAGMA journal_mode = OFF;
            CREATE TABLE chats (number INTEGER PRIMARY KEY, name TEXT UNIQUE, wrong TEXT, wrong_line INTEGER);
            CREATE TABLE messages (at INTEGER PRIMARY KEY, chat INTEGER, line INTEGER, id TEXT, said_at TEXT,
                                   body BLOB);
            BEGIN;
        """)

    def close(self) -> None:
        """Gives the disk back."""
        self._file.close()

    def take(self, entry: Entry) -> Rejected | None:
        """Takes a message in, also one that cannot be read: its chat is then rejected. None if it was taken."""
        if isinstance(entry, Rejected):
            return entry
        if isinstance(entry, Spoiled):
            self._spoil(entry)
        elif len(entry.text) <= MAX_TEXT:
            self._keep(entry)
        else:
            for id_, text in pieces(entry.id, entry.text, MAX_TEXT):
                self._keep(replace(entry, id=id_, text=text))
        return None

    def _keep(self, said: Said) -> None:
        try:
            body = _body(said, self._reader.named(said.chat))
        except ValueError as error:
            self._spoil(Spoiled(said.line, said.chat, str(error)))
            return
        self.taken += 1
        row = (self._number(said.chat), said.line, said.id, said.said_at, body)
        self._file.execute("INSERT INTO messages (chat, line, id, said_at, body) VALUES (?, ?, ?, ?, ?)", row)

    def _number(self, chat: str) -> int:
        if self._last[0] == chat:
            return self._last[1]
        self._file.execute("INSERT OR IGNORE INTO chats (name) VALUES (?)", (chat,))
        ((number,),) = self._file.execute("SELECT number FROM chats WHERE name = ?", (chat,))
        self._last = (chat, number)
        return int(number)

    def _spoil(self, entry: Spoiled) -> None:
        self.taken += 1
        number = self._number(entry.chat)
        self._file.execute(
            "UPDATE chats SET wrong = ?, wrong_line = ? WHERE number = ? AND wrong IS NULL",
            (entry.reason, entry.line, number),
        )
        row = (number, entry.line)
        self._file.execute("INSERT INTO messages (chat, line) VALUES (?, ?)", row)

    def settle(self, messages: Messages) -> None:
        """Has to be called when all is taken in. Raises Unreadable where sending it would do harm."""
        self._ids_last = messages.ids_last
        if messages.names_agents and self.taken:
            self._reader.agents.check(may_be_silent=messages.may_be_one_sided)
        if messages.small_ids and not self._reader.source and self._has_small_ids():
            raise Unreadable(
                "the ids are small numbers, which another help desk has as well: --source NAME goes before them, so "
                "that ticket 1 of two help desks is two"
            )
        if self._file.execute("SELECT count(*) FROM chats").fetchone()[0] > 1:
            self._file.execute("CREATE INDEX messages_of_chats ON messages (chat)")
        self._join(messages)

    def _has_small_ids(self) -> bool:
        small = "SELECT 1 FROM chats WHERE name NOT GLOB '*[^0-9]*' AND length(name) < 10 LIMIT 1"
        return self._file.execute(small).fetchone() is not None

    def _join(self, messages: Messages) -> None:
        """Puts what turned out to be one chat together."""
        last = 0
        some = "SELECT number, name FROM chats WHERE number > ? ORDER BY number LIMIT 1000"
        while rows := self._file.execute(some, (last,)).fetchall():
            for number, name in rows:
                root = messages.root_of(name)
                if root != name:
                    self._move(number, self._number(root))
            last = number

    def _move(self, number: int, into: int) -> None:
        self._file.execute("UPDATE messages SET chat = ? WHERE chat = ?", (into, number))
        self._file.execute(
            "UPDATE chats SET (wrong, wrong_line) = (SELECT wrong, wrong_line FROM chats WHERE number = ?) "
            "WHERE number = ? AND wrong IS NULL",
            (number, into),
        )

    def chats(self) -> Iterator[Chat | Rejected]:
        """Every message that was taken in once, by its chat, in the order in which these began."""
        chats = self._file.execute("SELECT number, name, wrong, wrong_line FROM chats ORDER BY number")
        for number, name, wrong, line in chats:
            rows = self._file.execute(
                "SELECT line, id, said_at, body FROM messages WHERE chat = ? ORDER BY at", (number,)
            )
            if wrong is None:
                yield from self._parts(name, rows)
            elif turns := sum(1 for _ in rows):
                self.given += turns
                yield Rejected(line, f"{wrong}{whole_of(turns)}")

    def _parts(self, name: str, rows: sqlite3.Cursor) -> Iterator[Chat | Rejected]:
        part = 1
        while some := rows.fetchmany(self._most):
            self.given += len(some)
            yield self._chat(name if part == 1 else f"{name}:{part}", some)
            part += 1

    def _chat(self, name: str, rows: Sequence[tuple[Any, ...]]) -> Chat | Rejected:
        line = rows[0][0]
        known: dict[str, tuple[Any, ...]] = {}
        for row in rows:
            before = known.setdefault(row[1], row)
            if before is row:
                continue
            is_same = before[3] == row[3]
            if not is_same and not self._ids_last:
                reason = f"a message before it has the same id and another content{whole_of(len(rows))}"
                return Rejected(row[0], reason)
            self._reader.left_out[REPEATED if is_same else VERSION] += 1
        dated = all(said_at is not None for _, _, said_at, _ in known.values())
        sent = sorted(known.values(), key=_moment) if dated else list(known.values())
        start = encoded({"conversation_id": chat_id(self._reader.named(name))})[:-1] + b","
        return Chat(line, [start + body[1:] for _, _, _, body in sent], dated, self._ids_last)


def _moment(row: tuple[Any, ...]) -> tuple[str, int, str]:
    """By time, and within a second by id: numbers that count up stay in their order."""
    _, id_, said_at, _ = row
    return said_at, len(id_), id_


def _body(said: Said, chat: str) -> bytes:
    """The message as the HTTP API takes it, without its chat. Raises ValueError."""
    user = said.user or f"{said.role}:{chat}"[:MAX_AUTHOR]
    if len(user) > MAX_AUTHOR:
        raise ValueError(f"the author has {len(user)} characters, {MAX_AUTHOR} are allowed")
    if len(said.id) > MAX_AUTHOR or said.id.startswith("#"):
        raise ValueError(f"the id of the message begins with # or has more than {MAX_AUTHOR} characters")
    message: Mapping[str, object] = {
        "message_id": said.id,
        "user_id": user,
        "user_type": said.role,
        "message_content": sayable(said.text),
        **({"timestamp": said.said_at} if said.said_at else {}),
    }
    try:
        return encoded(message)
    except UnicodeEncodeError:
        raise ValueError("holds bytes that are no text in this encoding; --encoding names another") from None
