"""Insights as lists show them: with the conversation that each is of, and the beginning of what was said."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from models import conversations, insights, messages
from store import pages, windows
from store.windows import Position, Selection
from text import Turn, transcript

SHOWN = 2_000
"""Characters of a text or transcript that a list shows."""
TURNS = 223
"""Turns that surely fill them: the shortest is `agent: x` and a line break."""


def _with_conversation() -> Select[Any]:
    """Insights by intake number, in no order."""
    c = conversations.c
    rows = select(insights, c.id, c.external_id, c.metadata, c.is_chat).join_from(insights, conversations)
    return rows.where(insights.c.conversation.in_(bindparam("numbers", expanding=True)))


def _beginning() -> Select[Any]:
    """Of each conversation the turns in order, as many and as much of each as can be shown."""
    m = messages.c
    # A thousand long dialogues are half a gigabyte, of which four megabytes can be shown.
    through = func.sum(func.length(m.text)).over(partition_by=m.conversation, order_by=m.position)
    beginning = func.substr(m.text, 1, SHOWN + 1).label("said")
    turn = (
        select(m.conversation, m.position, m.role, beginning, (through - func.length(m.text)).label("before"))
        .where(m.conversation.in_(bindparam("numbers", expanding=True)), m.position <= TURNS)
        .subquery()
        .c
    )
    shown = select(turn.conversation, turn.role, turn.said).where(turn.before <= SHOWN)
    return shown.order_by(turn.conversation, turn.position)


# Built once: of a page's 15 ms a third was spent on putting these together.
WITH_CONVERSATION = _with_conversation()
BEGINNING = _beginning()


@dataclass(frozen=True, slots=True)
class Listed:
    """One insight of a list."""

    row: Row[Any]
    """Of `insights`, with `id`, `external_id` and `metadata` of its conversation."""
    text: str
    """What was said, at most 2,000 characters of it."""
    truncated: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and where the next part begins, if there is one."""

    insights: Sequence[Listed]
    next: Position | None


@dataclass(frozen=True, slots=True)
class Window:
    """A page, how many insights there are in all, and how many conversations were skipped beside them."""

    page: Page
    total: int
    skipped: int


def window(
    connection: Connection, chosen: Selection, *, limit: int, before: Position | None = None
) -> Window:
    """A page of the chosen insights with the exact numbers of its window."""
    return Window(
        page(connection, chosen, limit=limit, before=before),
        windows.total(connection, chosen),
        windows.skipped(connection, chosen.start, chosen.end),
    )


def page(connection: Connection, chosen: Selection, *, limit: int, before: Position | None = None) -> Page:
    """Up to `limit` of the chosen insights that stand after `before`: by timestamp, the newest first."""
    found = pages.positions(connection, chosen, limit=limit + 1, before=before)
    listed = _listed(connection, [number for _, number in found[:limit]])
    return Page(listed, found[limit - 1] if len(found) > limit else None)


def recent(connection: Connection, *, limit: int) -> Window:
    """The insights that were made last, the newest first, with the numbers of all time."""
    c = insights.c
    last = select(c.conversation).order_by(c.analysed_at.desc(), c.conversation.desc()).limit(limit)
    numbers = connection.scalars(last).all()
    return Window(Page(_listed(connection, numbers), None), *windows.totals_ever(connection))


def _listed(connection: Connection, numbers: Sequence[int]) -> list[Listed]:
    these = {"numbers": numbers}
    rows = {row.conversation: row for row in connection.execute(WITH_CONVERSATION, these).all()}
    said: dict[int, list[Turn]] = defaultdict(list)
    for number, role, text in connection.execute(BEGINNING, these).all():
        said[number].append((role, text))
    return [_one(rows[number], said[number]) for number in numbers]


def _one(row: Row[Any], turns: Sequence[Turn]) -> Listed:
    text = transcript(turns) if row.is_chat else "".join(said for _, said in turns)
    return Listed(row, text[:SHOWN], truncated=len(text) > SHOWN)
