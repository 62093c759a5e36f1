"""Tickets, each of which opens one socket: of their text only the SHA-256 is stored."""

from sqlalchemy import Connection, delete, insert, select

from models import tickets

_t = tickets.c


def issue(connection: Connection, digest: bytes, actor: str, expires_at: int, now: int) -> None:
    """Store a ticket of an actor, and take out those that have expired. Times in UTC microseconds."""
    connection.execute(delete(tickets).where(_t.expires_at <= now))
    connection.execute(insert(tickets).values(digest=digest, actor=actor, expires_at=expires_at))


def is_issued(connection: Connection, digest: bytes) -> bool:
    """Whether there is such a ticket, also one that has expired."""
    return connection.execute(select(_t.digest).where(_t.digest == digest)).first() is not None


def redeem(connection: Connection, digest: bytes) -> tuple[str, int] | None:
    """The actor of a ticket and when it ends, once: nobody else can have it after that. None if there is none."""
    taken = delete(tickets).where(_t.digest == digest).returning(_t.actor, _t.expires_at)
    row = connection.execute(taken).one_or_none()
    return None if row is None else (row.actor, row.expires_at)
