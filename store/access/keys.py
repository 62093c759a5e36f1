"""API keys: what is stored of each, and every change of them."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from models import api_keys
from store.access import marks

_k = api_keys.c
COLUMNS = [
    _k[name]
    for name in (
        "id",
        "name",
        "role",
        "digest",
        "created_at",
        "created_by",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
]
USED = update(api_keys).where(_k.id == bindparam("key")).values(last_used_at=bindparam("at"))


class StoredKey(NamedTuple):
    """An API key. Times in UTC microseconds."""

    id: str
    name: str
    role: str
    digest: bytes
    created_at: int
    created_by: str
    """The actor who made it."""
    expires_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None


def add(connection: Connection, key: StoredKey) -> None:
    """Store a new key."""
    connection.execute(insert(api_keys).values(key._asdict()))
    marks.changed(connection)


def list_keys(connection: Connection) -> list[StoredKey]:
    """All keys, also revoked and expired ones, the newest first."""
    newest_first = select(*COLUMNS).order_by(_k.created_at.desc(), _k.id)
    return [StoredKey(*row) for row in connection.execute(newest_first)]


def revoke(connection: Connection, id_: str, now: int) -> bool:
    """Revoke a key for good. False if there is no such key, or it is revoked already."""
    live = (_k.id == id_) & _k.revoked_at.is_(None)
    if not connection.execute(update(api_keys).where(live).values(revoked_at=now)).rowcount:
        return False
    marks.changed(connection)
    return True


def note_uses(connection: Connection, times: Mapping[str, int]) -> None:
    """Note when keys, by id, were used last."""
    if times:
        connection.execute(USED, [{"key": id_, "at": at} for id_, at in sorted(times.items())])
