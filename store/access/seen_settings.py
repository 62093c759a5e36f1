"""Digests of the settings of the last start, so that a change of them is noticed and no value is stored."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from models import seen_settings

_s = seen_settings.c


class SeenSetting(NamedTuple):
    """A setting as it was at the last start."""

    secret: str
    """The id of the key that the digest was made with."""
    digest: bytes


def get(connection: Connection) -> dict[str, SeenSetting]:
    """By name; empty before the first start."""
    rows = connection.execute(select(_s.name, _s.secret, _s.digest))
    return {row.name: SeenSetting(row.secret, row.digest) for row in rows}


def replace_all(connection: Connection, seen: Mapping[str, SeenSetting]) -> None:
    """Replace all of them."""
    connection.execute(delete(seen_settings))
    connection.execute(
        insert(seen_settings), [{"name": name, **each._asdict()} for name, each in seen.items()]
    )
