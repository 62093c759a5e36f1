"""Tweets of the Kaggle set put back together: a conversation is a connected component of replies.

The ids that a tweet names are trusted only as far as they are in the file, and what a tweet says of itself goes
over what others say of it: a tweet in another's list of replies counts only if it does not say that it replies
to a third. (In the set itself every list repeats what the replies say of themselves.) Excel takes a list such
as `119,120` for one number and groups it as its country does, so that `1,55,157` may be three tweets, two or
one: what counts is what all readings that name tweets of the file have in common.

Tweets may belong together across the whole file. Ids and links are kept in arrays (20 bytes a tweet, 16 a listed
reply), texts in a temporary SQLite file of the input's size (SQLITE_TMPDIR says where): 2.8 million tweets take
280 MB of memory.
"""

import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

from client.importers import numbers, roles
from client.importers.chats import whole_of
from client.importers.conversations import Record, packed
from client.importers.fields import Reader
from client.importers.rows import Rejected, Row
from client.wire import encoded

MAX_TURNS = 1_000
MAX_BYTES = 1_000_000
ENVELOPE = 100  # bytes around the turns: ids, metadata, brackets
NOBODY = -1
REPLIES = ("in_response_to_tweet_id", "response_tweet_id")
DIGITS_OF_A_GROUP = 3
RUN = 100_000


def are_in(columns: Collection[str]) -> bool:
    """Whether a table with these columns holds tweets and which of them replies to which."""
    return {"tweet_id", "text"}.issubset(columns) and not set(REPLIES).isdisjoint(columns)


class Tweet(NamedTuple):
    """A row as it is spooled; `said_at` is ISO 8601 in UTC."""

    id: int
    line: int
    author: str | None
    role: str | None
    said_at: str | None
    text: str


class Threads:
    """The tweets of a file, taken in row by row, given out as conversations."""

    def __init__(
        self, reader: Reader | None = None, *, max_turns: int = MAX_TURNS, max_bytes: int = MAX_BYTES
    ) -> None:
        self.taken = 0
        """Tweets that were taken in."""
        self.given = 0
        """How many of them the conversations given out so far hold, and the rejected ones."""
        self._reader = reader or Reader()
        self._limits = (max_turns, max_bytes - ENVELOPE)
        self._replies = ReplyGraph()
        self._spool = sqlite3.connect("", isolation_level=None)  # a file without a name cannot be left behind
        self._spool.executescript("""
            PRAGMA journal_mode = OFF;
            PRAGMA cache_size = -32768;
            CREATE TABLE tweets (id INTEGER PRIMARY KEY, line INTEGER, author, role, said_at, text, wrong);
            CREATE TABLE threads (thread INTEGER, id INTEGER, PRIMARY KEY (thread, id)) WITHOUT ROWID;
            BEGIN;
        """)

    def close(self) -> None:
        """Gives the disk back."""
        self._spool.close()

    def take(self, row: Row | Rejected) -> Rejected | None:
        """Takes a tweet in, also one that cannot be read: its conversation is then rejected. None if it was taken."""
        fields = row.fields or {}
        try:
            tweet_id = _own_id(fields.get("tweet_id", ""))
        except ValueError as error:
            return row if isinstance(row, Rejected) else Rejected(row.line, str(error))
        self._replies.add(tweet_id, *(fields.get(name, "") for name in REPLIES))
        tweet = self._tweet(tweet_id, row)
        insert = "INSERT OR IGNORE INTO tweets VALUES (?, ?, ?, ?, ?, ?, ?)"
        if not self._spool.execute(insert, tweet).rowcount:
            return Rejected(row.line, "a row before it has the same tweet_id")
        self.taken += 1
        return None

    def _tweet(self, tweet_id: int, row: Row | Rejected) -> tuple[object, ...]:
        """The row as it is spooled, and what is wrong with it."""
        try:
            if isinstance(row, Rejected):
                raise ValueError(row.reason)
            return (*_tweet(tweet_id, row, self._reader), None)
        except ValueError as error:
            return (tweet_id, row.line, None, None, None, None, str(error))

    def conversations(self) -> Iterator[Record]:
        """Every tweet once: threads by their smallest id, turns by time, then id. Nothing is taken in after.

        `external_id` is the smallest tweet id. A thread that is too large for one conversation comes in
        parts, which say so in their metadata and carry `:2`, `:3` and so on behind the id. One with a tweet
        that cannot be read is rejected whole.
        """
        self._spool.executemany("INSERT INTO threads VALUES (?, ?)", self._replies.threads())
        turns = self._spool.execute("""
            SELECT thread, wrong, id, line, author, role, said_at, text FROM threads CROSS JOIN tweets USING (id)
            ORDER BY thread, wrong IS NULL, said_at, id
        """)
        return self._assembled(turns)

    def _assembled(self, turns: Iterable[tuple[Any, ...]]) -> Iterator[Record]:
        for thread, together in groupby(turns, itemgetter(0)):
            first = next(together)
            if first[1] is not None:  # what cannot be read comes first
                yield self._rejected(first[1], Tweet(*first[2:]), 1 + sum(1 for _ in together))
                continue
            tweets = (Tweet(*turn[2:]) for turn in chain([first], together))
            yield from self._parts(thread, _split(tweets, *self._limits))

    def _rejected(self, wrong: str, tweet: Tweet, turns: int) -> Rejected:
        self.given += turns
        return Rejected(tweet.line, wrong + whole_of(turns))

    def _parts(self, thread: int, parts: Iterator[list["Turn"]]) -> Iterator[Record]:
        first_two = list(islice(parts, 2))
        for number, part in enumerate(chain(first_two, parts), 1):
            self.given += len(part)
            name = self._reader.named(str(thread))
            yield _conversation(name, number if len(first_two) > 1 else None, part)


class ReplyGraph:
    """Which tweets belong together: union-find over the sorted ids."""

    def __init__(self) -> None:
        self._ids = array("q")
        self._parents = array("q")  # the tweet that each replies to
        self._listed = array("q")  # a tweet and one that it lists, pair after pair
        self._unclear: list[tuple[int, str]] = []

    def add(self, tweet: int, replied_to: str, replies: str) -> None:
        """A tweet, with the id it replies to and the list of ids that reply to it, as they are written."""
        self._ids.append(tweet)
        parent = numbers.number(replied_to)
        self._parents.append(NOBODY if parent is None else parent)
        lists = _readings(replies) if replies else ()
        if len(lists) > 1:
            self._unclear.append((tweet, replies))
            return
        for other in chain(*lists):
            self._listed.extend((tweet, other))

    def threads(self) -> Iterator[tuple[int, int]]:
        """Pairs of the smallest id of a thread and an id in it, each id once."""
        ids = array("q", (tweet for tweet, _ in groupby(_sorted(self._ids))))
        first = array("I", range(len(ids)))

        def root(index: int) -> int:
            while first[index] != index:
                first[index] = index = first[first[index]]
            return index

        for pair in self._links(ids):
            one, other = map(root, pair)
            first[max(one, other)] = min(one, other)
        for index, tweet in enumerate(ids):
            yield ids[root(index)], tweet

    def _links(self, ids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Links between tweets that are there, as indexes into the sorted ids."""
        parents = self._parents_of(ids)
        for at, parent in enumerate(parents):
            if (found := _index(ids, parent)) is not None:
                yield at, found
        for tweet, other in self._lists(ids):
            here, there = _index(ids, tweet), _index(ids, other)
            if here is not None and there is not None and parents[there] in (NOBODY, tweet):
                yield here, there

    def _parents_of(self, ids: Sequence[int]) -> Sequence[int]:
        """What each of the sorted tweets replies to; of an id that comes again, the first that says so."""
        parents = array("q", [NOBODY]) * len(ids)
        for tweet, parent in zip(self._ids, self._parents, strict=True):
            at = bisect_left(ids, tweet)
            if parents[at] == NOBODY:
                parents[at] = parent
        return parents

    def _lists(self, ids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Tweets and those that they list."""
        ends = iter(self._listed)
        yield from zip(ends, ends, strict=True)
        for tweet, written in self._unclear:
            present = [set(_present(listed, ids)) for listed in _readings(written)]
            for other in set.intersection(*filter(None, present)) if any(present) else ():
                yield tweet, other


def _sorted(numbers: "array[int]") -> Iterator[int]:
    """In order, run by run: as one list, 2.8 million numbers take 110 MB."""
    starts = range(0, len(numbers), RUN)
    return merge(*(array("q", sorted(numbers[start : start + RUN])) for start in starts))


def _readings(written: str) -> set[tuple[int, ...]]:
    """Every list of ids that this may stand for: as it is written, as one number, and as that number's groups."""
    if written.isdecimal():  # nearly all: the rest takes ten times as long
        return {(each,) for each in numbers.readings(written)}
    first, *more = written.split(",")
    several = tuple(each for each in map(numbers.number, (first, *more)) if each is not None)
    if more and all(len(each) > DIGITS_OF_A_GROUP for each in more):  # Excel takes no such list for a number
        return {several} - {()}
    found = {several, *((each,) for each in numbers.readings(written))}
    if numbers.is_grouped(written):
        found.add(_by_thousands("".join(filter(str.isdigit, written))))
    return found - {()}


def _by_thousands(digits: str) -> tuple[int, ...]:
    """The list that was taken for a number: 155157 was `155,157`."""
    start = len(digits) % DIGITS_OF_A_GROUP
    groups = [digits[at : at + DIGITS_OF_A_GROUP] for at in range(start, len(digits), DIGITS_OF_A_GROUP)]
    return tuple(map(int, filter(None, [digits[:start], *groups])))


def _present(tweets: Iterable[int], ids: Sequence[int]) -> Iterator[int]:
    return (each for each in tweets if _index(ids, each) is not None)


def _index(ids: Sequence[int], tweet: int) -> int | None:
    at = bisect_left(ids, tweet)
    return at if at < len(ids) and ids[at] == tweet else None


def _own_id(written: str) -> int:
    found = numbers.number(written)
    if found is None:
        raise ValueError("tweet_id is not a whole number")
    return found


def _tweet(tweet_id: int, row: Row, reader: Reader) -> Tweet:
    author, said_at = reader.author(row.fields), reader.said_at(row.fields)
    text = reader.said(row.fields).text
    role = roles.role_of({"inbound": row.fields.get("inbound")})
    return Tweet(tweet_id, row.line, author and author.text, role, said_at and said_at.text, text)


Turn = tuple[int, Mapping[str, str]]
"""The line of a tweet and the message it becomes."""


def _split(tweets: Iterable[Tweet], max_turns: int, max_bytes: int) -> Iterator[list[Turn]]:
    """Runs of turns within the limits, each as long as they allow; a tweet that is over them stands alone."""
    part: list[Turn] = []
    size = 0
    for tweet in tweets:
        message = _message(tweet)
        weight = len(encoded(message)) + len(",")
        if part and (len(part) == max_turns or size + weight > max_bytes):
            yield part
            part, size = [], 0
        part.append((tweet.line, message))
        size += weight
    yield part


def _message(tweet: Tweet) -> dict[str, str]:
    fields = {
        "text": tweet.text,
        "author": tweet.author,
        "role": tweet.role,
        "timestamp": tweet.said_at,
        "message_id": str(tweet.id),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _conversation(thread: str, part: int | None, turns: Sequence[Turn]) -> Record:
    (line, _), *_ = turns
    name = thread if part in (None, 1) else f"{thread}:{part}"
    body: dict[str, object] = {"external_id": name, "messages": [message for _, message in turns]}
    if part is not None:
        body["metadata"] = {"part": part}
    return packed(line, body)
