"""What the tables are made of: names of constraints, numbers, partial indexes, and columns that belong together."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    String,
    TextClause,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# INTEGER PRIMARY KEY is SQLite's rowid; BIGINT would make a second index of it.
Number = BigInteger().with_variant(Integer, "sqlite")


def partial_index(
    name: str, *columns: Column[Any], where: ColumnElement[bool] | TextClause, unique: bool = False
) -> Index:
    """An index of only the rows `where` holds, on both databases."""
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


def queue_columns() -> list[Column[object]]:
    """What makes a table a queue. A row is due at `run_at`, or in nobody's interest where that is NULL.

    While `lease` is set, `run_at` is its end: the work of the dead falls due by itself.
    """
    return [
        Column("status", String(10), nullable=False),
        Column("run_at", BigInteger),
        Column("lease", String(32)),
        Column("failures", Integer, nullable=False, server_default=text("0")),
        Column("revision", Integer, nullable=False, server_default=text("1")),
    ]


def chat_columns() -> list[Column[object]]:
    """What a conversation needs to grow. Times in UTC microseconds."""
    return [
        Column("message_count", Integer, nullable=False, server_default=text("1")),
        # The first so many messages can be found by their words; a row with more is still to do.
        Column("indexed", Integer, nullable=False, server_default=text("0")),
        # When its first and its last message were said. NULL of a text, which has one time.
        Column("said_from", BigInteger),
        Column("said_until", BigInteger),
        # When messages were added last, NULL where that was the intake.
        Column("updated_at", BigInteger),
        # When the first message came that is not analysed, where it is not the conversation's first.
        Column("waiting_since", BigInteger),
        # When it will have been quiet for long enough. NULL from the claim on, until the next message.
        Column("quiet_at", BigInteger),
    ]
