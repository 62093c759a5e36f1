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
    bindparam,
    exists,
    func,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.search_words import Phrase
from models import IS_TEXT, conversations, messages, participants
from store.conversations.chat_windows import ChatWindow, find_in_window
from store.conversations.records import WITHOUT_RAW_DATA
from store.search import index, pages
from store.search.pages import COUNTED, SearchPage

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
class ChatList:
    """A page of a list of chats."""

    chats: Sequence[Chat]
    total: int
    total_is_exact: bool
    """Where not, there may be more."""


@dataclass(frozen=True, slots=True)
class ChatFilter:
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

    @property
    def window(self) -> ChatWindow:
        """When it was said."""
        return ChatWindow(self.start, self.end)


# Made once: to put them together takes longer than a page of ten.
THOSE = select(*WITHOUT_RAW_DATA).where(conversations.c.number.in_(bindparam("numbers", expanding=True)))


def _first_participants() -> Select[Any]:
    p = participants.c
    place = func.row_number().over(partition_by=p.conversation, order_by=p.position).label("place")
    theirs = p.conversation.in_(bindparam("numbers", expanding=True))
    first = select(p.conversation, p.author, place).where(theirs).subquery().c
    shown = select(first.conversation, first.author).where(first.place <= SHOWN_PARTICIPANTS)
    return shown.order_by(first.conversation, first.place)


FIRST_PARTICIPANTS = _first_participants()


def get_chat(connection: Connection, id_: str, *, offset: int, limit: int) -> ChatPage | None:
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


def messages_after(connection: Connection, id_: str, *, position: int, limit: int) -> Sequence[Row[Any]]:
    """Up to `limit` messages of a chat behind a position, in order: rows of `messages` with the chat's `begun_at`."""
    c, m = conversations.c, messages.c
    behind = (c.id == id_, m.conversation == c.number, m.position > position)
    said = select(messages, c.timestamp.label("begun_at")).join_from(conversations, messages)
    return connection.execute(said.where(*behind).order_by(m.position).limit(limit)).all()


def last_position(connection: Connection, id_: str) -> int:
    """The position of a chat's last message; 0 where there is no such chat."""
    c = conversations.c
    return connection.scalar(select(c.message_count).where(c.id == id_)) or 0


def list_chats(
    connection: Connection, asked: ChatFilter, *, offset: int, limit: int, counted: int = COUNTED
) -> ChatList:
    """Up to `limit` of the chats that are asked for after the first `offset`, newest intake first.

    Their number is exact unless more than `counted` messages contain the words, or a few less.
    """
    if asked.phrases is not None:
        found = _with_words(connection, asked, asked.phrases, offset=offset, limit=limit, counted=counted)
    else:
        found = _part(connection, _without_words(asked), offset=offset, limit=limit)
    rows = sorted(connection.execute(THOSE, {"numbers": found.numbers}), key=lambda row: -row.number)
    return ChatList(_with_participants(connection, rows), found.total, found.total_is_exact)


def _part(
    connection: Connection, chosen: Select[Any] | CompoundSelect[Any], *, offset: int, limit: int
) -> SearchPage:
    found = chosen.subquery("found")
    total = connection.scalar(select(func.count()).select_from(found)) or 0
    if offset >= total:
        return SearchPage((), total, total_is_exact=True)
    some = select(found.c.number).order_by(found.c.number.desc()).limit(limit).offset(offset)
    return SearchPage(connection.scalars(some).all(), total, total_is_exact=True)


def _with_participants(connection: Connection, rows: Sequence[Row[Any]]) -> list[Chat]:
    chats = [row.number for row in rows if row.is_chat]
    names: dict[int, list[str]] = defaultdict(list)
    for number, author in connection.execute(FIRST_PARTICIPANTS, {"numbers": chats}):
        names[number].append(author)
    return [
        Chat(row, names[row.number] if row.is_chat else [row.author] if row.author else []) for row in rows
    ]


# --- which ones ---------------------------------------------------------------------------------------------


def _without_words(asked: ChatFilter) -> Select[Any] | CompoundSelect[Any]:
    """The numbers of the chats that are asked for, each once."""
    if asked.author is None and not asked.has_window:
        return select(conversations.c.number)
    return union_all(_texts(asked), *_dialogues(asked))


def _with_words(
    connection: Connection,
    asked: ChatFilter,
    phrases: Sequence[Phrase],
    *,
    offset: int,
    limit: int,
    counted: int,
) -> SearchPage:
    if not phrases:
        return SearchPage((), 0, total_is_exact=True)
    among, besides = _in_window(connection, asked, phrases) if asked.has_window else (None, ())
    return pages.search_chats(
        connection,
        phrases,
        asked.author,
        among=among,
        besides=besides,
        offset=offset,
        limit=limit,
        counted=counted,
    )


def _in_window(
    connection: Connection, asked: ChatFilter, phrases: Sequence[Phrase]
) -> tuple[Sequence[int], Sequence[int]]:
    """The numbers of the chats that lie in the window, rising; of those that do in part, the ones asked for."""
    whole, partly = find_in_window(connection, asked.start, asked.end)
    return sorted(whole), _said_in_window(connection, asked, phrases, partly) if partly else ()


def _said_in_window(
    connection: Connection, asked: ChatFilter, phrases: Sequence[Phrase], among: Sequence[int]
) -> Sequence[int]:
    """Those of the conversations whose matching messages, not just any, are in the window."""
    found = index.matching_messages(connection, phrases, asked.author, among=among).c
    numbers = select(found.conversation).where(*asked.window.holds(_moment_of(found)))
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


def _texts(asked: ChatFilter) -> Select[Any]:
    """Conversations of one text: all about them is in one index by author, and in one by time."""
    c = conversations.c
    by_author = [] if asked.author is None else [c.author == asked.author]
    return select(c.number).where(IS_TEXT, *by_author, *asked.window.holds(c.timestamp))


def _dialogues(asked: ChatFilter) -> list[Select[Any]]:
    """Chats that were dialogues from the start, or have become one; in parts that exclude each other."""
    c, p, window = conversations.c, participants.c, asked.window
    if asked.author is None:
        return [select(c.number).where(*part, _said_within(asked)) for part in window.touching()]
    theirs = select(p.conversation.label("number")).where(p.author == asked.author)
    if not asked.has_window:
        return [theirs]
    by_number = theirs.join(conversations, c.number == p.conversation)
    return [by_number.where(*window.touches(), _said_within(asked))]


def _said_within(asked: ChatFilter) -> ColumnElement[bool]:
    """Whether a chat has a message in the window: plain where the chat is inside it, else looked up."""
    c, m, window = conversations.c, messages.c, asked.window
    by_author = [] if asked.author is None else [m.author == asked.author]
    moment = func.coalesce(m.timestamp, m.received_at, c.timestamp)
    one = exists().where(m.conversation == c.number, *by_author, *window.holds(moment))
    return or_(window.holds_whole(), one)
