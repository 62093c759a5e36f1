"""How far conversations are that somebody waits for: one statement for all of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from core.errors import DoesNotOpen
from models import COMPLETED, FAILED, SKIPPED, conversations, summaries
from store.conversations.by_id import has_id_among
from store.engine.vault import at, vault_of

MOST_IDS = 10_000
"""Of one statement; PostgreSQL takes 32,767 parameters."""
_c, _s = conversations.c, summaries.c


class ChatState(NamedTuple):
    """A chat as it is stored; a chat that is deleted and begun anew has another number."""

    number: int
    last_position: int
    erased: int = 0
    """How many of its messages were erased."""
    summary: str = ""
    """The version of its summary, as `summary_version` gives it."""
    draft: str = ""
    """What there is of a summary that another process is writing."""


def ended_among(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of these conversations that have ended, or do not exist any more."""
    open_ones = select(_c.id).where(_c.status.not_in((COMPLETED, FAILED, SKIPPED)))
    found = (connection.scalars(open_ones.where(has_id_among(some))) for some in _parts(ids))
    return set(ids).difference(*found)


def summarised_among(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of these conversations whose summary is not being written any more."""
    pending = select(_c.id).join_from(summaries, conversations).where(_s.run_at.is_not(None))
    found = (connection.scalars(pending.where(has_id_among(some))) for some in _parts(ids))
    return set(ids).difference(*found)


def chat_states(connection: Connection, ids: Sequence[str]) -> Mapping[str, ChatState | None]:
    """The state of each of these chats; None if there is none."""
    joined = conversations.outerjoin(summaries, _c.number == _s.conversation)
    columns = _c.id, _c.number, _c.message_count, _c.erased, _s.draft, _s.status, _s.run_at, _s.updated_at
    states = select(*columns).select_from(joined)
    found = dict[str, ChatState | None].fromkeys(ids)
    for some in _parts(ids):
        for id_, number, last, erased, draft, *summary in connection.execute(
            states.where(has_id_among(some))
        ):
            text = _draft(connection, number, draft)
            found[id_] = ChatState(number, last, erased, summary_version(*summary), text)
    return found


def _draft(connection: Connection, number: int, stored: str | None) -> str:
    try:
        return vault_of(connection).open("summaries.draft", at(number), stored) or ""
    except DoesNotOpen:
        return ""


def summary_version(status: str | None, run_at: int | None, updated_at: int | None) -> str:
    """What differs with each summary that was written or given up; "" while one is awaited, or without any."""
    return "" if status is None or run_at is not None else f"{status} {updated_at}"


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[first : first + MOST_IDS] for first in range(0, len(ids), MOST_IDS))
