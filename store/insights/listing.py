"""Insights as lists show them: with the conversation that each is of, and the beginning of what was said."""

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
"""Turns that surely fill them: the shortest is `agent: x` and a line break."""


class ListedRow(NamedTuple):
    """An insight and its conversation. A tuple, because a page reads 1,300 fields: of a Row each takes 0.5 us.

    What is said to be a bool is one on PostgreSQL, and 0 or 1 on SQLite.
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
    """The beginning of what was said, where it is one text."""


def _with_conversation() -> Select[Any]:
    """Insights by intake number, in no order, as ListedRow has them."""
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
    """Of each dialogue the turns in order, as many and as much of each as can be shown."""
    m = messages.c
    # A thousand long dialogues are half a gigabyte, of which four megabytes can be shown.
    through = func.sum(func.length(m.text)).over(partition_by=m.conversation, order_by=m.position)
    beginning = func.substr(m.text, 1, SHOWN + 1).label("said")
    turn = (
        select(m.conversation, m.position, m.role, beginning, (through - func.length(m.text)).label("before"))
        .where(among(m.conversation, "numbers"), m.position <= TURNS)
        .subquery()
        .c
    )
    shown = select(turn.conversation, turn.role, turn.said).where(turn.before <= SHOWN)
    return shown.order_by(turn.conversation, turn.position)


# Built once: of a page's 15 ms a third was spent on putting these together.
WITH_CONVERSATION = Prepared(_with_conversation())
BEGINNING = Prepared(_beginning())


class InsightEntry(NamedTuple):
    """One insight of a list."""

    row: ListedRow
    text: str
    """What was said, at most 2,000 characters of it."""
    truncated: bool


@dataclass(frozen=True, slots=True)
class InsightPage:
    """A part of a list, and where the next part begins, if there is one."""

    insights: Sequence[InsightEntry]
    next: Position | None


NOTHING = InsightPage((), None)


@dataclass(frozen=True, slots=True)
class InsightWindow:
    """A page, how many insights there are in all, and how many conversations were skipped beside them."""

    page: InsightPage
    total: int
    skipped: int


def list_with_totals(
    connection: Connection, chosen: Selection, *, limit: int, before: Position | None = None
) -> InsightWindow:
    """A page of the chosen insights with the exact numbers of its window."""
    topic = windows.topic_number(connection, chosen.cluster)
    total = 0 if topic is None else windows.count_insights(connection, topic, chosen)
    found = NOTHING if topic is None or not total else _page(connection, chosen, topic, limit, before)
    return InsightWindow(found, total, windows.count_skipped(connection, chosen.start, chosen.end))


def list_insights(
    connection: Connection, chosen: Selection, *, limit: int, before: Position | None = None
) -> InsightPage:
    """Up to `limit` of the chosen insights that stand after `before`: by timestamp, the newest first."""
    topic = windows.topic_number(connection, chosen.cluster)
    return NOTHING if topic is None else _page(connection, chosen, topic, limit, before)


def _page(
    connection: Connection, chosen: Selection, topic: int, limit: int, before: Position | None
) -> InsightPage:
    found = pages.find_positions(connection, chosen, topic, limit=limit + 1, before=before)
    listed = _listed(connection, [number for _, number in found[:limit]])
    return InsightPage(listed, found[limit - 1] if len(found) > limit else None)


def list_recent(connection: Connection, *, limit: int) -> InsightWindow:
    """The insights that were made last, the newest first, with the numbers of all time."""
    c = insights.c
    last = select(c.conversation).order_by(c.analysed_at.desc(), c.conversation.desc()).limit(limit)
    numbers = connection.scalars(last).all()
    return InsightWindow(InsightPage(_listed(connection, numbers), None), *windows.count_all_time(connection))


def _listed(connection: Connection, numbers: Sequence[int]) -> list[InsightEntry]:
    rows = [ListedRow._make(row) for row in WITH_CONVERSATION.rows(connection, {"numbers": numbers})]
    turns = _turns(connection, [row.conversation for row in rows if row.is_chat])
    found = {row.conversation: _one(row, turns) for row in rows}
    return [found[number] for number in numbers]


def _turns(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Sequence[Turn]]:
    said: dict[int, list[Turn]] = defaultdict(list)
    if numbers:
        for number, role, text in BEGINNING.rows(connection, {"numbers": numbers}):
            said[number].append((role, text))
    return said


def _one(row: ListedRow, turns: Mapping[int, Sequence[Turn]]) -> InsightEntry:
    text = transcript(turns[row.conversation]) if row.is_chat else row.text or ""
    return InsightEntry(row, text[:SHOWN], truncated=len(text) > SHOWN)
