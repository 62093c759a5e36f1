"""What a person wrote: found, and removed step by step. A person is an author of messages."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, exists, func, or_, select, update

from models import IS_TEXT, conversations, messages, participants
from store.engine.vault import vault_of
from store.insights.entries import ShownInsight, insight_of
from store.insights.versions import InsightVersion, versions_of
from store.search import index

TEXTS_AT_ONCE = 50
"""Conversations of one text that one transaction removes: 50 take about 34 ms."""
MESSAGES_AT_ONCE = 100
"""Messages of a chat that one transaction removes."""
_c, _m, _p = conversations.c, messages.c, participants.c
STEP_COLUMNS = tuple(
    _c[name]
    for name in (
        *("number", "id", "status", "timestamp", "received_at", "revision"),
        *("message_count", "indexed", "erased", "author"),
    )
)


class Shortened(NamedTuple):
    """A chat that lost messages, and is locked until the transaction ends."""

    row: Row[Any]
    """As it was before."""
    removed: int
    """How many messages were removed."""
    last: int
    """The position of the last of them; 0 if there was none."""
    more: bool
    """Whether the person has more messages in it."""
    others: bool
    """Whether other people have written in it."""


def last_number(connection: Connection) -> int:
    """The number of the newest conversation; 0 if there is none."""
    return connection.scalar(select(func.max(_c.number))) or 0


def lock_texts(connection: Connection, person: str, *, through: int) -> Sequence[Row[Any]]:
    """The first of the person's conversations of one text, locked, with number and id."""
    theirs: Select[Any] = select(_c.number, _c.id)
    theirs = theirs.where(_c.author.in_(vault_of(connection).authors(person)), IS_TEXT, _c.number <= through)
    return connection.execute(theirs.order_by(_c.number).limit(TEXTS_AT_ONCE).with_for_update()).all()


def next_chat(connection: Connection, person: str, *, after: int, through: int) -> int | None:
    """The number of the person's next chat after the number `after`."""
    names = vault_of(connection).authors(person)
    theirs = select(_p.conversation).where(_p.author.in_(names), _p.conversation > after)
    return connection.scalar(theirs.where(_p.conversation <= through).order_by(_p.conversation).limit(1))


def shorten(connection: Connection, person: str, number: int, *, after: int) -> Shortened | None:
    """Remove the person's next messages after a position of a chat; None if the chat is gone.

    A message without an author goes with the person if nobody else has a name in the chat.
    """
    locked: Select[Any] = select(*STEP_COLUMNS).where(_c.number == number).with_for_update()
    row = connection.execute(locked).one_or_none()
    if row is None:
        return None
    others = _has_others(connection, person, number)
    named = _m.author.in_(vault_of(connection).authors(person))
    whose = named if others else or_(named, _m.author.is_(None))
    theirs = select(_m.position).where(_m.conversation == number, _m.position > after, whose)
    found = connection.scalars(theirs.order_by(_m.position).limit(MESSAGES_AT_ONCE + 1)).all()
    positions = found[:MESSAGES_AT_ONCE]
    _remove(connection, row, positions)
    return Shortened(row, len(positions), max(positions, default=0), len(found) > len(positions), others)


def _has_others(connection: Connection, person: str, number: int) -> bool:
    others = exists().where(_p.conversation == number, _p.author.not_in(vault_of(connection).authors(person)))
    return bool(connection.scalar(select(others)))


def _remove(connection: Connection, row: Row[Any], positions: Collection[int]) -> None:
    if not positions:
        return
    index.remove_messages(connection, row.number, positions, indexed=row.indexed)
    connection.execute(delete(messages).where(_m.conversation == row.number, _m.position.in_(positions)))
    fewer = update(conversations).where(_c.number == row.number)
    connection.execute(fewer.values(erased=row.erased + len(positions)))
    index.set_indexed(connection, {row.number: row.indexed})


def leave(connection: Connection, person: str, row: Row[Any]) -> None:
    """Take the person out of a chat in which they have no message any more.

    What its sender said of the whole chat (raw data and metadata) goes too: nobody can tell of whom it speaks.
    """
    vault = vault_of(connection)
    names = vault.authors(person)
    connection.execute(delete(participants).where(_p.conversation == row.number, _p.author.in_(names)))
    begins, ends = _said(connection, row)
    anew = {"id": row.id, "said_from": begins, "said_until": ends, "raw_data": None, "metadata": None}
    if row.author in names:
        anew["author"] = _first_customer(connection, row.number)
    stored = vault.sealed(conversations, anew)
    connection.execute(update(conversations).where(_c.number == row.number).values(stored))


def _said(connection: Connection, row: Row[Any]) -> tuple[int | None, int | None]:
    """The times of the first and the last message."""
    moment: ColumnElement[int] = func.coalesce(_m.timestamp, _m.received_at, row.timestamp)
    span = select(func.min(moment), func.max(moment)).where(_m.conversation == row.number)
    begins, ends = connection.execute(span).one()
    return begins, ends


def _first_customer(connection: Connection, number: int) -> str | None:
    author = select(_m.conversation, _m.position, _m.author, _m.sealed_author)
    customers = author.where(
        _m.conversation == number,
        _m.author.is_not(None),
        or_(_m.role.is_(None), _m.role != "support_agent"),
    )
    row = connection.execute(customers.order_by(_m.position).limit(1)).one_or_none()
    name: str | None = None if row is None else vault_of(connection).opened(messages, row).author
    return name


# --- export -------------------------------------------------------------------------------------------------


def list_numbers(connection: Connection, person: str, *, after: int, limit: int) -> Sequence[int]:
    """The numbers of the next conversations that the person has written in, ascending."""
    names = vault_of(connection).authors(person)
    texts = select(_c.number.label("number")).where(_c.author.in_(names), IS_TEXT, _c.number > after)
    chats = select(_p.conversation.label("number")).where(_p.author.in_(names), _p.conversation > after)
    firsts = (each.order_by("number").limit(limit).subquery() for each in (texts, chats))
    either = sorted({number for each in firsts for number in connection.scalars(select(each.c.number))})
    return either[:limit]


class Entry(NamedTuple):
    """A conversation, a row, with its insight and what that was before."""

    conversation: Row[Any]
    insight: ShownInsight | None
    history: Sequence[InsightVersion]
    """The earlier versions of the insight, newest first."""


def get_entry(connection: Connection, number: int) -> Entry | None:
    """The conversation with this number; None if it is gone."""
    row = connection.execute(select(conversations).where(_c.number == number)).one_or_none()
    if row is None:
        return None
    history = versions_of(connection, [number]).get(number, ())
    return Entry(vault_of(connection).opened(conversations, row), insight_of(connection, number), history)


def list_messages(connection: Connection, number: int, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """The next messages of a conversation after a position, in order; rows of `messages`."""
    later = select(messages).where(_m.conversation == number, _m.position > after)
    rows = connection.execute(later.order_by(_m.position).limit(limit)).all()
    return vault_of(connection).all_opened(messages, rows)
