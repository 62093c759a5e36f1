"""Word search over chats: a page of the matching chats, and their number as exactly as is fast enough."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, text

from domain.search_words import Phrase
from store.search import index, phrase_search
from store.search.full_text import PLAN_ANEW

COUNTED = 5_000
"""Matching messages up to which chats are counted exactly; with more, the total is a lower bound.

A word in a fifth of a million messages takes SQLite 2 ms up to here and 50 ms in total, PostgreSQL 10 and 200. For a
phrase, messages with its words in any order are counted: finding two common words side by side takes SQLite 27 ms.
"""
FURTHER = 4
"""PostgreSQL reads this many times more messages if the first ones do not fill the page. For a phrase of two common
words the newest 5,000 messages have a dozen matches, and looking up all of its 2,700 takes 90 ms."""
SPARSE = 4
"""If the range of numbers is this many times the conversations in it, each conversation is looked up by itself."""
NARROW = 1_000
"""Up to this range of numbers PostgreSQL reads all messages faster than it looks up a common word: 2 ms, not 33."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of matching chats as their numbers, descending."""

    numbers: Sequence[int]
    total: int
    """The number of matching chats; if not exact, a lower bound that exceeds this page and those before it."""
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
    """Return up to `limit` conversations after `offset`, newest first, that have a message with all phrases.

    There must be a phrase. Optionally the message must be by `author` and the conversation one of `among` (ascending
    numbers). The conversations `besides`, which are not in `among`, are already known to match.
    """
    query = index.match_expression(connection, phrases, author)
    if phrase_search.needs_texts(connection, phrases):
        places = index.candidates(connection, phrases, author, among=among)
        found = _in_texts(connection, places, phrases, offset + limit + 1, counted)
    elif among is not None and (not among or among[-1] - among[0] >= SPARSE * len(among)):
        found = _exact_page(index.matching_chats(connection, phrases, author, among=among) if among else ())
    else:
        look = _in_vectors if connection.dialect.name == "postgresql" else _in_documents
        search = _Search(connection, query, _words_of(connection, phrases, author), _range(among))
        found = look(search, offset + limit + 1, counted)
    numbers = sorted([*found.numbers, *besides], reverse=True)[offset : offset + limit]
    return SearchPage(numbers, found.total + len(besides), found.total_is_exact)


def _words_of(connection: Connection, phrases: Sequence[Phrase], author: str | None) -> str:
    return index.match_expression(connection, [(word,) for phrase in phrases for word in phrase], author)


def _exact_page(numbers: Iterable[int]) -> SearchPage:
    descending = sorted(numbers, reverse=True)
    return SearchPage(descending, len(descending), total_is_exact=True)


def _in_texts(
    connection: Connection, places: Sequence[int], phrases: Sequence[Phrase], wanted: int, counted: int
) -> SearchPage:
    """Look for phrases in the texts of messages that have their words, newest first; count all if they are few."""
    chats = phrase_search.chats_with(connection, places, phrases)
    numbers = [*(chats if len(places) <= counted else islice(chats, wanted))]
    is_exact = len(places) <= counted or len(numbers) < wanted
    return SearchPage(numbers, len(numbers), total_is_exact=is_exact)


def _in_documents(search: "_Search", wanted: int, counted: int) -> SearchPage:
    """Search SQLite from the newest message back; count from the oldest, because FTS5 is twice as slow backwards."""
    newest, is_all = search.newest_documents(wanted)
    if is_all:
        return _exact_page(newest)
    messages, chats = search.count_documents(counted + 1)
    return SearchPage(newest, max(chats, len(newest)), total_is_exact=messages <= counted)


def _in_vectors(search: "_Search", wanted: int, counted: int) -> SearchPage:
    """Search PostgreSQL: read the newest messages if the words are common or the range is narrow, else use the index.

    The index is slow for a common word, however few of its chats are wanted.
    """
    search.connection.execute(PLAN_ANEW)
    walks: tuple[int, ...] = ()
    if search.is_narrow:
        walks = (counted,)
    elif search.estimate() > counted:
        walks = counted, FURTHER * counted
    for most in walks:
        newest, is_all = search.newest_vectors(most)
        if is_all:
            return _exact_page(newest)
        if not search.is_narrow and len(newest) >= wanted:
            return SearchPage(newest, len(newest), total_is_exact=False)
    return _exact_page(search.vectors())


@dataclass(frozen=True, slots=True)
class _Range:
    """Conversations with numbers from `first` to `last`, except the `gaps`."""

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
    """A match expression and the range of conversations to search."""

    connection: Connection
    query: str
    words: str
    """The same expression with the words of a phrase in any order."""
    among: _Range | None

    @property
    def is_narrow(self) -> bool:
        return self.among is not None and self.among.last - self.among.first < NARROW

    def newest_documents(self, wanted: int) -> tuple[Sequence[int], bool]:
        """At least `wanted` of the newest chats, descending, and whether these are all."""
        most = 4 * wanted
        while True:
            messages, numbers = self._documents(NEWEST_DOCUMENTS, most=most)
            found = sorted(map(int, numbers.split(",")), reverse=True) if numbers else []
            if messages < most or len(found) >= wanted:
                return found, messages < most
            most *= 8

    def count_documents(self, most: int) -> tuple[int, int]:
        """Count up to `most` messages with the words, oldest first, and the matching chats among theirs."""
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
        """The matching chats among the newest `most` messages, descending, and whether these are all."""
        messages, numbers = self._row(NEWEST_VECTORS, WITHIN_VECTORS, most=most)
        return sorted(self._without_gaps(numbers), reverse=True), messages < most

    def vectors(self) -> Iterable[int]:
        """All matching chats."""
        (numbers,) = self._row(VECTORS, WITHIN_VECTORS)
        return self._without_gaps(numbers)

    def _without_gaps(self, numbers: Iterable[int] | None) -> Iterable[int]:
        found = {*(numbers or ())}
        return found if self.among is None else found.difference(self.among.gaps)

    def estimate(self) -> int:
        """PostgreSQL's estimate of the number of matching messages."""
        ((plan,),) = self._row(ESTIMATE, WITHIN_VECTORS)
        rows: int = plan["Plan"]["Plan Rows"]
        return rows

    def _row(self, statement: str, within: str, **values: object) -> Sequence[Any]:
        bounds = {} if self.among is None else {"first": self.among.first, "last": self.among.last}
        sql = text(statement.format(within=within if bounds else ""))
        return self.connection.execute(sql, {"query": self.query} | bounds | values).one()


# --- SQL of each database -----------------------------------------------------------------------------------

NEWEST_DOCUMENTS = (
    # As one text: rows would create twice as many objects.
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
# FTS5 seeks to the first and stops at the last.
WITHIN_DOCUMENTS = " AND rowid >= :first << 16 AND rowid < (:last + 1) << 16"
NOT_IN_GAPS = " AND rowid >> 16 NOT IN (SELECT value FROM json_each(:gaps))"

VECTORS = "SELECT array_agg(DISTINCT conversation) FROM search WHERE words @@ CAST(:query AS tsquery){within}"
ESTIMATE = "EXPLAIN (FORMAT JSON) SELECT FROM search WHERE words @@ CAST(:query AS tsquery){within}"
# Along the primary key from its end, 0.5 us a message; `true` allows `within` to begin with AND.
NEWEST_VECTORS = (
    "SELECT CAST(coalesce(sum(looked_at), 0) AS bigint), array_agg(conversation) FILTER (WHERE is_found) FROM"
    " (SELECT conversation, count(*) AS looked_at, bool_or(words @@ CAST(:query AS tsquery)) AS is_found FROM"
    " (SELECT conversation, words FROM search WHERE true{within}"
    " ORDER BY conversation DESC, position DESC LIMIT :most) AS newest GROUP BY conversation) AS chats"
)
WITHIN_VECTORS = " AND conversation BETWEEN :first AND :last"
