"""The full-text index of messages: FTS5 on SQLite, `tsvector` with GIN on PostgreSQL, with the same words.

In FTS5 the rowid of a message is its conversation's number * 65,536 + its position.
"""

import json
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Row,
    Subquery,
    TextClause,
    bindparam,
    column,
    func,
    select,
    text,
    update,
)

from domain.search_words import NOTHING, Phrase, indexed, written_by
from models import NOT_INDEXED, conversations, messages
from store.engine.vault import vault_of
from store.search import erasure, phrase_search
from store.search.opening import opened_messages

POSITIONS = 65_536
ENTRY_COLUMNS = tuple(
    messages.c[name] for name in ("conversation", "position", "text", "author", "sealed_author")
)


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
    term = vault_of(connection).term
    stored = (_sealed(each, term) for each in entries) if term else entries
    rows = [_as_vector(each) if of_postgresql else _as_document(each) for each in stored]
    if rows:
        connection.execute(ADD_VECTOR if of_postgresql else ADD_DOCUMENT, rows)


def list_unindexed(connection: Connection, *, limit: int) -> Sequence[Row[Any]]:
    """List up to `limit` messages that are not in the index, newest conversation first and each one's in order.

    Newest first, so that new conversations are found soon while the index is rebuilt. Rows have `conversation`,
    `position`, `text` and `author`.
    """
    c, m = conversations.c, messages.c
    unindexed = (m.conversation == c.number) & (m.position > c.indexed)
    found = select(*ENTRY_COLUMNS).join_from(conversations, messages, unindexed)
    rows = connection.execute(found.where(NOT_INDEXED).order_by(c.number.desc(), m.position).limit(limit))
    return opened_messages(connection, rows.all())


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
    locked = select(c.number, c.indexed).where(c.number.in_(first)).order_by(c.number).with_for_update()
    rows = connection.execute(locked).all()
    still = {row.number for row in rows if row.indexed == first[row.number] - 1}
    if not still:
        return
    # FTS5 begins a new segment whenever a rowid is lower than the one before.
    in_order = sorted(entries, key=lambda each: (each.conversation, each.position))
    add(connection, (each for each in in_order if each.conversation in still))
    connection.execute(
        update(conversations).where(c.number == bindparam("at")).values(indexed=bindparam("through")),
        [{"at": number, "through": last[number]} for number in sorted(still)],
    )


def remove(connection: Connection, numbers: Collection[int], *, after: int) -> None:
    """Remove the messages of these conversations with positions above `after` from the index."""
    if connection.dialect.name == "postgresql":
        connection.execute(REMOVE_VECTORS, {"numbers": list(numbers), "after": after})
        return
    c, m = conversations.c, messages.c
    in_index = (m.conversation == c.number) & (m.position <= c.indexed)
    found = select(*ENTRY_COLUMNS).join_from(conversations, messages, in_index)
    rows = connection.execute(found.where(c.number.in_(numbers), m.position > after)).all()
    if rows:
        # The FTS5 table is contentless, so a deletion must name the words of the message.
        term = vault_of(connection).term
        entries = (
            entry(row.conversation, row.position, row.text, row.author)
            for row in opened_messages(connection, rows)
        )
        stored = (_sealed(each, term) for each in entries) if term else entries
        connection.execute(REMOVE_DOCUMENT, [_as_document(each) for each in stored])
    erasure.mark(connection)


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
    if needs_texts(connection, phrases):
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
    if needs_texts(connection, phrases):
        rows = candidates(connection, phrases, author, among=among)
        return sorted(phrase_search.chats_with(connection, rows, phrases))
    statements = CHATS_BY_VECTOR if connection.dialect.name == "postgresql" else CHATS_BY_DOCUMENT
    return _numbers(connection.scalar(_found(connection, statements, phrases, author, among)))


def matching_chats_between(
    connection: Connection, phrases: Sequence[Phrase], first: int, last: int
) -> Sequence[int]:
    """The numbers from `first` to `last` of conversations with a message that contains all phrases, ascending."""
    if needs_texts(connection, phrases):
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


def needs_texts(connection: Connection, phrases: Sequence[Phrase]) -> bool:
    """Whether texts must be read to find phrases: the index of an encrypted database has no order of words."""
    return vault_of(connection).is_sealing and any(len(phrase) > 1 for phrase in phrases)


def candidates(
    connection: Connection,
    phrases: Sequence[Phrase],
    author: str | None,
    *,
    among: Sequence[int] | None = None,
) -> Sequence[int]:
    """The messages by the author that have all words of the phrases, newest first.

    A place is the conversation's number * 65,536 + the position.
    """
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


# --- SQL of each database -----------------------------------------------------------------------------------

ADD_DOCUMENT = text("INSERT INTO search (rowid, words) VALUES (:place, :words)")
REMOVE_DOCUMENT = text("INSERT INTO search (search, rowid, words) VALUES ('delete', :place, :words)")
# With bounds as well, because FTS5 then seeks to the first and stops at the last.
AMONG_DOCUMENTS = (
    " AND rowid >= (SELECT min(value) << 16 FROM json_each(:among))"
    " AND rowid < (SELECT (max(value) + 1) << 16 FROM json_each(:among))"
    " AND rowid >> 16 IN (SELECT value FROM json_each(:among))"
)
_FIND = "SELECT rowid >> 16 AS conversation, rowid & 65535 AS position FROM search WHERE search MATCH :query"
FIND_DOCUMENTS = (_FIND, _FIND + AMONG_DOCUMENTS)
_CHATS = "SELECT group_concat(DISTINCT rowid >> 16) FROM search WHERE search MATCH :query"
CHATS_BY_DOCUMENT = (_CHATS, _CHATS + AMONG_DOCUMENTS)
CHATS_BETWEEN_BY_DOCUMENT = _CHATS + " AND rowid >= :first << 16 AND rowid < (:last + 1) << 16"
ADD_VECTOR = text(
    "INSERT INTO search (conversation, position, words)"
    " VALUES (:conversation, :position, CAST(:words AS tsvector))"
)
REMOVE_VECTORS = text("DELETE FROM search WHERE conversation = ANY(:numbers) AND position > :after")
# The best plan depends on how common the words are and on the number of conversations: a generic plan took 1 s for
# twenty conversations that take 15 ms. Custom plans everywhere would cost pages of insights 4 to 6 ms.
PLAN_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")
FIND_VECTORS = (
    "SELECT conversation, position FROM search WHERE words @@ CAST(:query AS tsquery)",
    # `OFFSET 0` makes PostgreSQL read the messages of each conversation. Otherwise it looked up all messages with a
    # word: 40 ms for a word in a hundredth of all messages.
    "SELECT conversation, position FROM unnest(CAST(:among AS bigint[])) AS among (number) CROSS JOIN LATERAL"
    " (SELECT conversation, position, words FROM search WHERE conversation = number OFFSET 0) AS theirs"
    " WHERE words @@ CAST(:query AS tsquery)",
)
CHATS_BY_VECTOR = (
    "SELECT array_agg(DISTINCT conversation ORDER BY conversation) FROM search"
    " WHERE words @@ CAST(:query AS tsquery)",
    # `conversation = ANY(:among)` made PostgreSQL read all entries of a common word and also look up each number:
    # 228 ms for 7,500 conversations that take 55 this way, and 52 ms for 300 that take 2.
    "SELECT array_agg(DISTINCT number ORDER BY number) FROM unnest(CAST(:among AS bigint[])) AS among (number)"
    " WHERE EXISTS (SELECT FROM search WHERE conversation = number AND words @@ CAST(:query AS tsquery))",
)
CHATS_BETWEEN_BY_VECTOR = f"{CHATS_BY_VECTOR[0]} AND conversation BETWEEN :first AND :last"


def _sealed(entry: IndexEntry, term: Callable[[str], str]) -> IndexEntry:
    """The entry with the HMAC of each of its words, in an order that tells nothing about the text."""
    return entry._replace(words=sorted(term(word) for word in {*entry.words} if word != NOTHING))


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
