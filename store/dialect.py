"""The one thing that the two databases spell alike and SQLAlchemy does not: INSERT ... ON CONFLICT."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or(connection: Connection, table: Table) -> Any:
    """An INSERT into `table` that takes `on_conflict_do_nothing` or `on_conflict_do_update`."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
