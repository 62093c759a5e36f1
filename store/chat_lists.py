"""Chats as they are read: one with a page of its messages, and lists of those that hold what is looked for."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Row,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from chat_models import participants
from models import IS_TEXT, conversations, messages
from search_text import Phrase
from store import search
from store.conversations import WITHOUT_RAW_DATA

SHOWN_PARTICIPANTS = 100
"""Of a chat: those who wrote in it first."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation, seen as a chat."""

    row: Row[Any]
    """Of `conversations`, without its raw data."""
    participants: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChatPage:
    """A chat with a page of its messages; rows of `messages`."""

    chat: Chat
    messages: Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which chats: those with a message that is by that author, in that window and contains all phrases."""

    author: str | None = None
    start: int | None = None
    end: int | None = None
    phrases: Sequence[Phrase] | None = None
    """None where no words are looked for; where there are none in what is looked for, nothing is found."""

    @property
    def has_window(self) -> bool:
        """Whether the time is asked about."""
        return self.start is not None or self.end is not None


def get(connection: Connection, id_: str, *, offset: int, limit: int) -> ChatPage | None:
    """A chat with up to `limit` of its messages after the first `offset`, in order; None where there is none."""
    c, m = conversations.c, messages.c
    row = connection.execute(select(*WITHOUT_RAW_DATA).where(c.id == id_)).one_or_none()
    if row is None:
        return None
    [chat] = _with_participants(connection, [row])
    # Positions have no gaps, so that the last page is as near as the first.
    some = (m.conversation == row.number, m.position > offset, m.position <= offset + limit)
    there = offset < row.message_count
    said = connection.execute(select(messages).where(*some).order_by(m.position)).all() if there else []
    return ChatPage(chat, said)


def said_after(connection: Connection, id_: str, *, position: int, limit: int) -> Sequence[Row[Any]]:
    """Up to `limit` messages of a chat behind a position, in order: rows of `messages` with the chat's `begun_at`."""
    c, m = conversations.c, messages.c
    behind = (c.id == id_, m.conversation == c.number, m.position > position)
    said = select(messages, c.timestamp.label("begun_at")).join_from(conversations, messages)
    return connection.execute(said.where(*behind).order_by(m.position).limit(limit)).all()


def last_position(connection: Connection, id_: str) -> int:
    """The position of a chat's last message; 0 where there is no such chat."""
    c = conversations.c
    return connection.scalar(select(c.message_count).where(c.id == id_)) or 0


def page(connection: Connection, asked: Asked, *, offset: int, limit: int) -> tuple[int, list[Chat]]:
    """How many chats are asked for, and up to `limit` of them after the first `offset`, newest intake first."""
    if asked.phrases is not None:
        total, numbers = _with_words(connection, asked, asked.phrases, offset=offset, limit=limit)
    else:
        total, numbers = _part(connection, _without_words(asked), offset=offset, limit=limit)
    rows = connection.execute(select(*WITHOUT_RAW_DATA).where(conversations.c.number.in_(numbers))).all()
    return total, _with_participants(connection, sorted(rows, key=lambda row: -row.number))


def _part(
    connection: Connection, chosen: Select[Any] | CompoundSelect[Any], *, offset: int, limit: int
) -> tuple[int, Sequence[int]]:
    found = chosen.subquery("found")
    total = connection.scalar(select(func.count()).select_from(found)) or 0
    if offset >= total:
        return total, ()
    some = select(found.c.number).order_by(found.c.number.desc()).limit(limit).offset(offset)
    return total, connection.scalars(some).all()


def _with_participants(connection: Connection, rows: Sequence[Row[Any]]) -> list[Chat]:
    p = participants.c
    place = func.row_number().over(partition_by=p.conversation, order_by=p.position).label("place")
    chats = [row.number for row in rows if row.is_chat]
    first = select(p.conversation, p.author, place).where(p.conversation.in_(chats)).subquery().c
    shown = select(first.conversation, first.author).where(first.place <= SHOWN_PARTICIPANTS)
    names: dict[int, list[str]] = defaultdict(list)
    for number, author in connection.execute(shown.order_by(first.conversation, first.place)):
        names[number].append(author)
    return [
        Chat(row, names[row.number] if row.is_chat else [row.author] if row.author else []) for row in rows
    ]


# --- which ones ---------------------------------------------------------------------------------------------


def _without_words(asked: Asked) -> Select[Any] | CompoundSelect[Any]:
    """The numbers of the chats that are asked for, each once."""
    if asked.author is None and not asked.has_window:
        return select(conversations.c.number)
    return union_all(_texts(asked), _dialogues(asked))


def _with_words(
    connection: Connection, asked: Asked, phrases: Sequence[Phrase], *, offset: int, limit: int
) -> tuple[int, Sequence[int]]:
    """How many chats are asked for, and the numbers of some of them."""
    if not phrases:
        return 0, ()
    if not asked.has_window:
        return search.page(connection, phrases, asked.author, offset=offset, limit=limit)
    return search.part(_in_window(connection, asked, phrases), offset=offset, limit=limit)


def _in_window(connection: Connection, asked: Asked, phrases: Sequence[Phrase]) -> Sequence[int]:
    """The numbers of the chats that are asked for, rising."""
    whole = _touching(connection, asked)
    found = search.chats(connection, phrases, asked.author, among=list(whole)) if whole else ()
    partly = [number for number in found if not whole[number]]
    those = {*_said_in_window(connection, asked, phrases, partly)} if partly else set()
    return [number for number in found if whole[number] or number in those]


def _said_in_window(
    connection: Connection, asked: Asked, phrases: Sequence[Phrase], among: Sequence[int]
) -> Sequence[int]:
    """Those of the conversations whose matching messages, not just any, are in the window."""
    found = search.matches(connection, phrases, asked.author, among=among).c
    numbers = select(found.conversation).where(*_within(asked, _moment_of(found)))
    return connection.scalars(numbers.distinct()).all()


def _moment_of(found: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[int]:
    """When a message that was found was said.

    By its whole key, whatever the planner thinks: joined, PostgreSQL read all of a chat's messages for each that
    matched, 4.1 s for 1,800 of 10,000 that take 49 ms so.
    """
    c, m = conversations.c, messages.c
    of_chat = select(c.timestamp).where(c.number == found.conversation).scalar_subquery()
    of_message = select(func.coalesce(m.timestamp, m.received_at))
    this = (m.conversation == found.conversation) & (m.position == found.position)
    return func.coalesce(of_message.where(this).scalar_subquery(), of_chat)


def _within(asked: Asked, moment: ColumnElement[int]) -> list[ColumnElement[bool]]:
    bounds = [] if asked.start is None else [moment >= asked.start]
    return bounds if asked.end is None else [*bounds, moment < asked.end]


def _texts(asked: Asked) -> Select[Any]:
    """Conversations of one text: all about them is in one index by author, and in one by time."""
    c = conversations.c
    by_author = [] if asked.author is None else [c.author == asked.author]
    return select(c.number).where(IS_TEXT, *by_author, *_within(asked, c.timestamp))


def _dialogues(asked: Asked) -> Select[Any]:
    c, p = conversations.c, participants.c
    if asked.author is None:
        return select(c.number).where(c.said_from.is_not(None), _said_within(asked))
    theirs = select(p.conversation.label("number")).where(p.author == asked.author)
    if not asked.has_window:
        return theirs
    return theirs.join(conversations, c.number == p.conversation).where(_said_within(asked))


def _touching(connection: Connection, asked: Asked) -> dict[int, bool]:
    """The numbers of the conversations that touch the window, and whether all that was said is inside it."""
    c = conversations.c
    inside = and_(*_within(asked, c.said_from), *_within(asked, c.said_until))
    chats = select(c.number, inside).where(c.said_from.is_not(None), *_touches(asked))
    texts = select(c.number, true()).where(IS_TEXT, *_within(asked, c.timestamp))
    return {number: bool(whole) for number, whole in connection.execute(union_all(chats, texts))}


def _touches(asked: Asked) -> list[ColumnElement[bool]]:
    c = conversations.c
    return [
        *([] if asked.end is None else [c.said_from < asked.end]),
        *([] if asked.start is None else [c.said_until >= asked.start]),
    ]


def _said_within(asked: Asked) -> ColumnElement[bool]:
    """Whether a chat has a message in the window: plain where the chat is inside it, else looked up."""
    c, m = conversations.c, messages.c
    inside = [*_within(asked, c.said_from), *_within(asked, c.said_until)]
    by_author = [] if asked.author is None else [m.author == asked.author]
    moment = func.coalesce(m.timestamp, m.received_at, c.timestamp)
    one = exists().where(m.conversation == c.number, *by_author, *_within(asked, moment))
    return and_(*_touches(asked), or_(and_(*inside), one))
