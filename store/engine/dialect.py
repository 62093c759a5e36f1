"""The one thing that the two databases spell alike and SQLAlchemy does not: INSERT ... ON CONFLICT."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

ROWS_AT_ONCE = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""A statement's, on SQLite; it takes 32,766 values, and our widest row has 17."""


def insert_on_conflict(dialect: str, table: Table) -> Any:
    """An INSERT into `table` that takes `on_conflict_do_nothing` or `on_conflict_do_update`.

    `dialect` is the name of the connection's: `postgresql` or `sqlite`.
    """
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


def insert_rows(
    connection: Connection,
    statement: Insert,
    rows: Sequence[tuple[object, ...]],
    columns: tuple[str, ...] = (),
    more: tuple[object, ...] = (),
) -> None:
    """Execute an INSERT of `columns`, or all of its table's, for many rows, each a tuple in that order.

    `more` is what the rest of the statement takes, in its order.

    The driver takes them as they are: SQLAlchemy would copy each and look up how to turn every value, which was
    15 % of the engine's CPU. So no column may need turning, as a time or JSON would.
    """
    if connection.dialect.name == "postgresql":
        if rows:
            sql = _compiled(statement, connection.dialect, columns)
            connection.exec_driver_sql(sql, [(*row, *more) for row in rows] if more else [*rows])
        return
    for some in _in_steps(rows):
        sql = _compiled(statement, connection.dialect, columns, len(some))
        connection.exec_driver_sql(sql, (*chain.from_iterable(some), *more))


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


def as_tuples(table: Table, rows: Iterable[Mapping[str, object]]) -> list[tuple[object, ...]]:
    """Rows by column name as tuples in the columns' order."""
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
