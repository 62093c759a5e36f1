"""Reading chats: one chat with a page of its messages, and filtered lists of chats."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from store.conversations.by_id import has_id
from store.conversations.chat_glances import NOTHING_SEEN, Glance, glances_of
from store.conversations.chat_windows import ChatWindow, find_in_window
from store.conversations.records import WITHOUT_RAW_DATA
from store.engine.vault import vault_of
from store.insights.participants import Participant, author_of_text, participants_of
from store.search import index, pages
from store.search.pages import COUNTED, SearchPage


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation with its participants."""

    row: Row[Any]
    """A row of `conversations`, without its raw data."""
    participants: Sequence[Participant]
    glance: Glance = NOTHING_SEEN


@dataclass(frozen=True, slots=True)
class ChatPage:
    """A chat with a page of its messages (rows of `messages`)."""

    chat: Chat
    messages: Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class MessagesAfter:
    """The messages of a chat after a position."""

    number: int | None
    """The chat's intake number, which no later chat has; None if there is no chat."""
    count: int
    """The position of its last message, which may be erased."""
    messages: Sequence[Row[Any]]
    """Rows of `messages` with the chat's `begun_at`."""


@dataclass(frozen=True, slots=True)
class ChatList:
    """A page of a list of chats."""

    chats: Sequence[Chat]
    total: int
    total_is_exact: bool
    """If False, `total` is a lower bound."""


@dataclass(frozen=True, slots=True)
class ChatFilter:
    """Selects chats that have a message by the author, within the window, that contains all the phrases."""

    author: str | None = None
    start: int | None = None
    end: int | None = None
    phrases: Sequence[Phrase] | None = None
    """None for any text. An empty sequence, from a query without words, finds nothing."""

    @property
    def has_window(self) -> bool:
        """Whether the filter has a start or an end."""
        return self.start is not None or self.end is not None

    @property
    def window(self) -> ChatWindow:
        """The window in which the message must have been written."""
        return ChatWindow(self.start, self.end)


# Built once: building them takes longer than reading a page of ten.
BY_NUMBERS = select(*WITHOUT_RAW_DATA).where(conversations.c.number.in_(bindparam("numbers", expanding=True)))


def get_chat(connection: Connection, id_: str, *, offset: int, limit: int) -> ChatPage | None:
    """Return a chat with up to `limit` messages after the first `offset`, in order; None if it does not exist."""
    m = messages.c
    row = connection.execute(select(*WITHOUT_RAW_DATA).where(has_id(id_))).one_or_none()
    if row is None:
        return None
    [chat] = _with_participants(connection, [row])
    if offset >= row.message_count:
        return ChatPage(chat, [])
    in_order = select(messages).where(m.conversation == row.number).order_by(m.position)
    if row.erased:
        of_page = in_order.limit(limit).offset(offset)
    else:
        # Positions have no gaps then, so the last page is found as fast as the first.
        of_page = in_order.where(m.position > offset, m.position <= offset + limit)
    return ChatPage(chat, vault_of(connection).all_opened(messages, connection.execute(of_page).all()))


def messages_after(
    connection: Connection, id_: str, *, position: int, limit: int, characters: int
) -> MessagesAfter:
    """The next messages of a chat after a position, in order, and which chat has this id now.

    At most `limit`, and no more than `characters` of text unless the first one alone is longer.
    """
    c, m = conversations.c, messages.c
    chat = select(c.number, c.message_count).where(has_id(id_))
    row = connection.execute(chat).one_or_none()
    if row is None:
        return MessagesAfter(None, 0, ())
    later = (m.conversation == row.number, m.position > position)
    sizes: Select[Any] = select(m.position, func.length(m.text).label("size")).where(*later)
    next_ones = sizes.order_by(m.position).limit(limit)
    last = _last_within(connection.execute(next_ones).all(), characters)
    if not last:
        return MessagesAfter(row.number, row.message_count, ())
    found = select(messages, c.timestamp.label("begun_at")).join_from(conversations, messages)
    rows = connection.execute(found.where(*later, m.position <= last).order_by(m.position))
    return MessagesAfter(row.number, row.message_count, vault_of(connection).all_opened(messages, rows.all()))


def _last_within(sizes: Sequence[Row[Any]], characters: int) -> int:
    """The last position up to which the texts fit; the first in any case, 0 if there is none."""
    last = 0
    for row in sizes:
        characters -= row.size
        if last and characters < 0:
            break
        last = int(row.position)
    return last


def last_position(connection: Connection, id_: str) -> int:
    """The position of a chat's last message; 0 if the chat does not exist."""
    c = conversations.c
    return connection.scalar(select(c.message_count).where(has_id(id_))) or 0


def list_chats(
    connection: Connection, filters: ChatFilter, *, offset: int, limit: int, counted: int = COUNTED
) -> ChatList:
    """Return up to `limit` matching chats after the first `offset`, newest intake first.

    The total is exact unless about `counted` messages or more contain the words.
    """
    if filters.phrases is not None:
        found = _search_words(
            connection, filters, filters.phrases, offset=offset, limit=limit, counted=counted
        )
    else:
        stored = replace(filters, author=vault_of(connection).author(filters.author))
        found = _page_of(connection, _without_words(stored), offset=offset, limit=limit)
    rows = sorted(connection.execute(BY_NUMBERS, {"numbers": found.numbers}), key=lambda row: -row.number)
    return ChatList(_with_participants(connection, rows), found.total, found.total_is_exact)


def _page_of(
    connection: Connection, chosen: Select[Any] | CompoundSelect[Any], *, offset: int, limit: int
) -> SearchPage:
    found = chosen.subquery("found")
    total = connection.scalar(select(func.count()).select_from(found)) or 0
    if offset >= total:
        return SearchPage((), total, total_is_exact=True)
    of_page = select(found.c.number).order_by(found.c.number.desc()).limit(limit).offset(offset)
    return SearchPage(connection.scalars(of_page).all(), total, total_is_exact=True)


def _with_participants(connection: Connection, stored: Sequence[Row[Any]]) -> list[Chat]:
    vault = vault_of(connection)
    rows = vault.all_opened(conversations, stored)
    chats = [row.number for row in rows if row.is_chat]
    names = participants_of(connection, chats)
    glances = glances_of(connection, [row.number for row in rows])
    return [
        Chat(
            row,
            names[row.number] if row.is_chat else author_of_text(row.author),
            glances[row.number],
        )
        for row in rows
    ]


# --- filters ------------------------------------------------------------------------------------------------


def _without_words(filters: ChatFilter) -> Select[Any] | CompoundSelect[Any]:
    """Select the numbers of the matching chats, each once."""
    if filters.author is None and not filters.has_window:
        return select(conversations.c.number)
    return union_all(_texts(filters), *_dialogues(filters))


def _search_words(
    connection: Connection,
    filters: ChatFilter,
    phrases: Sequence[Phrase],
    *,
    offset: int,
    limit: int,
    counted: int,
) -> SearchPage:
    if not phrases:
        return SearchPage((), 0, total_is_exact=True)
    among, besides = _in_window(connection, filters, phrases) if filters.has_window else (None, ())
    return pages.search_chats(
        connection,
        phrases,
        filters.author,
        among=among,
        besides=besides,
        offset=offset,
        limit=limit,
        counted=counted,
    )


def _in_window(
    connection: Connection, filters: ChatFilter, phrases: Sequence[Phrase]
) -> tuple[Sequence[int], Sequence[int]]:
    """Return the chats that lie wholly in the window, ascending, and those partly in it that match, by number."""
    whole, partly = find_in_window(connection, filters.start, filters.end)
    return sorted(whole), _matching_in_window(connection, filters, phrases, partly) if partly else ()


def _matching_in_window(
    connection: Connection, filters: ChatFilter, phrases: Sequence[Phrase], among: Sequence[int]
) -> Sequence[int]:
    """The conversations of `among` that have a matching message inside the window."""
    found = index.matching_messages(connection, phrases, filters.author, among=among).c
    numbers = select(found.conversation).where(*filters.window.contains(_time_of(found)))
    return connection.scalars(numbers.distinct()).all()


def _time_of(found: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[int]:
    """The time of a found message.

    It is looked up by the whole primary key. With a join PostgreSQL read all messages of a chat for every match: 4.1 s
    for 1,800 of 10,000 messages, which take 49 ms this way.
    """
    c, m = conversations.c, messages.c
    of_chat = select(c.timestamp).where(c.number == found.conversation).scalar_subquery()
    of_message = select(func.coalesce(m.timestamp, m.received_at))
    this = (m.conversation == found.conversation) & (m.position == found.position)
    return func.coalesce(of_message.where(this).scalar_subquery(), of_chat)


def _texts(filters: ChatFilter) -> Select[Any]:
    """Select conversations of one text; an index by author and one by time cover them."""
    c = conversations.c
    by_author = [] if filters.author is None else [c.author == filters.author]
    return select(c.number).where(IS_TEXT, *by_author, *filters.window.contains(c.timestamp))


def _dialogues(filters: ChatFilter) -> list[Select[Any]]:
    """Select chats with several messages, in disjoint parts."""
    c, p, window = conversations.c, participants.c, filters.window
    if filters.author is None:
        return [
            select(c.number).where(*part, _has_message_in_window(filters)) for part in window.overlap_parts()
        ]
    theirs = select(p.conversation.label("number")).where(p.author == filters.author)
    if not filters.has_window:
        return [theirs]
    by_number = theirs.join(conversations, c.number == p.conversation)
    return [by_number.where(*window.overlaps(), _has_message_in_window(filters))]


def _has_message_in_window(filters: ChatFilter) -> ColumnElement[bool]:
    """Whether a chat has a message in the window; messages are read only if the chat is not wholly inside it."""
    c, m, window = conversations.c, messages.c, filters.window
    by_author = [] if filters.author is None else [m.author == filters.author]
    moment = func.coalesce(m.timestamp, m.received_at, c.timestamp)
    one = exists().where(m.conversation == c.number, *by_author, *window.contains(moment))
    return or_(window.contains_chat(), one)
