"""Digests of the settings of the last start, so that a change of them is noticed and no value is stored."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from models import seen_settings

_s = seen_settings.c
ALONE = select(func.pg_advisory_xact_lock(7_201_715))


class SeenSetting(NamedTuple):
    """A setting as it was at the last start."""

    secret: str
    """The id of the key that the digest was made with."""
    digest: bytes


def hold_alone(connection: Connection) -> None:
    """Keep other processes that start at this moment from comparing and replacing until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(ALONE)


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
