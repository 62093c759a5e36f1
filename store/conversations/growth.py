"""Chats begin and grow: their rows, their messages, who takes part, and the words by which they are found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, update

from core.errors import Raced
from models import PROCESSING, QUEUED, SKIPPED, conversations, messages, participants
from store.conversations.intake import NewMessage, first_messages
from store.conversations.revisions import due_at, waiting_since
from store.engine.dialect import insert_or
from store.insights import writing
from store.search import index

INDEXED_AT_ONCE = 200_000
"""Characters that a post's own transaction indexes; more is left to who indexes in the background."""
Values = dict[str, Any]


@dataclass
class Growing:
    """A chat that is being added to."""

    id: str
    row: Row[Any] | None
    """Of `conversations`, locked; None where the chat is new."""
    known: dict[str, tuple[int, NewMessage]] = field(default_factory=dict)
    """Messages by the ids that are in question, with their positions."""
    new: list[NewMessage] = field(default_factory=list)

    @property
    def before(self) -> int:
        """How many messages it had."""
        return 0 if self.row is None else int(self.row.message_count)

    @property
    def count(self) -> int:
        """How many messages it has with the new ones."""
        return self.before + len(self.new)

    @property
    def indexed(self) -> int:
        """How many of its messages are in the index."""
        return 0 if self.row is None else int(self.row.indexed)

    def placed(self) -> Iterator[tuple[int, NewMessage]]:
        """The new messages with their positions."""
        return enumerate(self.new, self.before + 1)

    def moments(self, now: int) -> list[int]:
        """When the new messages were said; not said when is now."""
        return [now if new.timestamp is None else new.timestamp for new in self.new]

    def draft(self) -> "Growing":
        """A copy that may be thrown away."""
        return Growing(self.id, self.row, dict(self.known), list(self.new))

    def take(self, draft: "Growing") -> None:
        """Become what the draft is."""
        self.known, self.new = draft.known, draft.new

    def append(self, message: NewMessage) -> int:
        """Add a message; its position."""
        self.new.append(message)
        if message.message_id is not None:
            self.known[message.message_id] = self.count, message
        return self.count


def write(connection: Connection, chats: Sequence[Growing], *, now: int, quiet: int) -> None:
    """Store what is new of chats, of which each has something. Raises Raced."""
    if not chats:
        return
    at_once = sum(len(message.text) for chat in chats for message in chat.new) <= INDEXED_AT_ONCE
    found = [chat for chat in chats if at_once and chat.indexed == chat.before]
    contents = {chat.id: {**_content(chat, now), "indexed": _indexed(chat, chat in found)} for chat in chats}
    numbers = _begin(connection, chats, contents, now=now, quiet=quiet)
    _grow(connection, chats, contents, now=now, quiet=quiet)
    connection.execute(insert(messages), [*_messages(chats, numbers, now)])
    _join(connection, chats, numbers)
    index.add(
        connection,
        (
            index.entry(numbers[chat.id], at, new.text, new.author)
            for chat in found
            for at, new in chat.placed()
        ),
    )
    skipped = [chat.row.timestamp for chat in chats if chat.row is not None and chat.row.status == SKIPPED]
    writing.count_skipped(connection, skipped, -1)


def _begin(
    connection: Connection, chats: Sequence[Growing], contents: Mapping[str, Values], *, now: int, quiet: int
) -> dict[str, int]:
    """The numbers of all chats, after the new ones have got theirs."""
    numbers = {chat.id: int(chat.row.number) for chat in chats if chat.row is not None}
    new = [chat for chat in chats if chat.row is None]
    if connection.dialect.name == "postgresql":
        # Two processes that begin the same chats wait for each other in one direction.
        new.sort(key=lambda chat: chat.id)
    due = due_at(now + quiet, now)
    queued = {"status": QUEUED, "run_at": due, "waiting_since": now, "quiet_at": due, "received_at": now}
    rows = [{"id": chat.id, "timestamp": chat.moments(now)[0], **queued, **contents[chat.id]} for chat in new]
    if rows:
        c = conversations.c
        statement = (
            insert_or(connection.dialect.name, conversations)
            .on_conflict_do_nothing()
            .returning(c.id, c.number)
        )
        numbers |= {row.id: row.number for row in connection.execute(statement, rows)}
    if len(numbers) < len(chats):
        raise Raced
    return numbers


def _grow(
    connection: Connection, chats: Sequence[Growing], contents: Mapping[str, Values], *, now: int, quiet: int
) -> None:
    rows = [
        {"number": chat.row.number, **contents[chat.id], **_state(chat.row, now=now, quiet=quiet)}
        for chat in chats
        if chat.row is not None
    ]
    if not rows:
        return
    c = conversations.c
    changed: Values = {name: bindparam(f"new_{name}") for name in rows[0] if name != "number"}
    connection.execute(
        update(conversations).where(c.number == bindparam("new_number")).values(changed | MOVES_ON),
        [{f"new_{name}": value for name, value in row.items()} for row in rows],
    )


MOVES_ON: Values = {"revision": conversations.c.revision + 1}
STATE = (
    "status",
    "run_at",
    "waits_for",
    "failures",
    "pack_limit",
    "error",
    "finished_at",
)


def _content(chat: Growing, now: int) -> Values:
    """What the row of a chat says of its messages."""
    row, moments = chat.row, chat.moments(now)
    if row is not None:
        moments += [row.timestamp] if row.said_from is None else [row.said_from, row.said_until]
    known = None if row is None else row.author
    customers = (new.author for new in chat.new if new.role != "support_agent")
    return {
        "is_chat": True,
        "author": next((author for author in (known, *customers) if author is not None), None),
        "message_count": chat.count,
        "said_from": min(moments),
        "said_until": max(moments),
        "updated_at": now,
    }


def _indexed(chat: Growing, found: bool) -> int:
    return chat.count if found else chat.indexed


def _state(row: Row[Any], *, now: int, quiet: int) -> Values:
    """How a conversation stands when messages have come to it."""
    own = {name: getattr(row, name) for name in STATE}
    if row.status == PROCESSING:
        # Who holds it keeps it, and queues it again for what has come.
        return {**own, "waiting_since": waiting_since(row), "quiet_at": now + quiet}
    since = waiting_since(row) if row.status == QUEUED else now
    due = due_at(now + quiet, since)
    anew = own if row.status == QUEUED else {**dict.fromkeys(STATE), "failures": 0}
    return {
        **anew,
        "status": QUEUED,
        "run_at": due,
        "waits_for": None,
        "waiting_since": since,
        "quiet_at": due,
    }


def _messages(chats: Sequence[Growing], numbers: Mapping[str, int], now: int) -> Iterator[Values]:
    for chat in chats:
        for position, new in chat.placed():
            yield {
                "conversation": numbers[chat.id],
                "position": position,
                "message_id": new.message_id,
                "author": new.author,
                "role": new.role,
                "timestamp": new.timestamp,
                "received_at": now,
                "text": new.text,
            }


def _join(connection: Connection, chats: Sequence[Growing], numbers: Mapping[str, int]) -> None:
    rows = [
        {"conversation": numbers[chat.id], "author": author, "position": position}
        for chat in chats
        for author, position in _participants(chat).items()
    ]
    if rows:
        connection.execute(insert_or(connection.dialect.name, participants).on_conflict_do_nothing(), rows)


def _participants(chat: Growing) -> dict[str, int]:
    """Who may have to be noted, and since which message; of a text that becomes a chat its author as well."""
    wrote_the_text = chat.row is not None and not chat.row.is_chat and chat.row.author is not None
    first = {chat.row.author: 1} if wrote_the_text and chat.row is not None else {}
    return first_messages(chat.new, chat.before) | first
