"""INSERT for both databases: ON CONFLICT, and many rows at once without SQLAlchemy's overhead per value."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

ROWS_AT_ONCE = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement on SQLite, which takes 32,766 values; our widest row has 17."""


def insert_on_conflict(dialect: str, table: Table) -> Any:
    """Return an INSERT into `table` that has `on_conflict_do_nothing` and `on_conflict_do_update`.

    `dialect` is the name of the connection's dialect, `postgresql` or `sqlite`.
    """
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


def insert_rows(
    connection: Connection,
    statement: Insert,
    rows: Sequence[tuple[object, ...]],
    columns: tuple[str, ...] = (),
    more: tuple[object, ...] = (),
) -> int | None:
    """Execute an INSERT of many rows, each a tuple of `columns`, or of all columns of the table.

    Gives how many rows were inserted or changed; None where the driver does not say, on PostgreSQL.

    `more` are the parameters of the rest of the statement, in order.

    The rows go to the driver as they are. SQLAlchemy would copy each and look up a converter for every value, which
    was 15 % of the engine's CPU. So no column may need conversion, as a datetime or JSON would.
    """
    if connection.dialect.name == "postgresql":
        if rows:
            sql = _compiled(statement, connection.dialect, columns)
            connection.exec_driver_sql(sql, [(*row, *more) for row in rows] if more else [*rows])
        return None
    stored = 0
    for chunk in _chunks(rows):
        sql = _compiled(statement, connection.dialect, columns, len(chunk))
        stored += connection.exec_driver_sql(sql, (*chain.from_iterable(chunk), *more)).rowcount
    return stored


def _chunks(rows: Sequence[tuple[object, ...]]) -> Iterator[Sequence[tuple[object, ...]]]:
    """Split rows into chunks that fit into one statement.

    SQLite's driver releases the GIL for every row of an executemany, and waits up to 5 ms to get it back from a busy
    thread: 400 rows took 700 to 2,400 ms and 18 to 44 ms of CPU; in chunks they take 18 to 120 ms and 5 to 8. There are
    few sizes, so that the driver keeps all statements prepared.
    """
    first = 0
    for size in ROWS_AT_ONCE:
        while len(rows) - first >= size:
            yield rows[first : first + size]
            first += size


def as_tuples(table: Table, rows: Iterable[Mapping[str, object]]) -> list[tuple[object, ...]]:
    """Convert mappings by column name to tuples in the order of the table's columns."""
    return [*map(itemgetter(*table.columns.keys()), rows)]


@lru_cache(maxsize=256)
def _compiled(statement: Insert, dialect: Dialect, columns: tuple[str, ...], rows: int = 1) -> str:
    names = columns or statement.table.columns.keys()
    one = str(statement.compile(dialect=dialect, column_keys=names))
    if rows == 1:
        return one
    row = f"({', '.join('?' * len(names))})"
    head, tail = one.split(row)
    return head + ", ".join([row] * rows) + tail
