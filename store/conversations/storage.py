"""How much room the data takes, whether more can be stored, and what is old enough to go."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from models import conversations
from store.conversations.intake import NewConversation, NewMessage, accept
from store.conversations.records import delete_conversation

TRIAL_BYTES = 65_536


def used_bytes(connection: Connection) -> int:
    """Bytes of pages in use: SQLite does not shrink, so free pages of its file are room, not use."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    return _pages(connection, "page_count") - reusable_bytes(connection)


def reusable_bytes(connection: Connection) -> int:
    """Bytes of free pages: what SQLite takes before its file grows."""
    return 0 if connection.dialect.name == "postgresql" else _pages(connection, "freelist_count")


def _pages(connection: Connection, counted: str) -> int:
    number, size = (
        int(connection.execute(text(f"PRAGMA {name}")).scalar_one()) for name in (counted, "page_size")
    )
    return number * size


def empty_log(connection: Connection) -> None:
    """Move SQLite's write-ahead log into the file and cut it to nothing, where nobody reads an older state.

    It would be done by the next commits; where storage is full there may be none. For a transaction that has
    read nothing yet.
    """
    if connection.dialect.name == "postgresql":
        return
    # The first holds up nobody and leaves nothing to do for the second, which holds up the writer: neither waits.
    connection.execute(text("PRAGMA wal_checkpoint(PASSIVE)"))
    patience = connection.execute(text("PRAGMA busy_timeout")).scalar_one()
    connection.execute(text("PRAGMA busy_timeout=0"))
    connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    connection.execute(text(f"PRAGMA busy_timeout={patience}"))


def try_storing(connection: Connection) -> None:
    """Store a conversation and delete it again, so that nobody sees it; what is raised a post would meet too.

    Its text is random, because PostgreSQL would compress another, and long, because a page or two may always be
    found in a full file.
    """
    id_ = f"trial_{secrets.token_hex(10)}"
    said = NewMessage(secrets.token_hex(TRIAL_BYTES // 2))
    accept(connection, [NewConversation(id_, [said], is_chat=False, timestamp=0, received_at=0)])
    delete_conversation(connection, id_)


@dataclass(frozen=True, slots=True)
class Expired:
    """A conversation that is old enough to go."""

    number: int
    id: str
    has_ended: bool
    messages: int


def expired(connection: Connection, before: int, *, after: int, limit: int) -> Sequence[Expired]:
    """Conversations taken in before `before`, by number from `after` on.

    Intake numbers rise with the time of intake, so that nothing younger has to be looked at.
    """
    c = conversations.c
    first = (
        select(c.number, c.id, c.run_at, c.received_at, c.message_count)
        .where(c.number > after)
        .order_by(c.number)
        .limit(limit)
    )
    rows = connection.execute(first).all()
    old = (row for row in rows if row.received_at < before)
    return [Expired(row.number, row.id, row.run_at is None, row.message_count) for row in old]
