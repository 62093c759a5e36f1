"""One text, one analysis: who is asking Grok about a text just now, as locks that expire."""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, Connection, delete, select, update

from models import asking, conversations
from store.dialect import insert_or


def lead(
    connection: Connection, keys: Collection[bytes], *, lease: str, until: int, now: int
) -> Mapping[bytes, int]:
    """Ask about the texts with these keys, unless somebody does already.

    Gives the texts that are somebody else's, and when that claim ends; the rest are the caller's to ask.
    """
    if not keys:
        return {}
    statement = insert_or(connection, asking)
    mine = statement.on_conflict_do_update(
        index_elements=[asking.c.cache_key],
        set_={"lease": statement.excluded.lease, "until": statement.excluded.until},
        where=asking.c.until <= now,
    ).returning(asking.c.cache_key)
    rows = [{"cache_key": key, "lease": lease, "until": until} for key in sorted(keys)]
    refused = set(keys) - set(connection.execute(mine, rows).scalars())
    if not refused:
        return {}
    others = select(asking.c.cache_key, asking.c.until).where(asking.c.cache_key.in_(refused))
    return {row.cache_key: row.until for row in connection.execute(others)}


def extend(connection: Connection, keys: Collection[bytes], *, leases: Collection[str], until: int) -> None:
    """Keep asking about these texts until later."""
    if keys:
        connection.execute(update(asking).where(_mine(keys, leases)).values(until=until))


def release(connection: Connection, keys: Collection[bytes], *, leases: Collection[str], now: int) -> None:
    """Stop asking about these texts, and let those who waited for the answer be due."""
    if not keys:
        return
    connection.execute(delete(asking).where(_mine(keys, leases)))
    c = conversations.c
    # Who is locked is being claimed just now, and sees the answer by itself.
    waiting = (
        select(c.number).where(c.waits_for.in_(keys)).order_by(c.number).with_for_update(skip_locked=True)
    )
    numbers = connection.scalars(waiting).all()
    if numbers:
        connection.execute(
            update(conversations).where(c.number.in_(numbers)).values(run_at=now, waits_for=None)
        )


def _mine(keys: Collection[bytes], leases: Collection[str]) -> ColumnElement[bool]:
    # Locked in the order in which `lead` takes them; without it PostgreSQL takes them as they lie.
    c = asking.c
    mine = select(c.cache_key).where(c.cache_key.in_(keys), c.lease.in_(leases))
    locked = mine.order_by(c.cache_key).with_for_update().cte()
    return c.cache_key.in_(select(locked.c.cache_key))


def forget_all(connection: Connection, *, now: int) -> None:
    """Nobody asks about anything: the process that did is gone."""
    connection.execute(delete(asking))
    c = conversations.c
    waiting = update(conversations).where(c.waits_for.is_not(None))
    connection.execute(waiting.values(run_at=now, waits_for=None))
