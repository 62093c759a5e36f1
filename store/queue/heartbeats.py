"""Which processes share the database: each says every few seconds that it is there. Only on PostgreSQL.

Times are UTC microseconds on the database's clock, so that processes need not agree about the time.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select, text

from core.clock import SECOND
from models import processes
from store.engine.dialect import insert_on_conflict

FORGOTTEN_AFTER = 3600 * SECOND
"""A process that was not heard of for so long has no row any more."""
UNHURRIED = text("SET LOCAL synchronous_commit = off")
"""A beat that is lost with the server is made up for by the next; so no disk has to wait for one."""
_p = processes.c
Json = dict[str, Any]


class ProcessSeen(NamedTuple):
    """A process, as it was last heard of."""

    id: str
    role: str
    host: str
    version: str
    started_at: int
    seen_at: int
    state: Json
    """What it says of itself."""


COLUMNS = tuple(_p[name] for name in ProcessSeen._fields)


def beat(connection: Connection, process: ProcessSeen) -> None:
    """Say that a process is there."""
    connection.execute(UNHURRIED)
    values = {**process._asdict(), "host": process.host[:255], "state": json.dumps(process.state)}
    new = insert_on_conflict("postgresql", processes).values(values)
    again = {name: new.excluded[name] for name in ("seen_at", "state")}
    connection.execute(new.on_conflict_do_update(index_elements=[_p.id], set_=again))


def seen_since(connection: Connection, moment: int) -> Sequence[ProcessSeen]:
    """The processes that were heard of since a moment."""
    found = connection.execute(select(*COLUMNS).where(_p.seen_at >= moment).order_by(_p.started_at, _p.id))
    return [ProcessSeen(*row)._replace(state=json.loads(row.state)) for row in found]


def sign_off(connection: Connection, id_: str, *, now: int) -> None:
    """A process ends; those that ended without a word are forgotten."""
    gone = (_p.id == id_) | (_p.seen_at < now - FORGOTTEN_AFTER)
    connection.execute(delete(processes).where(gone))
