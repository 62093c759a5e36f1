"""Erases the words of deleted messages from SQLite's file.

FTS5 only marks them as deleted: they stand in the file until their segment is merged with the marks. Merging everything
takes 0.4 to 0.7 s for 100,000 messages, so it happens in steps. FTS5's option `secure-delete` would erase them at once,
but needs SQLite 3.42, and an older one cannot read the index any more.
"""

from sqlalchemy import Connection, delete, select, text

from models import switches
from store.engine.dialect import insert_on_conflict

PAGES = 20
"""Pages of 4 KB that one step writes: 30 ms at most."""
NAME = "erase_deleted_words"
"""The switch, so that a stop in between loses nothing: on from a deletion until the next round begins, off during the
round, and gone when the round ends."""
BEGIN, GO_ON = -PAGES, PAGES
MERGE = text("INSERT INTO search (search, rank) VALUES ('merge', :pages)")
CHANGES = text("SELECT total_changes()")


def mark(connection: Connection) -> None:
    """Note that words were deleted."""
    _turn(connection, on=True)


def is_needed(connection: Connection) -> bool:
    """Whether words were deleted that may still stand in the file."""
    return connection.scalar(select(switches.c.is_on).where(switches.c.name == NAME)) is not None


def begin(connection: Connection) -> bool:
    """Begin a round, which erases what has been deleted so far; return whether there is more to do."""
    _turn(connection, on=False)
    return _merge(connection, BEGIN)


def go_on(connection: Connection) -> bool:
    """Carry out a step of the round; return whether there is more to do."""
    return _merge(connection, GO_ON)


def end(connection: Connection) -> None:
    """End the round. What was deleted since its beginning needs another one."""
    connection.execute(delete(switches).where(switches.c.name == NAME, switches.c.is_on.is_(False)))


def _merge(connection: Connection, pages: int) -> bool:
    before = connection.scalar(CHANGES) or 0
    connection.execute(MERGE, {"pages": pages})
    # A step that wrote fewer pages than it might have found nothing more to merge.
    return (connection.scalar(CHANGES) or 0) - before >= PAGES


def _turn(connection: Connection, *, on: bool) -> None:
    statement = insert_on_conflict(connection.dialect.name, switches).values(name=NAME, is_on=on)
    key = [switches.c.name]
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_={"is_on": on}))
