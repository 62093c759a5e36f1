"""Storage: how much space the data takes, whether more can be stored, and which conversations have expired."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select, text

from models import conversations, summaries
from store.conversations.by_id import has_id_among
from store.conversations.intake import NewConversation, NewMessage, accept
from store.conversations.records import delete_conversation, delete_conversations, delete_last_messages

TRIAL_BYTES = 65_536


def used_bytes(connection: Connection) -> int:
    """Bytes of pages in use. SQLite's file does not shrink, so its free pages count as free space."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    return _pages(connection, "page_count") - reusable_bytes(connection)


def reusable_bytes(connection: Connection) -> int:
    """Bytes of free pages, which SQLite uses before its file grows."""
    return 0 if connection.dialect.name == "postgresql" else _pages(connection, "freelist_count")


def _pages(connection: Connection, count: str) -> int:
    number, size = (
        int(connection.execute(text(f"PRAGMA {name}")).scalar_one()) for name in (count, "page_size")
    )
    return number * size


def empty_log(connection: Connection) -> bool:
    """Move SQLite's write-ahead log into the file and truncate it; return False if a reader needs an older state.

    Later commits would do it too, but if storage is full there may be none. Call it in a transaction that has read
    nothing yet.
    """
    if connection.dialect.name == "postgresql":
        return True
    # The first checkpoint blocks nobody and leaves little to do for the second, which blocks the writer.
    connection.execute(text("PRAGMA wal_checkpoint(PASSIVE)"))
    patience = connection.execute(text("PRAGMA busy_timeout")).scalar_one()
    connection.execute(text("PRAGMA busy_timeout=0"))
    is_busy, _, _ = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
    connection.execute(text(f"PRAGMA busy_timeout={patience}"))
    return not is_busy


def try_storing(connection: Connection) -> None:
    """Store a conversation and delete it in the same transaction. Raises whatever a post would raise now.

    Its text is random, because PostgreSQL would compress any other, and long, because even a full file may have a
    free page or two.
    """
    id_ = f"trial_{secrets.token_hex(10)}"
    message = NewMessage(secrets.token_hex(TRIAL_BYTES // 2))
    accept(connection, [NewConversation(id_, [message], is_chat=False, timestamp=0, received_at=0)])
    delete_conversation(connection, id_)


@dataclass(frozen=True, slots=True)
class Expired:
    """A conversation that was begun long ago, and whether retention may delete it."""

    number: int
    id: str
    may_go: bool
    messages: int


C = conversations.c


def expired(connection: Connection, before: int, *, after: int, limit: int) -> Sequence[Expired]:
    """Conversations begun before `before`, among the first `limit` with numbers above `after`.

    One may go if it has ended, no summary of it is being written, and its last message arrived before `before`.
    Numbers rise with the time of intake, so newer conversations need not be read.
    """
    may_go = _may_go(before).label("may_go")
    first = (
        select(C.number, C.id, may_go, C.received_at, C.message_count)
        .where(C.number > after)
        .order_by(C.number)
        .limit(limit)
    )
    rows = connection.execute(first).all()
    old = (row for row in rows if row.received_at < before)
    return [Expired(row.number, row.id, bool(row.may_go), row.message_count) for row in old]


def _may_go(before: int) -> ColumnElement[bool]:
    last_arrival = func.coalesce(C.updated_at, C.received_at)
    summary_waits = exists().where(summaries.c.conversation == C.number, summaries.c.run_at.is_not(None))
    return and_(C.run_at.is_(None), last_arrival < before, ~summary_waits)


def lock_expired(connection: Connection, ids: Collection[str], before: int) -> Sequence[str]:
    """Those of the conversations that may still go, locked: a message may have arrived since they were listed."""
    chosen = select(C.id).where(has_id_among(ids), _may_go(before)).order_by(C.number)
    return connection.scalars(chosen.with_for_update()).all()


def delete_expired(connection: Connection, ids: Collection[str], before: int) -> Sequence[str]:
    """Delete those of the conversations that may still go; return their ids."""
    going = lock_expired(connection, ids, before)
    delete_conversations(connection, going)
    return going


def shorten_expired(connection: Connection, id_: str, before: int) -> bool:
    """Delete the last messages of a conversation that may still go, if it is too long for one transaction.

    Returns whether it was.
    """
    return bool(lock_expired(connection, [id_], before)) and delete_last_messages(connection, id_)
