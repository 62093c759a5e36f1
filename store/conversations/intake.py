"""Stores posted conversations: a whole group in one transaction, with an outcome for each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, text

from domain.redaction.detections import NOTHING, Counts
from models import AGENT, CUSTOMER, QUEUED, conversations, messages, participants
from store.conversations import sender_ids
from store.conversations.sender_ids import SHARED, KnownByKey
from store.engine.dialect import as_tuples, insert_on_conflict, insert_rows
from store.engine.prepared import Prepared
from store.engine.vault import Vault, vault_of

INSERT_MESSAGES = insert(messages)
Key = tuple[str, str | None, str | None, str]


class NewMessage(NamedTuple):
    """A message to be stored."""

    text: str
    author: str | None = None
    role: str | None = None
    timestamp: int | None = None
    message_id: str | None = None
    redactions: Counts = NOTHING
    """What was found in a message that is added to a chat; of a whole conversation it is counted together."""


class NewConversation(NamedTuple):
    """A conversation to be stored. Times in UTC microseconds."""

    id: str
    messages: Sequence[NewMessage]
    is_chat: bool
    """Sent as `messages`, and not as `text`."""
    timestamp: int
    received_at: int
    author: str | None = None
    external_id: str | None = None
    idempotency_key: str | None = None
    content_hash: bytes | None = None
    """SHA-256 of the posted content if the sender gave an id."""
    raw_data: str | None = None
    metadata: str | None = None
    owner: str = SHARED
    """Whose `external_id` and `idempotency_key` they are."""
    redactions: str | None = None
    """What was found in it, JSON; None if nothing was."""
    freshness: str | None = None
    """`day` if it can wait; None if not."""
    run_at: int | None = None
    """When it is due; None is when it was received."""
    sent_hash: bytes | None = None
    """The hash of the content as it was sent, if it is stored in another form: so it may have been stored before."""

    @property
    def key(self) -> Key:
        """The ids that identify a repeated post."""
        return self.id, self.external_id, self.idempotency_key, self.owner


@dataclass(frozen=True, slots=True)
class Accepted:
    """The conversation is stored; `created` is False if it was stored before with the same content."""

    id: str
    created: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """The id is known with other content, or the ids belong to two conversations."""

    id: str
    ids: tuple[str, ...] = field(default=(), compare=False)
    """The sender's ids that are known: names among `id`, `external_id` and `idempotency_key`."""
    others: bool = field(default=False, compare=False)
    """Whether they belong to more than one conversation."""


IntakeOutcome = Accepted | Conflict


def accept(connection: Connection, group: Sequence[NewConversation]) -> list[IntakeOutcome]:
    """Store the new conversations of a group, in order. No conversation fails because of another.

    A sender's id is known if it is its owner's, or shared.
    """
    outcomes: list[IntakeOutcome] = []
    # One that shares an id has to be there before one with an owner is looked up; a process sends only one kind.
    for _, alike in groupby(group, key=_has_owner):
        outcomes += _accept(connection, [*alike])
    return outcomes


def _has_owner(new: NewConversation) -> bool:
    return new.owner != SHARED


def _accept(connection: Connection, group: Sequence[NewConversation]) -> list[IntakeOutcome]:
    fresh = sender_ids.not_shared(connection, group) if _has_owner(group[0]) else group
    numbers = _insert(connection, _in_lock_order(connection, fresh)) if fresh else {}
    created = {id(each) for each in _first_of_each(fresh) if each.key in numbers}
    stored = [(numbers[each.key], each) for each in group if id(each) in created]
    _insert_messages(connection, stored)
    _insert_participants(connection, stored)
    known = sender_ids.known(connection, [each for each in group if id(each) not in created])
    return [
        # If the known row was deleted between the two statements, the conversation can be stored after all.
        Accepted(each.id, True)
        if id(each) in created
        else _known_outcome(each, known, vault_of(connection)) or accept(connection, [each])[0]
        for each in group
    ]


def count_new(connection: Connection, group: Sequence[NewConversation]) -> int:
    """How many conversations of a group are not stored yet."""
    known = sender_ids.known(connection, [each for each in group if each.content_hash is not None])
    return sum(not sender_ids.matches(each, known) for each in _first_of_each(group))


def _in_lock_order(connection: Connection, group: Sequence[NewConversation]) -> Sequence[NewConversation]:
    if connection.dialect.name != "postgresql":
        return group
    # Two processes then lock the same ids in the same order: no deadlocks; unsorted there were 6 in 80 groups.
    # `sorted` is stable, so conversations without a sender's id keep the order in which they were sent.
    return sorted(group, key=_lock_key)


def _lock_key(new: NewConversation) -> str:
    own = new.id if new.content_hash is not None else ""
    return new.external_id or new.idempotency_key or own


def _insert(connection: Connection, group: Sequence[NewConversation]) -> dict[Key, int]:
    """Insert the new conversations and return their numbers."""
    if connection.dialect.name == "postgresql":
        values = [dict(zip(COLUMNS, row, strict=True)) for row in _rows(connection, group)]
        inserted = connection.execute(INSERT_RETURNING, values)
        return {(key[0], key[1], key[2], key[3]): number for number, *key in inserted}
    # There is only one writer, so the next numbers can be assigned here.
    last: int = connection.scalar(LAST_NUMBER) or 0
    numbered = [*enumerate(group, last + 1)]
    rows = [(number, *row) for number, row in enumerate(_rows(connection, group), last + 1)]
    insert_rows(connection, INSERT, rows, ("number", *COLUMNS))
    stored = {number for (number,) in NUMBERS_AFTER.rows(connection, {"last": last})}
    return {each.key: number for number, each in numbered if number in stored}


COLUMNS = (
    "id",
    "external_id",
    "idempotency_key",
    "owner",
    "content_hash",
    "author",
    "sealed_author",
    "timestamp",
    "received_at",
    "is_chat",
    "raw_data",
    "metadata",
    "status",
    "run_at",
    "message_count",
    "said_from",
    "said_until",
    "redactions",
    "freshness",
)
"""The columns that are set for a new conversation."""
_c = conversations.c
INSERT = insert_on_conflict("sqlite", conversations).on_conflict_do_nothing()
INSERT_RETURNING = (
    insert_on_conflict("postgresql", conversations)
    .on_conflict_do_nothing()
    .returning(_c.number, _c.id, _c.external_id, _c.idempotency_key, _c.owner)
)
LAST_NUMBER = text("SELECT seq FROM sqlite_sequence WHERE name = 'conversations'")
NUMBERS_AFTER = Prepared(select(_c.number).where(_c.number > bindparam("last")))


def _rows(connection: Connection, group: Sequence[NewConversation]) -> Iterator[tuple[object, ...]]:
    """The values for COLUMNS of each conversation, as they are stored."""
    vault = vault_of(connection)
    return (_row(new, vault) for new in group)


def _row(new: NewConversation, vault: Vault) -> tuple[object, ...]:
    moments = [*_message_times(new)]
    return (
        new.id,
        new.external_id,
        new.idempotency_key,
        new.owner,
        vault.hash(new.content_hash),
        vault.author(new.author),
        vault.seal_author(conversations, new.id, new.author),
        new.timestamp,
        new.received_at,
        new.is_chat,
        vault.seal("conversations.raw_data", new.id, new.raw_data),
        vault.seal("conversations.metadata", new.id, new.metadata),
        QUEUED,
        new.received_at if new.run_at is None else new.run_at,
        len(new.messages),
        min(moments, default=None),
        max(moments, default=None),
        new.redactions,
        new.freshness,
    )


def _message_times(new: NewConversation) -> Iterator[int]:
    """The times of a chat's messages; nothing for a text, which has only the conversation's time."""
    if new.is_chat:
        for message in new.messages:
            yield new.timestamp if message.timestamp is None else message.timestamp


def _first_of_each(group: Iterable[NewConversation]) -> Iterable[NewConversation]:
    """The first conversation for each key: it is the one that was stored."""
    first: dict[Key, NewConversation] = {}
    for each in group:
        first.setdefault(each.key, each)
    return first.values()


def _insert_messages(connection: Connection, stored: Iterable[tuple[int, NewConversation]]) -> None:
    rows = (
        {
            "conversation": number,
            "position": position,
            "message_id": message.message_id,
            "author": message.author,
            "role": message.role,
            "timestamp": message.timestamp,
            "received_at": None,
            "text": message.text,
        }
        for number, new in stored
        for position, message in enumerate(new.messages, 1)
    )
    stored_rows = vault_of(connection).all_sealed(messages, rows)
    insert_rows(connection, INSERT_MESSAGES, as_tuples(messages, stored_rows))


def _insert_participants(connection: Connection, stored: Iterable[tuple[int, NewConversation]]) -> None:
    rows = [
        {
            "conversation": number,
            "author": author,
            "position": position,
            "roles": roles_of(new.messages)[author],
        }
        for number, new in stored
        if new.is_chat
        for author, position in first_positions(new.messages).items()
    ]
    if rows:
        connection.execute(insert(participants), [*vault_of(connection).all_sealed(participants, rows)])


def first_positions(messages: Sequence[NewMessage], before: int = 0) -> dict[str, int]:
    """The first position of each author in these messages, which follow `before` others."""
    first: dict[str, int] = {}
    for position, message in enumerate(messages, before + 1):
        if message.author is not None:
            first.setdefault(message.author, position)
    return first


def roles_of(messages: Iterable[NewMessage]) -> dict[str, int]:
    """The roles in which each author of these messages wrote: CUSTOMER, AGENT or their sum."""
    roles: dict[str, int] = {}
    for message in messages:
        if message.author is not None:
            role = AGENT if message.role == "support_agent" else CUSTOMER
            roles[message.author] = roles.get(message.author, 0) | role
    return roles


def _known_outcome(new: NewConversation, known: KnownByKey, vault: Vault) -> IntakeOutcome | None:
    found = sender_ids.matches(new, known)
    same = {row.id: row for row in found.values()}
    if not same:
        return None
    first, *others = same.values()
    # Hashed again, because one that was stored before encryption may not be an HMAC yet.
    sent = {vault.hash(new.content_hash), vault.hash(new.sent_hash)}
    same_content = vault.hash(first.content_hash) in sent
    if not others and first.content_hash is not None and same_content:
        return Accepted(first.id, created=False)
    return Conflict(first.id, tuple(found), bool(others))
