"""Conversations that grow: when one is due, and what becomes of an answer to what it was before.

A message makes a conversation due when it has been quiet for a while, and at the latest LONGEST_WAIT after the
first message that is not analysed. Who holds it keeps it: what came meanwhile is analysed after that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select, tuple_, update

from core.clock import SECOND
from models import QUEUED, conversations, messages

LONGEST_WAIT = 600 * SECOND


def due_at(quiet_at: int, since: int) -> int:
    """When a conversation is due that will be quiet at `quiet_at` and has waited since `since`."""
    return min(quiet_at, since + LONGEST_WAIT)


class LeasedConversation(NamedTuple):
    """A conversation that is held, as its row was before it ended."""

    number: int
    lease: str | None
    revision: int
    received_at: int
    waiting_since: int | None
    quiet_at: int | None


def waiting_since(row: Row[Any] | LeasedConversation) -> int:
    """When the first message came that is not analysed; `row` is of a conversation that has not ended."""
    return int(row.received_at if row.waiting_since is None else row.waiting_since)


@dataclass(frozen=True, slots=True)
class GrownSinceClaim:
    """A conversation that got messages while it was analysed, and has just been ended or given back."""

    row: LeasedConversation
    read: int
    """How many messages were analysed."""
    answered: bool
    """Whether nothing more is to be found out about those."""
    not_before: int = 0
    failures: int = 0
    pack_limit: int | None = None


def requeue_grown(connection: Connection, overtaken: Sequence[GrownSinceClaim]) -> None:
    """Queue conversations, whose rows are locked, for what came since they were read."""
    if not overtaken:
        return
    arrived = _arrived(connection, {each.row.number: each.read + 1 for each in overtaken})
    names = ("run_at", "waiting_since", "quiet_at", "failures", "pack_limit")
    anew: dict[str, object] = {name: bindparam(f"new_{name}") for name in names}
    free = {"status": QUEUED, "lease": None, "error": None, "finished_at": None}
    connection.execute(
        update(conversations).where(conversations.c.number == bindparam("at")).values({**free, **anew}),
        [_waiting(each, arrived.get(each.row.number)) for each in overtaken],
    )


def _waiting(overtaken: GrownSinceClaim, arrived: int | None) -> dict[str, object]:
    # There is no such message where the chat is just being deleted, from its end.
    since = arrived if overtaken.answered and arrived is not None else waiting_since(overtaken.row)
    due = due_at(overtaken.row.quiet_at or since, since)
    return {
        "at": overtaken.row.number,
        "new_run_at": max(due, overtaken.not_before),
        "new_waiting_since": since,
        "new_quiet_at": due,
        "new_failures": overtaken.failures,
        "new_pack_limit": overtaken.pack_limit,
    }


def _arrived(connection: Connection, positions: Mapping[int, int]) -> dict[int, int]:
    """When one message of each conversation came: by number, the message by its position."""
    m = messages.c
    one_each = tuple_(m.conversation, m.position).in_(list(positions.items()))
    rows = connection.execute(select(m.conversation, m.received_at).where(one_each))
    return {row.conversation: row.received_at for row in rows}
