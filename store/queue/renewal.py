"""Drops what was made of a conversation's content, and queues it again: its insight, its summary, its parts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, select, update

from models import QUEUED, SKIPPED, conversations, insights, summaries, summary_parts
from store.conversations.batched import forget_batched
from store.insights import case_filing, writing
from store.money import calls
from store.webhooks.outbox import forget_events


class Made(NamedTuple):
    """How much was made of conversations."""

    insights: int
    summaries: int


def made_of(connection: Connection, numbers: Sequence[int]) -> Made:
    """What is stored that was made of these conversations."""
    i, s = insights.c, summaries.c
    ours = select(func.count()).select_from(insights).where(i.conversation.in_(numbers))
    theirs = select(func.count()).select_from(summaries).where(s.conversation.in_(numbers))
    written = theirs.where(s.content.is_not(None))
    return Made(connection.scalar(ours) or 0, connection.scalar(written) or 0)


def renew(connection: Connection, row: Row[Any], *, now: int, due: int) -> Made:
    """Drop what was made of a conversation, whose row is locked, and have it made anew from `due` on.

    Whoever is at work on it has lost it: no answer about what it was before counts. `row` has number, status,
    timestamp, received_at and revision.
    """
    made = made_of(connection, [row.number])
    _queue(connection, row, now, due)
    forget_events(connection, [row.number])
    forget_batched(connection, [row.number], is_gone=False)
    case_filing.remove_summaries(connection, [row.number])
    writing.delete_insights(connection, [row.number])
    if row.status == SKIPPED:
        writing.adjust_skipped(connection, [row.timestamp], -1)
    _queue_summary(connection, row, due)
    calls.forget_bodies(connection, row.received_at)
    return made


def _queue(connection: Connection, row: Row[Any], now: int, due: int) -> None:
    anew = {
        "status": QUEUED,
        "run_at": due,
        "lease": None,
        "failures": 0,
        "revision": row.revision + 1,
        "waiting_since": now,
        "quiet_at": None,
        "attempts": 0,
        "pack_limit": None,
        "waits_for": None,
        "freshness": None,
        "error": None,
        "finished_at": None,
    }
    connection.execute(update(conversations).where(conversations.c.number == row.number).values(anew))


def _queue_summary(connection: Connection, row: Row[Any], due: int) -> None:
    p = summary_parts.c
    connection.execute(delete(summary_parts).where(p.conversation == row.number))
    written = (
        "made_from",
        "message_count",
        "content",
        "analyzer",
        "model",
        "raw",
        "draft",
        "created_at",
        "updated_at",
    )
    anew = {
        **dict.fromkeys(written),
        "status": QUEUED,
        "run_at": due,
        "lease": None,
        "failures": 0,
        "error": None,
        "revision": row.revision + 1,
    }
    connection.execute(update(summaries).where(summaries.c.conversation == row.number).values(anew))
