"""Log-ins that were begun: each for one browser, and for one call-back."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, insert

from models import pending_logins

_p = pending_logins.c


class PendingLogin(NamedTuple):
    """A log-in that was begun. Time in UTC microseconds."""

    state: bytes
    """The SHA-256 of the state that the provider sends back."""
    provider: str
    browser: bytes
    """The SHA-256 of the cookie of the browser that began."""
    nonce: str
    verifier: str
    """Of PKCE: whoever shows it to the provider is whoever began."""
    expires_at: int


def store_login(connection: Connection, login: PendingLogin, now: int) -> None:
    """Store a log-in, and take out those that have expired."""
    connection.execute(delete(pending_logins).where(_p.expires_at <= now))
    connection.execute(insert(pending_logins).values(login._asdict()))


def resume(connection: Connection, state: bytes) -> PendingLogin | None:
    """The log-in of a state, once: nobody else can have it after that. None if there is none."""
    columns = [_p[name] for name in PendingLogin._fields]
    row = connection.execute(
        delete(pending_logins).where(_p.state == state).returning(*columns)
    ).one_or_none()
    return None if row is None else PendingLogin(*row)
