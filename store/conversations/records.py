"""Conversations: read, list, retry and delete them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from models import (
    COMPLETED,
    FAILED,
    NOT_COMPLETED,
    QUEUED,
    SKIPPED,
    conversations,
    grok_calls,
    insights,
    messages,
    participants,
)
from store.conversations.batched import forget_batched
from store.conversations.by_id import has_external_id, has_id, has_id_among
from store.engine.vault import vault_of
from store.insights import case_filing
from store.insights import writing as results
from store.insights.entries import ShownInsight, as_shown, insight_of
from store.insights.versions import InsightVersion, versions_of
from store.money import calls
from store.search import index
from store.webhooks.outbox import forget_events

RETRIED_AT_ONCE = 100
"""Rows in one transaction of a mass retry, so that it does not delay intake."""


MESSAGES_AT_ONCE = 100
"""Messages of a long chat that one transaction deletes, for the same reason."""
SHOWN_MESSAGES = 1_000
"""Messages of a conversation that are returned at once: as many as one post may have. A chat's rest is paged."""

# Raw data is up to 64 KB a row, and a page has up to 1,000 rows.
WITHOUT_RAW_DATA = tuple(column for column in conversations.c if column.name != "raw_data")
DELETION_COLUMNS = tuple(
    conversations.c[name]
    for name in ("number", "timestamp", "received_at", "status", "message_count", "erased", "indexed")
)


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A conversation with its messages, its insight and the call it came from; all but the insight are rows."""

    conversation: Row[Any]
    messages: Sequence[Row[Any]]
    insight: ShownInsight | None
    call: Row[Any] | None
    history: Sequence[InsightVersion] | None = None
    """The earlier versions of the insight, newest first, where they were asked for."""


class RetryResult(Enum):
    """The result of a request to analyse a conversation again."""

    QUEUED = "queued"
    UNKNOWN = "unknown"
    NOT_ENDED_BADLY = "not_ended_badly"


def get_conversation(
    connection: Connection, id_: str, *, with_history: bool = False
) -> StoredConversation | None:
    """Return a conversation with its first messages in order; None if it does not exist."""
    row = connection.execute(select(conversations).where(has_id(id_))).one_or_none()
    if row is None:
        return None
    m, g = messages.c, grok_calls.c
    first = select(messages).where(m.conversation == row.number).order_by(m.position).limit(SHOWN_MESSAGES)
    first_messages = connection.execute(first).all()
    insight = insight_of(connection, row.number)
    number = None if insight is None else insight.row.call
    called = select(grok_calls).where(g.number == number)
    # SQLite would read the whole table for a number that IS NULL.
    call = None if number is None else connection.execute(called).one_or_none()
    vault = vault_of(connection)
    return StoredConversation(
        vault.opened(conversations, row),
        vault.all_opened(messages, first_messages),
        insight,
        call and vault.opened(grok_calls, call),
        versions_of(connection, [row.number]).get(row.number, ()) if with_history else None,
    )


def status_of(connection: Connection, id_: str) -> str | None:
    """The status of a conversation; None if it does not exist."""
    return connection.scalar(select(conversations.c.status).where(has_id(id_)))


def ids_by_external_id(connection: Connection, external_id: str, *, limit: int) -> Sequence[str]:
    """The ids of the newest conversations with this external id, which each owner may have used once."""
    c = conversations.c
    newest = select(c.id).where(has_external_id(external_id)).order_by(c.number.desc())
    return connection.scalars(newest.limit(limit)).all()


def list_with_insights(
    connection: Connection, ids: Collection[str]
) -> dict[str, tuple[Row[Any], ShownInsight | None]]:
    """The known conversations of these ids, without their raw data, each with its insight."""
    vault = vault_of(connection)
    found = connection.execute(select(*WITHOUT_RAW_DATA).where(has_id_among(ids))).all()
    rows = vault.all_opened(conversations, found)
    numbers = [row.number for row in rows]
    made = connection.execute(select(insights).where(insights.c.conversation.in_(numbers))).all()
    by_number = {each.row.conversation: each for each in as_shown(connection, made)}
    return {row.id: (row, by_number.get(row.number)) for row in rows}


def list_conversations(
    connection: Connection,
    *,
    limit: int,
    before: int | None = None,
    status: str | None = None,
    external_id: str | None = None,
    author: str | None = None,
) -> Sequence[Row[Any]]:
    """List conversations, newest intake first, without their raw data.

    `before` is the intake number at which the previous page ended.
    """
    c = conversations.c
    statement: Select[Any] = select(*WITHOUT_RAW_DATA).order_by(c.number.desc()).limit(limit)
    if before is not None:
        statement = statement.where(c.number < before)
    if external_id is not None:
        statement = statement.where(has_external_id(external_id))
    if author is not None:
        statement = statement.where(c.author == vault_of(connection).author(author))
    if status is not None:
        statement = _of_status(statement, status)
    return vault_of(connection).all_opened(conversations, connection.execute(statement).all())


def _of_status(statement: Select[Any], status: str) -> Select[Any]:
    chosen = statement.where(conversations.c.status == status)
    return chosen if status == COMPLETED else chosen.where(NOT_COMPLETED)


def delete_last_messages(connection: Connection, id_: str) -> bool:
    """Delete the last messages of a conversation that is too long to be deleted in one transaction.

    Returns whether it was too long.
    """
    rows = _locked(connection, [id_])
    if not rows or rows[0].message_count <= MESSAGES_AT_ONCE:
        return False
    [row] = rows
    left = row.message_count - MESSAGES_AT_ONCE
    _remove_messages(connection, [row.number], after=left)
    fewer: dict[str, Any] = {"message_count": left, "indexed": min(left, row.indexed)}
    if row.erased:
        of_row = select(func.count()).select_from(messages).where(messages.c.conversation == row.number)
        fewer["erased"] = left - of_row.scalar_subquery()
    connection.execute(update(conversations).where(conversations.c.number == row.number).values(fewer))
    return True


def delete_conversation(connection: Connection, id_: str) -> bool:
    """Delete a conversation and everything that belongs to it; return whether it existed."""
    return bool(delete_conversations(connection, [id_]))


def delete_conversations(connection: Connection, ids: Collection[str]) -> int:
    """Delete conversations, everything that belongs to them and their share of all counts; return how many."""
    rows = _locked(connection, ids)
    numbers = [row.number for row in rows]
    forget_events(connection, numbers)
    case_filing.remove_summaries(connection, numbers)
    results.delete_insights(connection, numbers)
    results.adjust_skipped(connection, [row.timestamp for row in rows if row.status == SKIPPED], -1)
    _remove_messages(connection, numbers, after=0)
    connection.execute(delete(participants).where(participants.c.conversation.in_(numbers)))
    forget_batched(connection, numbers, is_gone=True)
    connection.execute(delete(conversations).where(conversations.c.number.in_(numbers)))
    if rows:
        calls.forget_bodies(connection, min(row.received_at for row in rows))
    return len(numbers)


def _locked(connection: Connection, ids: Collection[str]) -> Sequence[Row[Any]]:
    c = conversations.c
    found: Select[Any] = select(*DELETION_COLUMNS).where(has_id_among(ids)).order_by(c.number)
    return connection.execute(found.with_for_update()).all()


def _remove_messages(connection: Connection, numbers: Collection[int], *, after: int) -> None:
    index.remove(connection, numbers, after=after)
    m = messages.c
    connection.execute(delete(messages).where(m.conversation.in_(numbers), m.position > after))


def retry(connection: Connection, id_: str, *, fresh: bool, now: int) -> RetryResult:
    """Queue a conversation that failed or was skipped; `fresh` bypasses the cache."""
    row = connection.execute(select(conversations).where(has_id(id_)).with_for_update()).one_or_none()
    if row is None:
        return RetryResult.UNKNOWN
    if row.status not in (FAILED, SKIPPED):
        return RetryResult.NOT_ENDED_BADLY
    _queue_again(connection, [row], fresh=fresh, now=now)
    return RetryResult.QUEUED


def retry_by_status(connection: Connection, status: str, *, before: int | None, now: int) -> Sequence[int]:
    """Queue up to 100 conversations with this status and a number below `before`; return the numbers, descending."""
    c = conversations.c
    newest = select(c.number, c.status, c.timestamp).order_by(c.number.desc()).limit(RETRIED_AT_ONCE)
    chosen = _of_status(newest, status)
    if before is not None:
        chosen = chosen.where(c.number < before)
    rows = connection.execute(chosen.with_for_update()).all()
    _queue_again(connection, rows, fresh=False, now=now)
    return [row.number for row in rows]


def _queue_again(connection: Connection, rows: Sequence[Row[Any]], *, fresh: bool, now: int) -> None:
    skipped = [row for row in rows if row.status == SKIPPED]
    # An operator asked for the skipped conversations, so the prefilter must not skip them again.
    _queue(connection, skipped, now, pass_prefilter=True, pass_cache=fresh)
    _queue(connection, [row for row in rows if row.status != SKIPPED], now, pass_cache=fresh)
    results.adjust_skipped(connection, [row.timestamp for row in skipped], -1)


def _queue(connection: Connection, rows: Sequence[Row[Any]], now: int, **flags: bool) -> None:
    if not rows:
        return
    anew = {
        "status": QUEUED,
        "run_at": now,
        "failures": 0,
        "pack_limit": None,
        "error": None,
        "finished_at": None,
    }
    chosen = conversations.c.number.in_([row.number for row in rows])
    connection.execute(update(conversations).where(chosen).values({**anew, **flags}))
