"""Conversations by their ids.

In a partitioned PostgreSQL database each id is looked up in the table `conversation_ids`, which gives the number and so
the partition; without that, every partition would be searched. In one that is not partitioned this is a view. SQLite
has neither.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import BigInteger, ColumnElement, Connection, String, column, or_, select, table

from models import conversations
from store.engine.prepared import by_dialect

conversation_ids = table(
    "conversation_ids",
    column("number", BigInteger),
    *(column(name, String) for name in ("id", "external_id", "idempotency_key", "owner")),
)
_c, _i = conversations.c, conversation_ids.c


def has_id(id_: str) -> ColumnElement[bool]:
    """The condition that a conversation has this id."""
    number = select(_i.number).where(_i.id == id_).scalar_subquery()
    return by_dialect(_c.id == id_, _c.number == number)


def has_id_among(ids: Collection[str]) -> ColumnElement[bool]:
    """The condition that a conversation has one of these ids."""
    return by_dialect(_c.id.in_(ids), _c.number.in_(select(_i.number).where(_i.id.in_(ids))))


def has_external_id(external_id: str) -> ColumnElement[bool]:
    """The condition that a conversation has this external id, whoever its owner is."""
    numbers = select(_i.number).where(_i.external_id == external_id)
    return by_dialect(_c.external_id == external_id, _c.number.in_(numbers))


def has_any_of(
    ids: Collection[str], external_ids: Collection[str], keys: Collection[str], owners: Iterable[str]
) -> ColumnElement[bool]:
    """The condition that a conversation has one of these ids, or one of these owners' other ids."""
    theirs = {*owners}
    on_sqlite, on_postgresql = (
        or_(
            c.id.in_(ids),
            c.external_id.in_(external_ids) & c.owner.in_(theirs),
            c.idempotency_key.in_(keys) & c.owner.in_(theirs),
        )
        for c in (_c, _i)
    )
    return by_dialect(on_sqlite, _c.number.in_(select(_i.number).where(on_postgresql)))


def lock_number(connection: Connection, id_: str) -> int | None:
    """The intake number of a conversation, whose row is locked from then on; None if there is none."""
    number: int | None = connection.scalar(select(_c.number).where(has_id(id_)).with_for_update())
    return number
