"""One text, one call: which lease is asking Grok about a text at the moment, as locks that expire."""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    LargeBinary,
    String,
    Update,
    bindparam,
    delete,
    select,
    update,
)

from models import asking, conversations, provider_batches
from store.engine.dialect import insert_on_conflict, insert_rows
from store.engine.prepared import Prepared, PreparedChange, among

AT_ONCE = 500


_a, _c = asking.c, conversations.c


def _mine() -> ColumnElement[bool]:
    # Locked in the order in which `lead` takes them; otherwise PostgreSQL locks them as they lie on disk.
    these = _a.cache_key.in_(bindparam("keys", expanding=True))
    mine = select(_a.cache_key).where(these, _a.lease.in_(bindparam("leases", expanding=True)))
    locked = mine.order_by(_a.cache_key).with_for_update().cte()
    return _a.cache_key.in_(select(locked.c.cache_key))


def _of_mine(change: Update | Delete) -> PreparedChange:
    of_leases = change.where(among(_a.lease, "leases", of=String))
    return PreparedChange(of_leases, _a.cache_key, on_postgresql=change.where(_mine()))


EXTEND = _of_mine(update(asking).values(until=bindparam("end")))
RELEASE = _of_mine(delete(asking))
OTHERS = select(_a.cache_key, _a.until).where(
    _a.cache_key.in_(bindparam("keys", expanding=True)), _a.lease != bindparam("lease")
)
# A locked row is being claimed at this moment, and that claim finds the answer by itself.
WAITING = Prepared(
    select(_c.number)
    .where(among(_c.waits_for, "keys", of=LargeBinary))
    .order_by(_c.number)
    .with_for_update(skip_locked=True)
)


def lead(
    connection: Connection, keys: Collection[bytes], *, lease: str, until: int, now: int
) -> Mapping[bytes, int]:
    """Ask about the texts with these keys, unless somebody else does already.

    Gives the texts that somebody else is asking about, and when that lease ends; the caller asks about the rest.
    """
    if not keys:
        return {}
    # Sorted, so that two processes asking about the same texts wait for each other in one direction.
    rows = [(key, lease, until) for key in sorted(keys)]
    led = insert_rows(connection, _lead(connection.dialect.name), rows, more=(now,))
    if led == len(rows):
        return {}
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
        EXTEND.run(connection, {"keys": list(keys), "leases": list(leases), "end": until})


def release(connection: Connection, keys: Collection[bytes], *, leases: Collection[str], now: int) -> None:
    """Stop asking about these texts; the conversations that waited for an answer fall due."""
    if not keys:
        return
    RELEASE.run(connection, {"keys": list(keys), "leases": list(leases)})
    numbers = [number for (number,) in WAITING.rows(connection, {"keys": list(keys)})]
    if numbers:
        these = update(conversations).where(_c.number.in_(numbers))
        connection.execute(these.values(run_at=now, waits_for=None))


def release_all(connection: Connection, *, lease: str, now: int) -> None:
    """Stop asking about every text that a lease is asking about."""
    keys = connection.scalars(select(asking.c.cache_key).where(asking.c.lease == lease)).all()
    for first in range(0, len(keys), AT_ONCE):
        release(connection, keys[first : first + AT_ONCE], leases=[lease], now=now)


def forget_all(connection: Connection, *, now: int) -> None:
    """Release every text but those of batches, and make all who waited due. Only while no other process runs."""
    of_batches = select(provider_batches.c.holder).where(provider_batches.c.run_at.is_not(None))
    connection.execute(delete(asking).where(asking.c.lease.not_in(of_batches)))
    waiting = update(conversations).where(
        _c.waits_for.is_not(None), _c.waits_for.not_in(select(_a.cache_key))
    )
    connection.execute(waiting.values(run_at=now, waits_for=None))
