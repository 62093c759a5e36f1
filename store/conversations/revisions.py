"""The quiet period: when a growing conversation is due, and how it is requeued if it grew while being analysed.

A conversation with new messages is due when it has been quiet for a while, at the latest LONGEST_WAIT after its
first message that is not analysed. A worker keeps its lease when messages arrive; they are analysed afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select, tuple_, update

from core.clock import SECOND
from models import QUEUED, conversations, messages

LONGEST_WAIT = 600 * SECOND


class ChatPause(NamedTuple):
    """How long chats wait for more, from `now` on, in UTC microseconds."""

    now: int
    quiet: int
    """How long one has to be quiet before it is analysed."""
    wait: int
    """How long one that can wait does, before it is due like all others."""


def due_at(quiet_at: int, since: int) -> int:
    """The time a conversation is due: at `quiet_at`, at the latest LONGEST_WAIT after `since`."""
    return min(quiet_at, since + LONGEST_WAIT)


class LeasedConversation(NamedTuple):
    """The row of a leased conversation, read before its outcome is stored."""

    number: int
    lease: str | None
    revision: int
    received_at: int
    waiting_since: int | None
    quiet_at: int | None


def waiting_since(row: Row[Any] | LeasedConversation) -> int:
    """The arrival of the first message that is not analysed, of a conversation that is queued or processing."""
    return int(row.received_at if row.waiting_since is None else row.waiting_since)


@dataclass(frozen=True, slots=True)
class GrownSinceClaim:
    """A conversation that got messages after it was claimed, and whose analysis has just ended or been given back."""

    row: LeasedConversation
    read: int
    """The number of messages that were read for the analysis."""
    answered: bool
    """Whether the analysis of those messages is finished."""
    not_before: int = 0
    failures: int = 0
    pack_limit: int | None = None


def requeue_grown(connection: Connection, grown: Sequence[GrownSinceClaim]) -> None:
    """Queue conversations, whose rows are locked, for the messages that arrived after they were claimed."""
    if not grown:
        return
    arrivals = _arrivals(connection, {each.row.number: each.read + 1 for each in grown})
    names = ("run_at", "waiting_since", "quiet_at", "failures", "pack_limit")
    anew: dict[str, object] = {name: bindparam(f"new_{name}") for name in names}
    free = {"status": QUEUED, "lease": None, "error": None, "finished_at": None}
    connection.execute(
        update(conversations).where(conversations.c.number == bindparam("at")).values({**free, **anew}),
        [_queue_state(each, arrivals.get(each.row.number)) for each in grown],
    )


def _queue_state(grown: GrownSinceClaim, arrival: int | None) -> dict[str, object]:
    # The message is missing if the chat is being deleted, which starts at its end.
    since = arrival if grown.answered and arrival is not None else waiting_since(grown.row)
    due = due_at(grown.row.quiet_at or since, since)
    return {
        "at": grown.row.number,
        "new_run_at": max(due, grown.not_before),
        "new_waiting_since": since,
        "new_quiet_at": due,
        "new_failures": grown.failures,
        "new_pack_limit": grown.pack_limit,
    }


def _arrivals(connection: Connection, positions: Mapping[int, int]) -> dict[int, int]:
    """The arrival of the message at a position of each conversation, by the conversation's number."""
    m = messages.c
    one_each = tuple_(m.conversation, m.position).in_(list(positions.items()))
    rows = connection.execute(select(m.conversation, m.received_at).where(one_each))
    return {row.conversation: row.received_at for row in rows}
