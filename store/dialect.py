"""The one thing that the two databases spell alike and SQLAlchemy does not: INSERT ... ON CONFLICT."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

ROWS_AT_ONCE = (256, 64, 16, 4, 1)
"""A statement's, on SQLite; it takes 32,766 values, and our widest row has 17."""


def insert_or(dialect: str, table: Table) -> Any:
    """An INSERT into `table` that takes `on_conflict_do_nothing` or `on_conflict_do_update`.

    `dialect` is the name of the connection's: `postgresql` or `sqlite`.
    """
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


def insert_rows(connection: Connection, statement: Insert, rows: Sequence[tuple[object, ...]]) -> None:
    """Execute an INSERT of all of its table's columns for many rows, each a tuple in the columns' order.

    The driver takes them as they are: SQLAlchemy would copy each and look up how to turn every value, which was
    15 % of the engine's CPU. So no column may need turning, as a time or JSON would.
    """
    if connection.dialect.name == "postgresql":
        if rows:
            connection.exec_driver_sql(_compiled(statement, connection.dialect), [*rows])
        return
    for some in _in_steps(rows):
        values = tuple(chain.from_iterable(some))
        connection.exec_driver_sql(_compiled(statement, connection.dialect, len(some)), values)


def _in_steps(rows: Sequence[tuple[object, ...]]) -> Iterator[Sequence[tuple[object, ...]]]:
    """The rows, as many at a time as one statement takes.

    SQLite's driver lets go of the interpreter for every row that it is given, and waits up to 5 ms to have it back
    while requests are answered: beside a busy thread 400 rows took 700 to 2,400 ms and 18 to 44 of CPU, in steps
    18 to 120 and 5 to 8. Few sizes, so that the driver keeps them all prepared.
    """
    first = 0
    for size in ROWS_AT_ONCE:
        while len(rows) - first >= size:
            yield rows[first : first + size]
            first += size


def in_order(table: Table, rows: Iterable[Mapping[str, object]]) -> list[tuple[object, ...]]:
    """Rows by column name as tuples in the columns' order."""
    return [*map(itemgetter(*table.columns.keys()), rows)]


@lru_cache(maxsize=256)
def _compiled(statement: Insert, dialect: Dialect, rows: int = 1) -> str:
    columns = statement.table.columns.keys()
    one = str(statement.compile(dialect=dialect, column_keys=columns))
    if rows == 1:
        return one
    row = f"({', '.join('?' * len(columns))})"
    head, tail = one.split(row)
    return head + ", ".join([row] * rows) + tail
