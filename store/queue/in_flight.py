"""One text, one analysis: who is asking Grok about a text just now, as locks that expire."""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, select, update

from models import asking, conversations
from store.engine.dialect import insert_on_conflict, insert_rows


def _mine() -> ColumnElement[bool]:
    # Locked in the order in which `lead` takes them; without it PostgreSQL takes them as they lie.
    c = asking.c
    these = c.cache_key.in_(bindparam("keys", expanding=True))
    mine = select(c.cache_key).where(these, c.lease.in_(bindparam("leases", expanding=True)))
    locked = mine.order_by(c.cache_key).with_for_update().cte()
    return c.cache_key.in_(select(locked.c.cache_key))


EXTEND = update(asking).where(_mine()).values(until=bindparam("end"))
RELEASE = delete(asking).where(_mine())
OTHERS = select(asking.c.cache_key, asking.c.until).where(
    asking.c.cache_key.in_(bindparam("keys", expanding=True)), asking.c.lease != bindparam("lease")
)
# Who is locked is being claimed just now, and sees the answer by itself.
WAITING = (
    select(conversations.c.number)
    .where(conversations.c.waits_for.in_(bindparam("keys", expanding=True)))
    .order_by(conversations.c.number)
    .with_for_update(skip_locked=True)
)


def lead(
    connection: Connection, keys: Collection[bytes], *, lease: str, until: int, now: int
) -> Mapping[bytes, int]:
    """Ask about the texts with these keys, unless somebody does already.

    Gives the texts that are somebody else's, and when that claim ends; the rest are the caller's to ask.
    """
    if not keys:
        return {}
    # Sorted, so that two processes that ask about the same texts wait for each other in one direction.
    rows = [(key, lease, until) for key in sorted(keys)]
    insert_rows(connection, _lead(connection.dialect.name), rows, more=(now,))
    others = connection.execute(OTHERS, {"keys": list(keys), "lease": lease})
    return {row.cache_key: row.until for row in others}


@cache
def _lead(dialect: str) -> Any:
    new = insert_on_conflict(dialect, asking)
    return new.on_conflict_do_update(
        index_elements=[asking.c.cache_key],
        set_={"lease": new.excluded.lease, "until": new.excluded.until},
        where=asking.c.until <= bindparam("now"),
    )


def extend(connection: Connection, keys: Collection[bytes], *, leases: Collection[str], until: int) -> None:
    """Keep asking about these texts until later."""
    if keys:
        connection.execute(EXTEND, {"keys": list(keys), "leases": list(leases), "end": until})


def release(connection: Connection, keys: Collection[bytes], *, leases: Collection[str], now: int) -> None:
    """Stop asking about these texts, and let those who waited for the answer be due."""
    if not keys:
        return
    connection.execute(RELEASE, {"keys": list(keys), "leases": list(leases)})
    numbers = connection.scalars(WAITING, {"keys": list(keys)}).all()
    if numbers:
        these = update(conversations).where(conversations.c.number.in_(numbers))
        connection.execute(these.values(run_at=now, waits_for=None))


def forget_all(connection: Connection, *, now: int) -> None:
    """Nobody asks about anything: the process that did is gone."""
    connection.execute(delete(asking))
    c = conversations.c
    waiting = update(conversations).where(c.waits_for.is_not(None))
    connection.execute(waiting.values(run_at=now, waits_for=None))
