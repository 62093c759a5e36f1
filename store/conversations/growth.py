"""Stores new messages of new and existing chats: the chats' rows, messages, participants and index entries."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, update

from core.errors import ConcurrentCreation
from domain.redaction.detections import total
from models import (
    CUSTOMER,
    DAY,
    LATER,
    PROCESSING,
    QUEUED,
    SKIPPED,
    conversations,
    messages,
    participants,
)
from store.conversations.intake import NewMessage, first_positions, roles_of
from store.conversations.revisions import ChatPause, due_at, waiting_since
from store.engine.dialect import insert_on_conflict
from store.engine.vault import vault_of
from store.insights import writing
from store.search import index

INDEXED_AT_ONCE = 200_000
"""Characters that a post's own transaction indexes; longer posts are left to background indexing."""
Values = dict[str, Any]


@dataclass
class GrowingChat:
    """A chat and the messages that are being added to it."""

    id: str
    row: Row[Any] | None
    """The locked row of `conversations`; None if the chat is new."""
    known: dict[str, tuple[int, NewMessage]] = field(default_factory=dict)
    """Stored and new messages with their positions, by message id; only ids that occur in the posts."""
    new: list[NewMessage] = field(default_factory=list)
    can_wait: bool = True
    """Whether an answer within a day will do to whoever sent the new messages."""

    @property
    def before(self) -> int:
        """The number of messages before."""
        return 0 if self.row is None else int(self.row.message_count)

    @property
    def count(self) -> int:
        """The number of messages including the new ones."""
        return self.before + len(self.new)

    @property
    def indexed(self) -> int:
        """The number of messages in the full-text index."""
        return 0 if self.row is None else int(self.row.indexed)

    def placed(self) -> Iterator[tuple[int, NewMessage]]:
        """The new messages with their positions."""
        return enumerate(self.new, self.before + 1)

    def moments(self, now: int) -> list[int]:
        """The times of the new messages; `now` for those without one."""
        return [now if new.timestamp is None else new.timestamp for new in self.new]

    def draft(self) -> "GrowingChat":
        """A copy to work on, which `adopt` takes over."""
        return GrowingChat(self.id, self.row, dict(self.known), list(self.new), self.can_wait)

    def adopt(self, draft: "GrowingChat") -> None:
        """Take over the messages of a draft."""
        self.known, self.new, self.can_wait = draft.known, draft.new, draft.can_wait

    def append(self, message: NewMessage, *, can_wait: bool = False) -> int:
        """Add a message and return its position."""
        self.new.append(message)
        self.can_wait = self.can_wait and can_wait
        if message.message_id is not None:
            self.known[message.message_id] = self.count, message
        return self.count


def write(connection: Connection, chats: Sequence[GrowingChat], pause: ChatPause) -> None:
    """Store the new messages of chats that each have some. Raises ConcurrentCreation."""
    if not chats:
        return
    now = pause.now
    at_once = sum(len(message.text) for chat in chats for message in chat.new) <= INDEXED_AT_ONCE
    indexable = [chat for chat in chats if at_once and chat.indexed == chat.before]
    contents = {
        chat.id: {**_content(chat, now), "indexed": chat.count if chat in indexable else chat.indexed}
        for chat in chats
    }
    numbers = _insert_chats(connection, chats, contents, pause)
    _update_chats(connection, chats, contents, pause)
    said = vault_of(connection).all_sealed(messages, _message_rows(chats, numbers, now))
    connection.execute(insert(messages), [*said])
    _insert_participants(connection, chats, numbers)
    index.add(
        connection,
        (
            index.entry(numbers[chat.id], at, new.text, new.author)
            for chat in indexable
            for at, new in chat.placed()
        ),
    )
    skipped = [chat.row.timestamp for chat in chats if chat.row is not None and chat.row.status == SKIPPED]
    writing.adjust_skipped(connection, skipped, -1)


def _insert_chats(
    connection: Connection, chats: Sequence[GrowingChat], contents: Mapping[str, Values], pause: ChatPause
) -> dict[str, int]:
    """Insert the new chats and return the numbers of all chats."""
    numbers = {chat.id: int(chat.row.number) for chat in chats if chat.row is not None}
    new = [chat for chat in chats if chat.row is None]
    if connection.dialect.name == "postgresql":
        # Sorted, so that two processes that create the same chats cannot deadlock.
        new.sort(key=lambda chat: chat.id)
    now = pause.now
    begun = (
        {"id": chat.id, "timestamp": chat.moments(now)[0], "received_at": now}
        | _queued(chat, pause)
        | contents[chat.id]
        for chat in new
    )
    rows = [*vault_of(connection).all_sealed(conversations, begun)]
    if rows:
        c = conversations.c
        statement = (
            insert_on_conflict(connection.dialect.name, conversations)
            .on_conflict_do_nothing()
            .returning(c.id, c.number)
        )
        numbers |= {row.id: row.number for row in connection.execute(statement, rows)}
    if len(numbers) < len(chats):
        raise ConcurrentCreation
    return numbers


def _queued(chat: GrowingChat, pause: ChatPause) -> Values:
    """The queue state of a new chat."""
    due = due_at(pause.now + pause.quiet, pause.now)
    queued = {"status": QUEUED, "run_at": due, "quiet_at": due, "waiting_since": pause.now, "freshness": None}
    return queued | (_waiting(pause.now + pause.wait, DAY, pause) if chat.can_wait else {})


def _waiting(until: int, freshness: str, pause: ChatPause) -> Values:
    """What is different in the queue state of a chat that can wait: nobody asks since when it does."""
    quiet_at = pause.now + pause.quiet
    until = max(until, quiet_at)
    return {"run_at": until, "quiet_at": quiet_at, "waiting_since": None, "freshness": freshness}


def _update_chats(
    connection: Connection, chats: Sequence[GrowingChat], contents: Mapping[str, Values], pause: ChatPause
) -> None:
    grown = (
        {
            "number": chat.row.number,
            "id": chat.id,
            **contents[chat.id],
            **_state(chat.row, pause, can_wait=chat.can_wait),
        }
        for chat in chats
        if chat.row is not None
    )
    rows = [*vault_of(connection).all_sealed(conversations, grown)]
    if not rows:
        return
    c = conversations.c
    changed: Values = {name: bindparam(f"new_{name}") for name in rows[0] if name not in ("number", "id")}
    connection.execute(
        update(conversations).where(c.number == bindparam("new_number")).values(changed | NEXT_REVISION),
        [{f"new_{name}": value for name, value in row.items()} for row in rows],
    )


NEXT_REVISION: Values = {"revision": conversations.c.revision + 1}
STATE = (
    "status",
    "run_at",
    "waits_for",
    "failures",
    "pack_limit",
    "error",
    "finished_at",
)


def _content(chat: GrowingChat, now: int) -> Values:
    """The columns of a chat's row that depend on its messages."""
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
        "redactions": _redactions(chat),
    }


def _redactions(chat: GrowingChat) -> str | None:
    """What was found in the chat so far, JSON."""
    before = {} if chat.row is None else json.loads(chat.row.redactions or "{}")
    found = total([before, *(new.redactions for new in chat.new)])
    return json.dumps(found) if found else None


def _state(row: Row[Any], pause: ChatPause, *, can_wait: bool) -> Values:
    """The queue state of a conversation after messages were added."""
    now, quiet = pause.now, pause.quiet
    own = {name: getattr(row, name) for name in STATE} | {"freshness": None, "lease": row.lease}
    # Whatever holds one that can wait may do so for hours, and somebody writes in it now.
    held = row.status == PROCESSING and row.freshness is None
    if held:
        # The worker that holds the lease keeps it, and requeues the conversation for the new messages.
        return {**own, "waiting_since": waiting_since(row), "quiet_at": now + quiet}
    is_open = row.status in (QUEUED, PROCESSING)
    since = waiting_since(row) if is_open and row.freshness is None else now
    due = due_at(now + quiet, since)
    anew = own if is_open else {**own, **dict.fromkeys(STATE), "failures": 0}
    queued = {
        **anew,
        "status": QUEUED,
        "lease": None,
        "run_at": due,
        "waits_for": None,
        "waiting_since": since,
        "quiet_at": due,
    }
    return queued | (_still_waiting(row, pause) if can_wait else {})


def _still_waiting(row: Row[Any], pause: ChatPause) -> Values:
    """What is different for one of whose messages none is urgent."""
    if row.status == QUEUED:
        return {} if row.freshness is None else _waiting(row.run_at, row.freshness, pause)
    until = pause.now + pause.wait
    if row.status == PROCESSING:
        # What holds it is paid for nothing, and so would be the next batch.
        return _waiting(min(until, row.run_at), LATER, pause)
    return _waiting(until, DAY, pause)


def _message_rows(chats: Sequence[GrowingChat], numbers: Mapping[str, int], now: int) -> Iterator[Values]:
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


def _insert_participants(
    connection: Connection, chats: Sequence[GrowingChat], numbers: Mapping[str, int]
) -> None:
    rows = [
        {"conversation": numbers[chat.id], "author": author, "position": position, "roles": roles}
        for chat in chats
        for author, position, roles in _participants(chat)
    ]
    if rows:
        new = insert_on_conflict(connection.dialect.name, participants)
        roles = {"roles": participants.c.roles.bitwise_or(new.excluded.roles)}
        connection.execute(
            new.on_conflict_do_update(index_elements=list(participants.primary_key), set_=roles),
            [*vault_of(connection).all_sealed(participants, rows)],
        )


def _participants(chat: GrowingChat) -> Iterator[tuple[str, int, int]]:
    """The authors of the new messages with their first positions and their roles.

    A text that becomes a chat adds its author, who is a customer.
    """
    wrote_the_text = chat.row is not None and not chat.row.is_chat and chat.row.author is not None
    first = {chat.row.author: 1} if wrote_the_text and chat.row is not None else {}
    roles = roles_of(chat.new)
    for author, position in (first_positions(chat.new, chat.before) | first).items():
        yield author, position, roles.get(author, 0) | (CUSTOMER if author in first else 0)
