"""Summaries of many conversations at once: which of the chosen ones lack one, and how many are still being written."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, or_, select

from models import COMPLETED, conversations, summaries
from store.engine.prepared import Prepared, among
from store.insights.listing import list_positions
from store.insights.windows import Position, Selection
from store.queue import summaries as queue

KIND = "summarise"
"""The kind of the long job."""
_c, _s = conversations.c, summaries.c
FILTERS = ("sentiment", "min_confidence", "cluster", "author", "analyzer", "model")


def selection_of(parameters: Mapping[str, Any]) -> Selection:
    """The conversations that a job is about."""
    return Selection(parameters["start"], parameters["end"], **parameters["filters"])


class Asked(NamedTuple):
    """What a step has done; `next` is where the next one begins, if there is more."""

    number: int
    next: Position | None


def ask_some(
    connection: Connection, chosen: Selection, *, after: Position | None, limit: int, now: int, job: int
) -> Asked:
    """Ask for the summaries that are lacking among the next `limit` conversations, for the job of this number."""
    page = list_positions(connection, chosen, limit=limit, after=after)
    ids = _lacking(connection, page)
    for id_ in ids:
        queue.ask(connection, id_, now=now, job=job)
    return Asked(len(ids), page[-1] if len(page) == limit else None)


def count_lacking(connection: Connection, chosen: Selection, *, limit: int = 1_000) -> int:
    """How many of the chosen conversations have no summary of what they are now."""
    after: Position | None = None
    found = 0
    while page := list_positions(connection, chosen, limit=limit, after=after):
        found += len(_lacking(connection, page))
        after = page[-1]
    return found


def count_pending(connection: Connection, start: int, end: int) -> int:
    """How many summaries of a window's conversations are being written, or wait for it."""
    pending = select(func.count()).select_from(summaries.join(conversations, _c.number == _s.conversation))
    within = _s.run_at.is_not(None), _c.timestamp >= start, _c.timestamp < end
    return connection.scalar(pending.where(*within)) or 0


def _lacking(connection: Connection, page: Sequence[Position]) -> Sequence[str]:
    """The ids of those without a summary that is current or is being written."""
    rows = LACKING.rows(connection, {"numbers": [place[-1] for place in page]})
    return [id_ for (id_,) in rows]


def _statement() -> Select[Any]:
    joined = conversations.outerjoin(summaries, _c.number == _s.conversation)
    outdated = _s.run_at.is_(None) & or_(_s.status != COMPLETED, _s.made_from != _c.revision)
    lacking = or_(_s.conversation.is_(None), outdated)
    found = select(_c.id).select_from(joined).where(among(_c.number, "numbers"), lacking)
    return found.order_by(_c.number)


LACKING = Prepared(_statement())
