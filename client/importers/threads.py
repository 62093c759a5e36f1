"""Tweets of the Kaggle set put back together: a conversation is a connected component of replies.

The ids that a tweet names are trusted only as far as they are in the file. Excel turns a list such as
`119,120` into what may as well be one grouped number: it counts where only one of the two readings names
tweets that are there. (In the set itself every list repeats what the replies say of themselves.)

Tweets may belong together across the whole file. Ids and links are kept in arrays (12 bytes a tweet, 16 a
link), texts in a temporary SQLite file of the input's size (SQLITE_TMPDIR says where): 2.8 million tweets take
350 MB of memory.
"""

import re
import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

from client.importers.conversations import Record, moment, packed, sayable
from client.importers.rows import Rejected, Row
from client.wire import encoded

MAX_TURNS = 1_000
MAX_BYTES = 1_000_000
ENVELOPE = 100  # bytes around the turns: ids, metadata, brackets
MAX_AUTHOR = 255
LARGEST_ID = 2**63 - 1
REPLIES = ("in_response_to_tweet_id", "response_tweet_id")
ROLES = {"true": "customer", "1": "customer", "false": "support_agent", "0": "support_agent", "": None}
GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+")
WHOLE = re.compile(r"(\d+|\d{1,3}(?:,\d{3})+)(?:\.0*)?")  # pandas writes 3.0 where others are missing


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

    def __init__(self, *, max_turns: int = MAX_TURNS, max_bytes: int = MAX_BYTES) -> None:
        self.taken = 0
        """Tweets that are to be sent."""
        self.given = 0
        """How many of them the conversations given out so far hold."""
        self._limits = (max_turns, max_bytes - ENVELOPE)
        self._replies = ReplyGraph()
        self._spool = sqlite3.connect("", isolation_level=None)  # a file without a name cannot be left behind
        self._spool.executescript("""
            PRAGMA journal_mode = OFF;
            PRAGMA cache_size = -65536;
            CREATE TABLE tweets (id INTEGER PRIMARY KEY, line INTEGER, author, role, said_at, text);
            CREATE TABLE threads (thread INTEGER, id INTEGER, PRIMARY KEY (thread, id)) WITHOUT ROWID;
            BEGIN;
        """)

    def close(self) -> None:
        """Gives the disk back."""
        self._spool.close()

    def take(self, row: Row) -> Rejected | None:
        """Takes a row in. One that cannot be sent is rejected, but still connects those that can."""
        try:
            tweet_id = _own_id(row.fields.get("tweet_id", ""))
            self._replies.add(tweet_id, *(row.fields.get(name, "") for name in REPLIES))
            tweet = _tweet(tweet_id, row)
        except ValueError as error:
            return Rejected(row.line, str(error))
        insert = "INSERT OR IGNORE INTO tweets VALUES (?, ?, ?, ?, ?, ?)"
        if not self._spool.execute(insert, tweet).rowcount:
            return Rejected(row.line, "a row before it has the same tweet_id")
        self.taken += 1
        return None

    def conversations(self) -> Iterator[Record]:
        """Every tweet once: threads by their smallest id, turns by time, then id. Nothing is taken in after.

        `external_id` is the smallest tweet id. A thread that is too large for one conversation comes in
        parts, which say so in their metadata and carry `:2`, `:3` and so on behind the id.
        """
        self._spool.executemany("INSERT INTO threads VALUES (?, ?)", self._replies.threads())
        turns = self._spool.execute("""
            SELECT thread, id, line, author, role, said_at, text FROM threads CROSS JOIN tweets USING (id)
            ORDER BY thread, said_at, id
        """)
        return self._assembled(turns)

    def _assembled(self, turns: Iterable[tuple[Any, ...]]) -> Iterator[Record]:
        for thread, together in groupby(turns, itemgetter(0)):
            parts = _split((Tweet(*turn[1:]) for turn in together), *self._limits)
            first_two = list(islice(parts, 2))
            for number, part in enumerate(chain(first_two, parts), 1):
                self.given += len(part)
                yield _conversation(thread, number if len(first_two) > 1 else None, part)


class ReplyGraph:
    """Which tweets belong together: union-find over the sorted ids."""

    def __init__(self) -> None:
        self._ids = array("q")
        self._links = array("q")  # pairs, one after the other
        self._grouped: list[tuple[int, str]] = []

    def add(self, tweet: int, replied_to: str, replies: str) -> None:
        """A tweet, with the id it replies to and the list of ids that reply to it, as they are written."""
        self._ids.append(tweet)
        if GROUPED.fullmatch(replies):
            self._grouped.append((tweet, replies))
            replies = ""
        for written in (replied_to, *replies.split(",")):
            other = _number(written)
            if other is not None:
                self._links.extend((tweet, other))

    def threads(self) -> Iterator[tuple[int, int]]:
        """Pairs of the smallest id of a thread and an id in it, each id once."""
        ids = array("q", (tweet for tweet, _ in groupby(sorted(self._ids))))
        first = array("I", range(len(ids)))

        def root(index: int) -> int:
            while first[index] != index:
                first[index] = index = first[first[index]]
            return index

        for pair in self._trusted_links(ids):
            one, other = map(root, pair)
            first[max(one, other)] = min(one, other)
        for index, tweet in enumerate(ids):
            yield ids[root(index)], tweet

    def _trusted_links(self, ids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Links between tweets that are there, as indexes into the sorted ids."""
        ends = iter(self._links)
        grouped = ((tweet, other) for tweet, written in self._grouped for other in _reading(written, ids))
        for one, other in chain(zip(ends, ends, strict=True), grouped):
            here, there = _index(ids, one), _index(ids, other)
            if here is not None and there is not None:
                yield here, there


def _reading(written: str, ids: Sequence[int]) -> list[int]:
    """A list of ids or one grouped number: whichever names tweets that are there, neither where both do."""
    number = [int(written.replace(",", ""))]
    several = [int(each) for each in written.split(",")]
    there = [
        reading for reading in (number, several) if any(_index(ids, each) is not None for each in reading)
    ]
    return there[0] if len(there) == 1 else []


def _index(ids: Sequence[int], tweet: int) -> int | None:
    at = bisect_left(ids, tweet)
    return at if at < len(ids) and ids[at] == tweet else None


def _own_id(written: str) -> int:
    number = _number(written)
    if number is None:
        raise ValueError("tweet_id is no whole number")
    return number


def _number(written: str) -> int | None:
    match = WHOLE.fullmatch(written.strip())
    number = int(match[1].replace(",", "")) if match else LARGEST_ID + 1
    return number if number <= LARGEST_ID else None


def _tweet(tweet_id: int, row: Row) -> Tweet:
    author = row.fields.get("author_id", "")
    if len(author) > MAX_AUTHOR:
        raise ValueError(f"author_id has {len(author)} characters, {MAX_AUTHOR} are allowed")
    inbound = row.fields.get("inbound", "").strip().lower()
    if inbound not in ROLES:
        raise ValueError("inbound is neither True nor False")
    written = row.fields.get("created_at", "")
    said_at = moment(written) if written.strip() else None
    text = row.fields["text"]
    sayable(text)
    return Tweet(tweet_id, row.line, author or None, ROLES[inbound], said_at, text)


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


def _conversation(thread: int, part: int | None, turns: Sequence[Turn]) -> Record:
    (line, _), *_ = turns
    name = str(thread) if part in (None, 1) else f"{thread}:{part}"
    body: dict[str, object] = {"external_id": name, "messages": [message for _, message in turns]}
    if part is not None:
        body["metadata"] = {"part": part}
    return packed(line, body)
