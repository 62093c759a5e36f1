"""Numbers that all processes on a database share: how often access has changed, and the end of the audit log."""

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from models import access_marks
from store.engine.dialect import insert_on_conflict
from store.engine.notifications import Channel, notify

CHANGES, AUDIT = "changes", "audit"
START = b"\0" * 32
_m = access_marks.c
NAMED = select(_m.number, _m.link).where(_m.name == bindparam("named"))


class Mark(NamedTuple):
    """The number and the link that stand under a name."""

    number: int
    link: bytes


def get(connection: Connection, name: str) -> Mark:
    """The mark; 0 and zeros if it was never set."""
    row = connection.execute(NAMED, {"named": name}).one_or_none()
    return Mark(0, START) if row is None else Mark(row.number, row.link or START)


def take(connection: Connection, name: str) -> Mark:
    """The mark, which nobody else can take before the transaction ends."""
    absent = insert_on_conflict(connection.dialect.name, access_marks).values(name=name, number=0)
    connection.execute(absent.on_conflict_do_nothing())
    row = connection.execute(select(_m.number, _m.link).where(_m.name == name).with_for_update()).one()
    return Mark(row.number, row.link or START)


def put(connection: Connection, name: str, mark: Mark) -> None:
    """Set the mark."""
    values = {"number": mark.number, "link": mark.link}
    connection.execute(access_marks.update().where(_m.name == name).values(values))


def changed(connection: Connection) -> None:
    """Tell every process that a key, an account or a session has changed."""
    put(connection, CHANGES, Mark(take(connection, CHANGES).number + 1, START))
    notify(connection, Channel.ACCESS)
