"""Sessions of browsers: of a cookie's text only the SHA-256 is stored."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from models import sessions
from store.access import marks

_s = sessions.c


class StoredSession(NamedTuple):
    """A session of an account. Times in UTC microseconds."""

    digest: bytes
    account: str
    created_at: int
    expires_at: int
    """When it ends if it is not used before that."""


def store_session(connection: Connection, session: StoredSession) -> None:
    """Store a new session, and take out those that have ended."""
    connection.execute(delete(sessions).where(_s.expires_at <= session.created_at))
    connection.execute(insert(sessions).values(session._asdict()))


def session_of(connection: Connection, digest: bytes) -> StoredSession | None:
    """The session, also one that has ended; None if there is none."""
    columns = [_s[name] for name in StoredSession._fields]
    row = connection.execute(select(*columns).where(_s.digest == digest)).one_or_none()
    return None if row is None else StoredSession(*row)


def prolong(connection: Connection, digest: bytes, until: int) -> None:
    """Let a session last until then, or as long as it would without."""
    connection.execute(
        update(sessions).where((_s.digest == digest) & (_s.expires_at < until)).values(expires_at=until)
    )


def end_session(connection: Connection, digest: bytes) -> None:
    """End a session for every process."""
    if connection.execute(delete(sessions).where(_s.digest == digest)).rowcount:
        marks.changed(connection)
