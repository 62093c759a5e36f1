"""Adds messages to chats: many posts in one transaction, each stored wholly or not at all, with its own outcome."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, tuple_

from models import conversations, messages
from store.conversations import growth
from store.conversations.by_id import has_id_among
from store.conversations.growth import GrowingChat
from store.conversations.intake import NewMessage
from store.conversations.revisions import ChatPause
from store.engine.vault import vault_of

MAX_MESSAGES = 50_000
# Raw data and metadata are up to 80 KB, which adding messages need not read.
WITHOUT_EXTRAS = tuple(column for column in conversations.c if column.name not in ("raw_data", "metadata"))


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """A message and the id of its chat."""

    chat: str
    message: NewMessage
    sent_hash: bytes | None = None
    """`message_hash` of the message as it was sent, if it is stored in another form."""
    can_wait: bool = False
    """Whether an answer within a day will do."""


@dataclass(frozen=True, slots=True)
class PlacedMessage:
    """A stored message; `created` is False if it was already known."""

    position: int
    message_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class MessageConflict:
    """Nothing of the post was stored, because some message ids are known with other content."""

    at: Sequence[int]
    """The indices of those messages in the post."""


@dataclass(frozen=True, slots=True)
class ChatTooLong:
    """Nothing of the post was stored, because a chat would exceed MAX_MESSAGES."""

    at: int
    """The index in the post of the first message beyond the limit."""


PostOutcome = Sequence[PlacedMessage] | MessageConflict | ChatTooLong


def generated_id(position: int) -> str:
    """The id of a message that was sent without one. Senders' ids must not look like it."""
    return f"#{position}"


def add_messages(
    connection: Connection, posts: Sequence[Sequence[PostedMessage]], *, now: int, quiet: int, wait: int = 0
) -> list[PostOutcome]:
    """Store the new messages of each post, in order, and return one outcome per post.

    A chat is due after it has been quiet for `quiet` microseconds, one that can wait after `wait`. Raises
    ConcurrentCreation.
    """
    chats = _lock_chats(connection, [each for post in posts for each in post])
    outcomes = [_place(post, chats) for post in posts]
    growth.write(connection, [chat for chat in chats.values() if chat.new], ChatPause(now, quiet, wait))
    return outcomes


def _lock_chats(connection: Connection, posted: Sequence[PostedMessage]) -> dict[str, GrowingChat]:
    c = conversations.c
    ids = list(dict.fromkeys(each.chat for each in posted))
    # Every transaction locks conversations in the order of their numbers.
    found = select(*WITHOUT_EXTRAS).where(has_id_among(ids)).order_by(c.number).with_for_update()
    vault = vault_of(connection)
    rows = {row.id: row for row in vault.all_opened(conversations, connection.execute(found).all())}
    chats = {id_: GrowingChat(id_, rows.get(id_)) for id_ in ids}
    numbered = {row.number: chats[id_] for id_, row in rows.items()}
    sent_ids = [
        (rows[each.chat].number, each.message.message_id)
        for each in posted
        if each.chat in rows and each.message.message_id is not None
    ]
    for number, position, message in _known_messages(connection, sent_ids):
        numbered[number].known[message.message_id or ""] = position, message
    return chats


def _known_messages(
    connection: Connection, ids: Sequence[tuple[int, str]]
) -> list[tuple[int, int, NewMessage]]:
    """The stored messages with these ids: number of the chat, position, content."""
    if not ids:
        return []
    m = messages.c
    named = tuple_(m.conversation, m.message_id).in_(ids)
    found = connection.execute(select(messages).where(named, m.message_id.is_not(None))).all()
    rows = vault_of(connection).all_opened(messages, found)
    return [
        (
            row.conversation,
            row.position,
            NewMessage(row.text, row.author, row.role, row.timestamp, row.message_id),
        )
        for row in rows
    ]


def count_known(connection: Connection, ids: Sequence[tuple[str, str]]) -> int:
    """How many of these messages are stored, by the id of the chat and their own."""
    c, m = conversations.c, messages.c
    both = select(func.count()).select_from(messages.join(conversations, c.number == m.conversation))
    named = tuple_(c.id, m.message_id).in_(ids)
    here = has_id_among({chat for chat, _ in ids})
    return connection.scalar(both.where(here, named, m.message_id.is_not(None))) or 0


# --- outcomes -----------------------------------------------------------------------------------------------


def _place(posted: Sequence[PostedMessage], chats: Mapping[str, GrowingChat]) -> PostOutcome:
    """Assign positions to a post's messages. A post that cannot be stored wholly changes no chat."""
    drafts: dict[str, GrowingChat] = {}
    placed: list[PlacedMessage] = []
    conflicts: list[int] = []
    for index, each in enumerate(posted):
        draft = drafts.setdefault(each.chat, chats[each.chat].draft())
        known = draft.known.get(each.message.message_id or "")
        if known is not None:
            position, before = known
            conflicts += [] if _same_content(before, each) else [index]
            placed.append(PlacedMessage(position, each.message.message_id or "", created=False))
        elif draft.count == MAX_MESSAGES:
            return ChatTooLong(index)
        else:
            position = draft.append(each.message, can_wait=each.can_wait)
            placed.append(
                PlacedMessage(position, each.message.message_id or generated_id(position), created=True)
            )
    if conflicts:
        return MessageConflict(conflicts)
    for id_, draft in drafts.items():
        chats[id_].adopt(draft)
    return placed


def _same_content(known: NewMessage, posted: PostedMessage) -> bool:
    """Whether two messages have the same content, or had it before the second was redacted."""
    before = _hash(known)
    return before in (_hash(posted.message), posted.sent_hash)


def _hash(message: NewMessage) -> bytes:
    return message_hash(message.text, message.author, message.role, message.timestamp)


def message_hash(text: str, author: str | None, role: str | None, timestamp: int | None) -> bytes:
    """SHA-256 of a message's content. The default role is customer."""
    content = json.dumps([text, author, role or "customer", timestamp])
    return hashlib.sha256(content.encode()).digest()
