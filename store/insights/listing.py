"""Lists of insights, each with its conversation and the beginning of its text."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from domain.text import Turn, transcript
from models import conversations, insights, messages
from store.engine.prepared import Prepared, among
from store.insights import pages, windows
from store.insights.windows import Position, Selection

SHOWN = 2_000
"""Characters of a text or transcript that a list shows."""
TURNS = 223
"""The turns that always suffice for SHOWN characters: the shortest is `agent: x` and a line break."""


class ListedRow(NamedTuple):
    """An insight and its conversation. A tuple, because a page reads 1,300 fields, and a field of a Row takes 0.5 us.

    Booleans are `bool` on PostgreSQL, but 0 or 1 on SQLite.
    """

    conversation: int
    timestamp: int
    author: str | None
    score: int
    sentiment: int
    confidence: int
    clusters: str
    reasoning: str
    analyzer: str
    model: str
    cached: bool
    partial: bool
    analysed_at: int
    id: str
    external_id: str | None
    metadata: str | None
    is_chat: bool
    text: str | None
    """The beginning of the text; None for a chat."""


def _with_conversation() -> Select[Any]:
    """Select the ListedRows of the intake numbers `numbers`, unordered."""
    c, m = conversations.c, messages.c
    found: dict[str, ColumnElement[Any]] = {
        **insights.c,
        "id": c.id,
        "external_id": c.external_id,
        "metadata": c.metadata,
        "is_chat": c.is_chat,
    }
    one = select(func.substr(m.text, 1, SHOWN + 1)).where(m.conversation == c.number, m.position == 1)
    found["text"] = case((~c.is_chat, one.correlate(conversations).scalar_subquery()))
    rows = select(*(found[name] for name in ListedRow._fields)).join_from(insights, conversations)
    return rows.where(among(insights.c.conversation, "numbers"))


def _beginning() -> Select[Any]:
    """Select the first turns of each chat in order, cut to what a list shows."""
    m = messages.c
    # A thousand long chats are half a gigabyte, of which four megabytes are shown.
    through = func.sum(func.length(m.text)).over(partition_by=m.conversation, order_by=m.position)
    beginning = func.substr(m.text, 1, SHOWN + 1).label("text")
    turn = (
        select(m.conversation, m.position, m.role, beginning, (through - func.length(m.text)).label("before"))
        .where(among(m.conversation, "numbers"), m.position <= TURNS)
        .subquery()
        .c
    )
    shown = select(turn.conversation, turn.role, turn.text).where(turn.before <= SHOWN)
    return shown.order_by(turn.conversation, turn.position)


# Built once: building them took a third of a page's 15 ms.
WITH_CONVERSATION = Prepared(_with_conversation())
BEGINNING = Prepared(_beginning())


class InsightEntry(NamedTuple):
    """One entry of a list of insights."""

    row: ListedRow
    text: str
    """The text or transcript, at most 2,000 characters."""
    truncated: bool


@dataclass(frozen=True, slots=True)
class InsightPage:
    """A page of insights; `next` is where the next page begins, if there is one."""

    insights: Sequence[InsightEntry]
    next: Position | None


NOTHING = InsightPage((), None)


@dataclass(frozen=True, slots=True)
class InsightWindow:
    """A page with the totals of its window: insights, and conversations that were skipped."""

    page: InsightPage
    total: int
    skipped: int


def list_with_totals(
    connection: Connection, chosen: Selection, *, limit: int, before: Position | None = None
) -> InsightWindow:
    """Return a page of the chosen insights with the exact totals of its window."""
    topic = windows.topic_number(connection, chosen.cluster)
    total = 0 if topic is None else windows.count_insights(connection, topic, chosen)
    found = NOTHING if topic is None or not total else _page(connection, chosen, topic, limit, before)
    return InsightWindow(found, total, windows.count_skipped(connection, chosen.start, chosen.end))


def list_insights(
    connection: Connection, chosen: Selection, *, limit: int, before: Position | None = None
) -> InsightPage:
    """Return up to `limit` of the chosen insights after the position `before`, newest timestamp first."""
    topic = windows.topic_number(connection, chosen.cluster)
    return NOTHING if topic is None else _page(connection, chosen, topic, limit, before)


def _page(
    connection: Connection, chosen: Selection, topic: int, limit: int, before: Position | None
) -> InsightPage:
    found = pages.find_positions(connection, chosen, topic, limit=limit + 1, before=before)
    loaded = _load(connection, [number for _, number in found[:limit]])
    return InsightPage(loaded, found[limit - 1] if len(found) > limit else None)


def list_recent(connection: Connection, *, limit: int) -> InsightWindow:
    """Return the insights that were analysed last, newest first, with the totals of all time."""
    c = insights.c
    last = select(c.conversation).order_by(c.analysed_at.desc(), c.conversation.desc()).limit(limit)
    numbers = connection.scalars(last).all()
    return InsightWindow(InsightPage(_load(connection, numbers), None), *windows.count_all_time(connection))


def _load(connection: Connection, numbers: Sequence[int]) -> list[InsightEntry]:
    rows = [ListedRow._make(row) for row in WITH_CONVERSATION.rows(connection, {"numbers": numbers})]
    turns = _turns(connection, [row.conversation for row in rows if row.is_chat])
    found = {row.conversation: _entry(row, turns) for row in rows}
    return [found[number] for number in numbers]


def _turns(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Sequence[Turn]]:
    turns: dict[int, list[Turn]] = defaultdict(list)
    if numbers:
        for number, role, text in BEGINNING.rows(connection, {"numbers": numbers}):
            turns[number].append((role, text))
    return turns


def _entry(row: ListedRow, turns: Mapping[int, Sequence[Turn]]) -> InsightEntry:
    text = transcript(turns[row.conversation]) if row.is_chat else row.text or ""
    return InsightEntry(row, text[:SHOWN], truncated=len(text) > SHOWN)
