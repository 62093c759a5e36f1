"""What one process at a time does: held for a while, renewed by its holder, and free again if that is not heard of.

A holder that was frozen may wake when another holds the duty, and finish the step that it was in. So a duty is work
whose steps are right whoever makes them; that one process does it at a time saves work.
"""

from sqlalchemy import Connection, delete

from models import duties
from store.engine.dialect import insert_on_conflict

_d = duties.c


def take_duty(connection: Connection, name: str, *, holder: str, now: int, until: int) -> bool:
    """Hold a duty until then, unless another process holds it; gives whether it is held now."""
    new = insert_on_conflict(connection.dialect.name, duties).values(name=name, holder=holder, until=until)
    ours = (_d.holder == holder) | (_d.until <= now)
    again = {"holder": new.excluded.holder, "until": new.excluded.until}
    taken = new.on_conflict_do_update(index_elements=[_d.name], set_=again, where=ours)
    return connection.execute(taken.returning(_d.name)).one_or_none() is not None


def lay_down(connection: Connection, holder: str) -> None:
    """Free every duty that a process holds."""
    connection.execute(delete(duties).where(_d.holder == holder))
