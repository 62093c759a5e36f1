"""Pages of the chats in which words are found, and how many there are, as exactly as a page's time allows."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from domain.search_words import Phrase
from store.search import index
from store.search.index import PLAN_ANEW

COUNTED = 5_000
"""Messages that are counted: of so many every chat is known, and where there are more, their number is a lower bound.

A word in a fifth of a million messages takes SQLite 2 ms to here and 50 to its end, PostgreSQL 10 and 200. Of a phrase
these are the messages with its words, in whatever order: to look for two common ones side by side takes SQLite 27 ms.
"""
FURTHER = 4
"""Times as many are read on PostgreSQL where these do not fill the page: of a phrase of two common words the newest
5,000 messages have a dozen, and to look up all of its 2,700 takes 90 ms."""
SPARSE = 4
"""Times as many numbers as conversations, from which on each is looked up by itself."""
NARROW = 1_000
"""Numbers, up to which PostgreSQL reads all messages faster than it looks a common word up, 2 ms instead of 33."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Some of the chats, as their numbers, falling."""

    numbers: Sequence[int]
    total: int
    """How many there are; at least so many, and more than this page and those before it show, if not exact."""
    total_is_exact: bool


def search_chats(
    connection: Connection,
    phrases: Sequence[Phrase],
    author: str | None = None,
    *,
    among: Sequence[int] | None = None,
    besides: Sequence[int] = (),
    offset: int,
    limit: int,
    counted: int = COUNTED,
) -> SearchPage:
    """Up to `limit` conversations behind `offset`, newest first: those with a message that contains every phrase.

    There has to be a phrase. It is by that author, and the conversation, where they are given, one of those `among`
    (numbers rising). Those `besides`, not among them, are known to have one.
    """
    query = index.match_expression(connection, phrases, author)
    if among is not None and (not among or among[-1] - among[0] >= SPARSE * len(among)):
        found = _all(index.matching_chats(connection, phrases, author, among=among) if among else ())
    else:
        look = _in_vectors if connection.dialect.name == "postgresql" else _in_documents
        asked = _Search(connection, query, _words_of(connection, phrases, author), _range(among))
        found = look(asked, offset + limit + 1, counted)
    numbers = sorted([*found.numbers, *besides], reverse=True)[offset : offset + limit]
    return SearchPage(numbers, found.total + len(besides), found.total_is_exact)


def _words_of(connection: Connection, phrases: Sequence[Phrase], author: str | None) -> str:
    return index.match_expression(connection, [(word,) for phrase in phrases for word in phrase], author)


def _all(numbers: Iterable[int]) -> SearchPage:
    falling = sorted(numbers, reverse=True)
    return SearchPage(falling, len(falling), total_is_exact=True)


def _in_documents(asked: "_Search", wanted: int, counted: int) -> SearchPage:
    """From the end; the rest is counted from the start, because FTS5 takes twice as long to go back."""
    newest, is_all = asked.newest_documents(wanted)
    if is_all:
        return _all(newest)
    messages, chats = asked.count_documents(counted + 1)
    return SearchPage(newest, max(chats, len(newest)), total_is_exact=messages <= counted)


def _in_vectors(asked: "_Search", wanted: int, counted: int) -> SearchPage:
    """By the index, unless that takes long, as it does for a common word, however few of its chats are wanted."""
    asked.connection.execute(PLAN_ANEW)
    walks: tuple[int, ...] = ()
    if asked.is_narrow:
        walks = (counted,)
    elif asked.estimate() > counted:
        walks = counted, FURTHER * counted
    for most in walks:
        newest, is_all = asked.newest_vectors(most)
        if is_all:
            return _all(newest)
        if not asked.is_narrow and len(newest) >= wanted:
            return SearchPage(newest, len(newest), total_is_exact=False)
    return _all(asked.vectors())


@dataclass(frozen=True, slots=True)
class _Range:
    """Conversations by number, but for the `gaps` between them."""

    first: int
    last: int
    gaps: Collection[int]


def _range(numbers: Sequence[int] | None) -> _Range | None:
    if numbers is None:
        return None
    gaps = sorted({*range(numbers[0], numbers[-1] + 1)}.difference(numbers))
    return _Range(numbers[0], numbers[-1], gaps)


@dataclass(frozen=True, slots=True)
class _Search:
    """What is looked for, and among which conversations."""

    connection: Connection
    query: str
    words: str
    """The same, but that the words of a phrase may stand anywhere."""
    among: _Range | None

    @property
    def is_narrow(self) -> bool:
        return self.among is not None and self.among.last - self.among.first < NARROW

    def newest_documents(self, wanted: int) -> tuple[Sequence[int], bool]:
        """So many of the newest chats, falling, and whether they are all."""
        most = 4 * wanted
        while True:
            messages, numbers = self._documents(NEWEST_DOCUMENTS, most=most)
            found = sorted(map(int, numbers.split(",")), reverse=True) if numbers else []
            if messages < most or len(found) >= wanted:
                return found, messages < most
            most *= 8

    def count_documents(self, most: int) -> tuple[int, int]:
        """The oldest so many messages with the words, or all: how many they are, and of how many chats that match."""
        messages, chats, place = self._documents(COUNT_DOCUMENTS, query=self.words, most=most)
        if self.query != self.words:
            (chats,) = self._documents(COUNT_DOCUMENTS_THROUGH, place=place)
        return messages, chats

    def _documents(self, statement: str, **values: object) -> Sequence[Any]:
        if self.among is None or not self.among.gaps:
            return self._row(statement, WITHIN_DOCUMENTS, **values)
        gaps = json.dumps([*self.among.gaps])
        return self._row(statement, WITHIN_DOCUMENTS + NOT_IN_GAPS, gaps=gaps, **values)

    def newest_vectors(self, most: int) -> tuple[Sequence[int], bool]:
        """The chats that are found among the newest so many messages, falling, and whether they are all."""
        messages, numbers = self._row(NEWEST_VECTORS, WITHIN_VECTORS, most=most)
        return sorted(self._without_gaps(numbers), reverse=True), messages < most

    def vectors(self) -> Iterable[int]:
        """All of them."""
        (numbers,) = self._row(VECTORS, WITHIN_VECTORS)
        return self._without_gaps(numbers)

    def _without_gaps(self, numbers: Iterable[int] | None) -> Iterable[int]:
        found = {*(numbers or ())}
        return found if self.among is None else found.difference(self.among.gaps)

    def estimate(self) -> int:
        """In how many messages it is, by PostgreSQL's statistics."""
        ((plan,),) = self._row(ESTIMATE, WITHIN_VECTORS)
        rows: int = plan["Plan"]["Plan Rows"]
        return rows

    def _row(self, statement: str, within: str, **values: object) -> Sequence[Any]:
        bounds = {} if self.among is None else {"first": self.among.first, "last": self.among.last}
        asked = text(statement.format(within=within if bounds else ""))
        return self.connection.execute(asked, {"query": self.query} | bounds | values).one()


# --- each database's own ------------------------------------------------------------------------------------

NEWEST_DOCUMENTS = (
    # As one text: as rows they would be as many objects twice over.
    "SELECT count(*), group_concat(DISTINCT number) FROM"
    " (SELECT rowid >> 16 AS number FROM search WHERE search MATCH :query{within}"
    " ORDER BY rowid DESC LIMIT :most) AS newest"
)
COUNT_DOCUMENTS = (
    "SELECT count(*), count(DISTINCT place >> 16), max(place) FROM"
    " (SELECT rowid AS place FROM search WHERE search MATCH :query{within} LIMIT :most) AS oldest"
)
COUNT_DOCUMENTS_THROUGH = (
    "SELECT count(DISTINCT rowid >> 16) FROM search WHERE search MATCH :query{within} AND rowid <= :place"
)
# FTS5 leaps to the first and ends at the last.
WITHIN_DOCUMENTS = " AND rowid >= :first << 16 AND rowid < (:last + 1) << 16"
NOT_IN_GAPS = " AND rowid >> 16 NOT IN (SELECT value FROM json_each(:gaps))"

VECTORS = "SELECT array_agg(DISTINCT conversation) FROM search WHERE words @@ CAST(:query AS tsquery){within}"
ESTIMATE = "EXPLAIN (FORMAT JSON) SELECT FROM search WHERE words @@ CAST(:query AS tsquery){within}"
# By the primary key from its end, 0.5 us a message; `true` is there for what may follow.
NEWEST_VECTORS = (
    "SELECT CAST(coalesce(sum(looked_at), 0) AS bigint), array_agg(conversation) FILTER (WHERE is_found) FROM"
    " (SELECT conversation, count(*) AS looked_at, bool_or(words @@ CAST(:query AS tsquery)) AS is_found FROM"
    " (SELECT conversation, words FROM search WHERE true{within}"
    " ORDER BY conversation DESC, position DESC LIMIT :most) AS newest GROUP BY conversation) AS chats"
)
WITHIN_VECTORS = " AND conversation BETWEEN :first AND :last"
