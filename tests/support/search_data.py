"""The full-text index of chats under test."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from store.search import index
from store.search.index import IndexEntry


def entries_of(rows: Sequence[Row[Any]]) -> list[IndexEntry]:
    return [index.entry(row.conversation, row.position, row.text, row.author) for row in rows]


def index_all(connection: Connection) -> None:
    """What the background does, at once."""
    while rows := index.list_unindexed(connection, limit=100):
        index.index_unindexed(connection, entries_of(rows))
