"""The one thing that the two databases spell alike and SQLAlchemy does not: INSERT ... ON CONFLICT."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


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
    if rows:
        connection.exec_driver_sql(_compiled(statement, connection.dialect), [*rows])


def in_order(table: Table, rows: Iterable[Mapping[str, object]]) -> list[tuple[object, ...]]:
    """Rows by column name as tuples in the columns' order."""
    return [*map(itemgetter(*table.columns.keys()), rows)]


@lru_cache(maxsize=64)
def _compiled(statement: Insert, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect, column_keys=statement.table.columns.keys()))
