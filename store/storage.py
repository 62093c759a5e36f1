"""How much room the data takes, and what is old enough to go."""

from collections.abc import Sequence

from sqlalchemy import Connection, select, text

from models import conversations


def used_bytes(connection: Connection) -> int:
    """Bytes of pages in use: SQLite does not shrink, so free pages of its file are room, not use."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    pages, free, size = (
        int(connection.execute(text(f"PRAGMA {name}")).scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def expired(
    connection: Connection, before: int, *, after: int, limit: int
) -> Sequence[tuple[int, str, bool]]:
    """Number, id and whether it has ended, of conversations taken in before `before`, by number from `after` on.

    Intake numbers rise with the time of intake, so that nothing younger has to be looked at.
    """
    c = conversations.c
    first = (
        select(c.number, c.id, c.run_at, c.received_at)
        .where(c.number > after)
        .order_by(c.number)
        .limit(limit)
    )
    rows = connection.execute(first).all()
    return [(row.number, row.id, row.run_at is None) for row in rows if row.received_at < before]
