"""An empty database filled with made-up chats: `python -m benchmarks.chat_seed --database-url URL --messages 1000000`.

Straight into the tables and the full-text index, some 15,000 messages a second. Chats have ten messages on average
and one has LONG, which is what appending is measured on. Words are drawn as people use them: the commonest stands in
a fifth of all messages, a middling one in a hundredth, and most in hardly any.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import database
from benchmarks.seed import Row, load, number_on
from core import clock
from core.database_url import DRIVERS
from domain.buckets import DAY, MICROSECONDS
from models import COMPLETED
from store.search import index as search

AT_ONCE = 20_000
LONG = 10_000
PER_CHAT, WORDS_PER_MESSAGE = 10, 12
DAYS = 400
USERS, AGENTS = 30_000, 40
VOCABULARY, FLAT = 20_000, 6
"""Zipf's law with its head cut off (Mandelbrot's): the word of rank r is drawn 1 / (r + FLAT) as often."""
SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnprstvwxyz" for vowel in "aeiou"]
SECOND = 1_000_000

COLUMNS = {
    "conversations": (
        "number", "id", "author", "timestamp", "received_at", "is_chat", "status", "finished_at",
        "message_count", "indexed", "said_from", "said_until", "updated_at",
    ),
    "messages": (
        "conversation", "position", "message_id", "author", "role", "timestamp", "received_at", "text",
    ),
    "participants": ("conversation", "author", "position"),
}  # fmt: skip
Rows = dict[str, list[Row]]


def word(rank: int) -> str:
    """The word with this rank in frequency, counted from 1."""
    high, low = divmod(rank, len(SYLLABLES))
    return SYLLABLES[high % 100] + SYLLABLES[low] + ("" if high < 100 else SYLLABLES[high // 100])


def user(number: int) -> str:
    """A customer, of USERS; they have a few chats each."""
    return f"user_{number}"


def agent(number: int) -> str:
    """A support agent, of AGENTS; they have thousands of chats each, where there are a million messages."""
    return f"agent_{number}"


@dataclass
class Made:
    """Chats out of a seeded generator, in order of time."""

    messages: int
    end: int
    dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311  nothing is kept secret

    def __post_init__(self) -> None:
        self._words = [word(rank) for rank in range(1, VOCABULARY + 1)]
        self._weights = list(accumulate(1 / (rank + FLAT) for rank in range(1, VOCABULARY + 1)))
        self._chats = max(1, self.messages // PER_CHAT)

    def batches(self) -> Iterator[Rows]:
        """Everything, about so many messages at a time."""
        batch: Rows = {name: [] for name in COLUMNS}
        left, number = self.messages, 0
        while left > 0:
            number += 1
            length = LONG if number == 1 else min(left, 1 + round(self.dice.expovariate(1 / (PER_CHAT - 1))))
            self._one(number, length, batch)
            left -= length
            if len(batch["messages"]) >= AT_ONCE or left <= 0:
                yield batch
                batch = {name: [] for name in COLUMNS}

    def _one(self, number: int, length: int, batch: Rows) -> None:
        dice = self.dice
        begun = self.end - DAYS * MICROSECONDS[DAY] * max(1, self._chats - number) // self._chats
        customer, supporter = user(dice.randrange(USERS)), agent(dice.randrange(AGENTS))
        at = begun
        for position in range(1, length + 1):
            author, role = (customer, "customer") if position % 2 else (supporter, "support_agent")
            said = " ".join(dice.choices(self._words, cum_weights=self._weights, k=WORDS_PER_MESSAGE))
            batch["messages"].append((number, position, f"m{position}", author, role, at, at, said))
            at += dice.randrange(SECOND, 120 * SECOND)
        batch["participants"] += [(number, customer, 1), *([(number, supporter, 2)] if length > 1 else [])]
        batch["conversations"].append(
            (
                number,
                f"chat_{number}",
                customer,
                begun,
                begun,
                True,
                COMPLETED,
                at,
                length,
                length,
                begun,
                at,
                at,
            )
        )


async def fill(url: str, made: Made) -> None:
    """Migrate an empty database and fill it."""
    address = make_url(url)
    address = address.set(drivername=DRIVERS[address.drivername])
    async with database.opened(address):
        pass
    engine = create_async_engine(address)
    async with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            await _fill(connection, made)
        else:
            await _fill_postgresql(connection, made)
    await engine.dispose()


async def _fill(connection: AsyncConnection, made: Made) -> None:
    began, done = time.monotonic(), 0
    for batch in made.batches():
        for table, rows in batch.items():
            await load(connection, table, rows, COLUMNS[table])
        await connection.run_sync(_index, batch["messages"])
        await connection.commit()
        done += len(batch["messages"])
        sys.stderr.write(f"\r{done:,} messages after {time.monotonic() - began:.0f} s".ljust(60))


def _index(connection: Connection, rows: Sequence[Row]) -> None:
    search.add(connection, [search.entry(row[0], row[1], row[7], row[3]) for row in rows])


async def _fill_postgresql(connection: AsyncConnection, made: Made) -> None:
    # An index that is made at the end takes a tenth of the time.
    by_words = "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_search_words'"
    index: Any = await connection.scalar(text(by_words))
    await connection.execute(text("DROP INDEX ix_search_words"))
    await _fill(connection, made)
    await connection.execute(text(index))
    await number_on(connection, "conversations")
    outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
    await outside.execute(text("VACUUM ANALYZE"))


def main() -> int:
    """Fill a database; 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chat_seed", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--database-url", required=True, help="of an empty database, or of an SQLite file to make"
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    given = parser.parse_args()
    asyncio.run(fill(given.database_url, Made(given.messages, clock.now())))
    sys.stderr.write("\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
