"""The full-text index of chats under test."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, text

from domain.search_words import Phrase, indexed, phrases_in
from models import conversations
from store.search import index, pages
from store.search.index import IndexEntry
from tests.support.chat_data import turns


def entries_of(rows: Sequence[Row[Any]]) -> list[IndexEntry]:
    return [index.entry(row.conversation, row.position, row.text, row.author) for row in rows]


def index_all(connection: Connection) -> None:
    """What the background does, at once."""
    while rows := index.list_unindexed(connection, limit=100):
        index.index_unindexed(connection, entries_of(rows))


def found(connection: Connection, keyword: str, author: str | None = None) -> list[str]:
    """The ids of the chats that are found, in order of intake."""
    phrases = phrases_in(keyword)
    numbers = list(index.matching_chats(connection, phrases, author)) if phrases else []
    assert numbers == sorted({*numbers})
    if phrases:
        page = pages.search_chats(connection, phrases, author, offset=0, limit=100, counted=3)
        assert list(page.numbers) == numbers[::-1]
    c = conversations.c
    ids = list(connection.scalars(select(c.id).where(c.number.in_(numbers)).order_by(c.number)))
    assert len(ids) == len(numbers)
    return ids


def entries(connection: Connection) -> int:
    """How many messages the index knows; raises where the index is damaged."""
    if connection.dialect.name == "postgresql":
        return connection.scalar(text("SELECT count(*) FROM search")) or 0
    connection.execute(text("INSERT INTO search (search) VALUES ('integrity-check')"))
    return connection.scalar(text("SELECT count(*) FROM search_docsize")) or 0


def contains(text: str, phrase: Phrase) -> bool:
    """Whether the words stand in the text one after another."""
    inside = indexed(text)
    return any(inside[at : at + len(phrase)] == [*phrase] for at in range(len(inside)))


def looked_through(connection: Connection, keyword: str, author: str | None) -> list[str]:
    """The same, by reading everything."""
    phrases = phrases_in(keyword)
    rows = connection.execute(select(conversations).order_by(conversations.c.number)).all()
    return [
        row.id
        for row in rows
        if phrases
        and any(
            all(contains(each.text, phrase) for phrase in phrases) and author in (None, each.author)
            for each in turns(connection, row.id)
        )
    ]
