"""The full-text index of messages: FTS5 on SQLite, `tsvector` with GIN on PostgreSQL, with the same words.

In FTS5 the rowid of a message is its conversation's number * 65,536 + its position.
"""

import json
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Row,
    Subquery,
    TextClause,
    column,
    func,
    select,
    text,
    tuple_,
)

from domain.search_words import NOTHING, Phrase, indexed, written_by
from models import NOT_INDEXED, conversations, messages
from store.engine.vault import vault_of
from store.search import erasure, phrase_search
from store.search.full_text import (
    ADD_DOCUMENT,
    ADD_VECTOR,
    CHATS_BETWEEN_BY_DOCUMENT,
    CHATS_BETWEEN_BY_VECTOR,
    CHATS_BY_DOCUMENT,
    CHATS_BY_VECTOR,
    ENTRY_COLUMNS,
    FIND_DOCUMENTS,
    FIND_VECTORS,
    PLAN_ANEW,
    REMOVE_DOCUMENT,
    REMOVE_SOME_VECTORS,
    REMOVE_VECTORS,
    SET_INDEXED,
    SET_INDEXED_OF_ONE,
    UNINDEXED,
)
from store.search.opening import opened_messages

POSITIONS = 65_536


class IndexEntry(NamedTuple):
    """A message's entry in the index: the words under which it is found."""

    conversation: int
    """Intake number."""
    position: int
    words: Sequence[str]


def entry(conversation: int, position: int, text: str, author: str | None) -> IndexEntry:
    """Build the index entry of a message."""
    return IndexEntry(
        conversation, position, [*indexed(text), *([] if author is None else [written_by(author)])]
    )


def add(connection: Connection, entries: Iterable[IndexEntry]) -> None:
    """Add messages that are not in the index yet."""
    of_postgresql = connection.dialect.name == "postgresql"
    rows = [*map(_as_vector if of_postgresql else _as_document, _stored(connection, entries))]
    if rows:
        connection.execute(ADD_VECTOR if of_postgresql else ADD_DOCUMENT, rows)


def list_unindexed(connection: Connection, *, limit: int) -> Sequence[Row[Any]]:
    """List up to `limit` messages that are not in the index, newest conversation first and each one's in order.

    Newest first, so that new conversations are found soon while the index is rebuilt. Rows have `conversation`,
    `position`, `text` and `author`.
    """
    return opened_messages(connection, connection.execute(UNINDEXED, {"most": limit}).all())


def is_complete(connection: Connection) -> bool:
    """Whether every message is in the index."""
    return connection.scalar(select(conversations.c.number).where(NOT_INDEXED).limit(1)) is None


def count_unindexed(connection: Connection) -> int:
    """Count the conversations with messages that are not in the index."""
    return connection.scalar(select(func.count()).select_from(conversations).where(NOT_INDEXED)) or 0


def index_unindexed(connection: Connection, entries: Sequence[IndexEntry]) -> None:
    """Index messages of `list_unindexed`, except those that were indexed or deleted in the meantime."""
    c = conversations.c
    first = {each.conversation: each.position for each in reversed(entries)}
    last = {each.conversation: each.position for each in entries}
    columns = select(c.number, c.indexed, c.erased).where(c.number.in_(first))
    rows = connection.execute(columns.order_by(c.number).with_for_update()).all()
    still = {row.number for row in rows if row.indexed == first[row.number] - 1}
    if not still:
        return
    gone = _erased_among(connection, entries, {row.number for row in rows if row.erased} & still)
    # FTS5 begins a new segment whenever a rowid is lower than the one before.
    in_order = sorted(entries, key=lambda each: (each.conversation, each.position))
    here = (each for each in in_order if (each.conversation, each.position) not in gone)
    add(connection, (each for each in here if each.conversation in still))
    set_indexed(connection, {number: last[number] for number in sorted(still)})


def _erased_among(
    connection: Connection, entries: Sequence[IndexEntry], among: Collection[int]
) -> set[tuple[int, int]]:
    """The places of entries of these conversations whose messages were erased since they were read."""
    places = {(each.conversation, each.position) for each in entries if each.conversation in among}
    if not places:
        return places
    m = messages.c
    stored = select(m.conversation, m.position).where(tuple_(m.conversation, m.position).in_(places))
    return places - {(number, position) for number, position in connection.execute(stored)}


def set_indexed(connection: Connection, through: Mapping[int, int]) -> None:
    """Note through which position conversations are in the index, passing over what was erased."""
    if connection.dialect.name == "postgresql":
        rows = [{"at": number, "through": position} for number, position in through.items()]
        connection.execute(SET_INDEXED_OF_ONE, rows)
        return
    alike: dict[int, list[int]] = defaultdict(list)
    for number, position in through.items():
        alike[position].append(number)
    for position, numbers in alike.items():
        SET_INDEXED.run(connection, {"keys": numbers, "through": position})


def remove(connection: Connection, numbers: Collection[int], *, after: int) -> None:
    """Remove the messages of these conversations with positions above `after` from the index."""
    if connection.dialect.name == "postgresql":
        connection.execute(REMOVE_VECTORS, {"numbers": list(numbers), "after": after})
        return
    c, m = conversations.c, messages.c
    in_index = (m.conversation == c.number) & (m.position <= c.indexed)
    found = select(*ENTRY_COLUMNS).join_from(conversations, messages, in_index)
    rows = connection.execute(found.where(c.number.in_(numbers), m.position > after)).all()
    _remove_documents(connection, rows)
    erasure.mark(connection)


def remove_messages(connection: Connection, number: int, positions: Collection[int], *, indexed: int) -> None:
    """Remove messages of a conversation, which is in the index through `indexed`."""
    in_index = [position for position in positions if position <= indexed]
    if connection.dialect.name == "postgresql":
        connection.execute(REMOVE_SOME_VECTORS, {"number": number, "positions": in_index})
        return
    m = messages.c
    found = select(*ENTRY_COLUMNS).where(m.conversation == number, m.position.in_(in_index))
    _remove_documents(connection, connection.execute(found).all())
    erasure.mark(connection)


def _remove_documents(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    # The FTS5 table is contentless, so a deletion must name the words of the message.
    opened = opened_messages(connection, rows)
    entries = [entry(row.conversation, row.position, row.text, row.author) for row in opened]
    if entries:
        connection.execute(REMOVE_DOCUMENT, [*map(_as_document, _stored(connection, entries))])


def matching_messages(
    connection: Connection,
    phrases: Sequence[Phrase],
    author: str | None = None,
    *,
    among: Sequence[int] | None = None,
) -> Subquery:
    """Select the messages by the author that contain all phrases, optionally only in the conversations `among`.

    Rows have `conversation` and `position`. There must be at least one phrase.
    """
    on_postgresql = connection.dialect.name == "postgresql"
    if phrase_search.needs_texts(connection, phrases):
        rows = candidates(connection, phrases, author, among=among)
        places = [*phrase_search.places_with(connection, rows, phrases)]
        found = phrase_search.select_places(connection, places)
    else:
        statements = FIND_VECTORS if on_postgresql else FIND_DOCUMENTS
        found = _found(connection, statements, phrases, author, among)
    return found.columns(column("conversation", BigInteger), column("position", Integer)).subquery("matches")


def matching_chats(
    connection: Connection,
    phrases: Sequence[Phrase],
    author: str | None = None,
    *,
    among: Sequence[int] | None = None,
) -> Sequence[int]:
    """The numbers of the conversations with a matching message, ascending, optionally only of those `among`."""
    if phrase_search.needs_texts(connection, phrases):
        rows = candidates(connection, phrases, author, among=among)
        return sorted(phrase_search.chats_with(connection, rows, phrases))
    statements = CHATS_BY_VECTOR if connection.dialect.name == "postgresql" else CHATS_BY_DOCUMENT
    return _numbers(connection.scalar(_found(connection, statements, phrases, author, among)))


def matching_chats_between(
    connection: Connection, phrases: Sequence[Phrase], first: int, last: int
) -> Sequence[int]:
    """The numbers from `first` to `last` of conversations with a message that contains all phrases, ascending."""
    if phrase_search.needs_texts(connection, phrases):
        places = candidates(connection, phrases, None)
        these = [place for place in places if first <= place // POSITIONS <= last]
        return sorted(phrase_search.chats_with(connection, these, phrases))
    of_postgresql = connection.dialect.name == "postgresql"
    if of_postgresql:
        connection.execute(PLAN_ANEW)
    found = text(CHATS_BETWEEN_BY_VECTOR if of_postgresql else CHATS_BETWEEN_BY_DOCUMENT)
    query = match_expression(connection, phrases, None)
    return _numbers(connection.scalar(found.bindparams(query=query, first=first, last=last)))


def _numbers(found: str | Sequence[int] | None) -> Sequence[int]:
    """The numbers as a list. SQLite returns them as one text: 50,000 rows would create twice as many objects."""
    return array("q", sorted(map(int, found.split(",")))) if isinstance(found, str) else found or ()


def candidates(
    connection: Connection,
    phrases: Sequence[Phrase],
    author: str | None,
    *,
    among: Sequence[int] | None = None,
) -> Sequence[int]:
    """The rowids of messages by the author that have all words of the phrases, newest first."""
    statements = FIND_VECTORS if connection.dialect.name == "postgresql" else FIND_DOCUMENTS
    rows = connection.execute(_found(connection, statements, phrases, author, among))
    return sorted((number * POSITIONS + position for number, position in rows), reverse=True)


def _found(
    connection: Connection,
    statements: tuple[str, str],
    phrases: Sequence[Phrase],
    author: str | None,
    among: Sequence[int] | None,
) -> TextClause:
    """Bind the first of the statements, or the second if the search is limited to the conversations `among`."""
    words = {"query": match_expression(connection, phrases, author)}
    if among is None:
        return text(statements[0]).bindparams(**words)
    if connection.dialect.name == "postgresql":
        connection.execute(PLAN_ANEW)
        return text(statements[1]).bindparams(**words, among=[*among])
    return text(statements[1]).bindparams(**words, among=json.dumps([*among]))


def match_expression(connection: Connection, phrases: Sequence[Phrase], author: str | None) -> str:
    """The phrases and the author as a match expression in the database's own syntax."""
    wanted = phrases if author is None else [*phrases, (written_by(author),)]
    if term := vault_of(connection).term:
        words = dict.fromkeys(word for phrase in wanted for word in phrase)
        wanted = [(term(word),) for word in words]
    if connection.dialect.name == "postgresql":
        return " & ".join(f"({' <-> '.join(map(_quoted, phrase))})" for phrase in wanted)
    return " AND ".join(f'"{" ".join(phrase)}"' for phrase in wanted)


def _stored(connection: Connection, entries: Iterable[IndexEntry]) -> Iterable[IndexEntry]:
    """The entries, if need be with the HMACs of their words, in an order that tells nothing about the text."""
    if (term := vault_of(connection).term) is None:
        return entries
    return (each._replace(words=sorted(term(w) for w in {*each.words} if w != NOTHING)) for each in entries)


def _as_document(entry: IndexEntry) -> dict[str, Any]:
    return {"place": entry.conversation * POSITIONS + entry.position, "words": " ".join(entry.words)}


def _as_vector(entry: IndexEntry) -> dict[str, Any]:
    places: dict[str, list[str]] = {}
    for place, word in enumerate(entry.words, 1):
        if word != NOTHING:
            places.setdefault(word, []).append(str(place))
    words = " ".join(f"{_quoted(word)}:{','.join(at)}" for word, at in places.items())
    return {"conversation": entry.conversation, "position": entry.position, "words": words}


def _quoted(word: str) -> str:
    # Words consist of letters, marks and digits, so nothing needs escaping.
    return f"'{word}'"
