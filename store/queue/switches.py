"""What an operator switched on or off, for every process on the database and across restarts."""

from sqlalchemy import Connection, bindparam, select

from models import switches
from store.engine.dialect import insert_on_conflict
from store.engine.notifications import Channel, notify

ANALYSIS_PAUSED = "analysis_paused"
NAMED = select(switches.c.is_on).where(switches.c.name == bindparam("named"))


def is_on(connection: Connection, name: str) -> bool:
    """Whether the switch is on; one that was never touched is off."""
    return bool(connection.scalar(NAMED, {"named": name}))


def turn(connection: Connection, name: str, *, on: bool) -> None:
    """Turn the switch, and tell every process."""
    statement = insert_on_conflict(connection.dialect.name, switches).values(name=name, is_on=on)
    key = [switches.c.name]
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_={"is_on": on}))
    notify(connection, Channel.SWITCHES)
