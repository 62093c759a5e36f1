"""Whatever takes several calls: lists page by page, and waiting. Each yields calls, pauses and what it found.

The clients carry out the calls and the pauses, and send the answers back in.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Generic, TypeVar

from . import calls
from .answers import (
    ChatItem,
    ChatsPage,
    ChatSummary,
    ConversationItem,
    ListedInsight,
    Message,
    Status,
    SummaryFailed,
    SummaryPending,
)
from .calls.chats import Day
from .calls.insights import Time
from .wire import Call

MOST_AT_ONCE = 500
LONGEST_PAGE, LONGEST_CHATS_PAGE = 1_000, 100
PENDING = frozenset({"queued", "processing"})
WAIT = 30.0

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is to be done for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Found(Generic[Item]):
    """Some of what is looked for, in order."""

    items: Sequence[Item]


Stream = Generator[Call[Any] | Pause | Found[Item], Any, None]


def conversation_items(
    *, status: str | None = None, external_id: str | None = None, author: str | None = None
) -> Stream[ConversationItem]:
    """Every conversation that meets the filters, newest intake first, without its text.

    None comes twice, and none is left out that was there when the first page was read.
    """
    cursor: str | None = None
    while True:
        page = yield calls.conversations_page(
            status=status, external_id=external_id, author=author, limit=LONGEST_PAGE, cursor=cursor
        )
        yield Found(page.conversations)
        cursor = page.next_cursor
        if cursor is None:
            return


def insights_of_window(
    *,
    start_time: Time,
    end_time: Time,
    sentiment: str | None = None,
    min_confidence: float | None = None,
    cluster: str | None = None,
    author: str | None = None,
) -> Stream[ListedInsight]:
    """Every insight of the window `[start_time, end_time)` that meets the filters, newest first.

    None comes twice, and none is left out that was there when the first page was read.
    """
    page = yield calls.insights_page(
        start_time=start_time,
        end_time=end_time,
        sentiment=sentiment,
        min_confidence=min_confidence,
        cluster=cluster,
        author=author,
        limit=LONGEST_PAGE,
    )
    yield Found(page.insights)
    while page.metadata.next_cursor is not None:
        page = yield calls.insights_page(limit=LONGEST_PAGE, cursor=page.metadata.next_cursor)
        yield Found(page.insights)


def chat_items(
    *,
    user_id: str | None = None,
    start_date: Day | None = None,
    end_date: Day | None = None,
    keyword: str | None = None,
) -> Stream[ChatItem]:
    """Every chat that meets the filters, newest intake first.

    They are read by page numbers: a chat that begins meanwhile moves the others on, so that one comes twice.
    """

    def page(number: int) -> Call[ChatsPage]:
        return calls.chats_page(
            user_id=user_id,
            start_date=start_date,
            end_date=end_date,
            keyword=keyword,
            page=number,
            limit=LONGEST_CHATS_PAGE,
        )

    return _chats(page)


def chats_of_user(user_id: str) -> Stream[ChatItem]:
    """Every chat that a user has written in, as `chats` lists them."""
    return _chats(lambda number: calls.user_chats_page(user_id, page=number, limit=LONGEST_CHATS_PAGE))


def _chats(page: Callable[[int], Call[ChatsPage]]) -> Stream[ChatItem]:
    for number in count(1):
        found = yield page(number)
        yield Found(found.chats)
        if len(found.chats) < LONGEST_CHATS_PAGE:
            return


def messages(conversation_id: str) -> Stream[Message]:
    """Every message of a chat, in order. Raises NotFound."""
    for number in count(1):
        page = yield calls.chat(conversation_id, page=number, limit=LONGEST_CHATS_PAGE)
        yield Found(page.messages)
        if len(page.messages) < LONGEST_CHATS_PAGE:
            return


def wait_for_analysis(ids: Iterable[str], *, pause: float = 0.5) -> Stream[Sequence[Status]]:
    """Conversations as they end: after each look, every so many seconds, those that have ended since the last.

    A list may be empty. What does not exist, or not any more, has the status `deleted`. Give no id twice.
    The service analyses in the order of intake, so only the oldest 500 that have not ended are asked about.
    """
    unasked = iter(ids)
    pending: list[str] = []
    while asked := [*pending, *islice(unasked, MOST_AT_ONCE - len(pending))]:
        found = yield calls.statuses(asked)
        gone = [Status(conversation_id=id_, status="deleted") for id_ in found.unknown]
        yield Found([[*(each for each in found.conversations if each.status not in PENDING), *gone]])
        pending = [each.conversation_id for each in found.conversations if each.status in PENDING]
        if pending:
            yield Pause(pause)


def wait_for_summary(conversation_id: str) -> Stream[ChatSummary | SummaryFailed]:
    """Have a chat summarised, and wait for it however long it takes. Raises NotFound."""
    found = yield calls.summarize(conversation_id)
    while isinstance(found, SummaryPending):
        found = yield calls.summary(conversation_id, wait=WAIT)
    yield Found([found])
