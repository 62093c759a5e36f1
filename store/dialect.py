"""The one thing that the two databases spell alike and SQLAlchemy does not: INSERT ... ON CONFLICT."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def name_of(connection: Connection) -> str:
    """`postgresql` or `sqlite`."""
    return connection.dialect.name


def insert_or(dialect: str, table: Table) -> Any:
    """An INSERT into `table` that takes `on_conflict_do_nothing` or `on_conflict_do_update`."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)
