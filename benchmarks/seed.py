"""An empty database filled with made-up insights: `python benchmarks/seed.py --database-url URL --rows 1000000`.

Straight into the tables, roll-ups and all, some 12,000 insights a second on two busy cores, so that reads can be
measured on ten million rows without analysing them. Confidence is spread over all 101 values and topics are 20
common ones and 2,000 rare ones, which is the worst that roll-ups can meet. Two filters find what lies thinly or far
away: positive ones of confidence 1.0 are all of one day, nine tenths of the time back, and of the neutral ones only
the first of every second day has it.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate, product
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import database
from core import clock
from core.database_url import DRIVERS
from domain.analysis import sentiment_of
from domain.buckets import DAY, HOUR, MICROSECONDS, MONTH, QUARTER, YEAR, start_of, touching
from domain.topics import BUILT_IN
from models import ALL_TOPICS, COMPLETED, CUSTOMER, SKIPPED, SKIPPED_CONVERSATIONS, WHOLE

AT_ONCE = 10_000
RARE = 2_000
SKIPPED_ONE_IN = 20
AUTHORS = 50_000

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]

COLUMNS = {
    "topics": ("number", "slug", "counted_as"),
    "topic_names": ("name", "topic", "is_filed"),
    "conversations": ("number", "id", "author", "timestamp", "received_at", "is_chat", "status", "finished_at"),
    "messages": ("conversation", "position", "text"),
    "insights": (
        "conversation", "revision", "timestamp", "author", "score", "sentiment", "confidence", "clusters",
        "reasoning", "analyzer", "model", "cached", "partial", "analysed_at", "raw",
    ),
    "insight_topics": ("topic", "timestamp", "conversation", "sentiment", "confidence", "score"),
    "insight_people": ("conversation", "role", "person", "timestamp", "sentiment", "score", "open"),
}  # fmt: skip


class Made:
    """Rows out of a seeded generator, in order of time."""

    def __init__(self, rows: int, days: int, end: int, seed: int) -> None:
        self.rows, self.end, self.step = rows, end, days * MICROSECONDS[DAY] // rows
        self.old_day = old_day(end, days)
        self.marked = -1
        self.dice = random.Random(seed)  # noqa: S311  nothing is kept secret with it
        self.slugs = [*BUILT_IN, *(f"rare_{number:04}" for number in range(RARE))]
        shares = [1 / rank for rank in range(1, len(BUILT_IN) + 1)]
        # One topic in ten is a rare one.
        # Some write a hundred times as often as the average, as accounts of companies and unhappy people do.
        self.writers = list(accumulate(1 / math.sqrt(rank) for rank in range(1, AUTHORS + 1)))
        self.weights = list(accumulate([*shares, *([sum(shares) / 9 / RARE] * RARE)]))

    def topics(self) -> Rows:
        """The topics, and the names that insights are filed under."""
        numbered = list(enumerate(self.slugs, 1))
        return {
            "topics": [(number, slug, number) for number, slug in numbered],
            "topic_names": [(slug, number, True) for number, slug in numbered],
        }

    def batches(self) -> Iterator[Rows]:
        """Everything, so many insights at a time."""
        for first in range(0, self.rows, AT_ONCE):
            batch: Rows = {name: [] for name in COLUMNS if not name.startswith("topic")}
            for number in range(first + 1, min(first + AT_ONCE, self.rows) + 1):
                self._one(number, batch)
            yield batch

    def _one(self, number: int, batch: Rows) -> None:
        dice = self.dice
        at = self.end - (self.rows - number + 1) * self.step + dice.randrange(self.step)
        [writer] = dice.choices(range(AUTHORS), cum_weights=self.writers)
        author, skipped = f"author_{writer}", dice.randrange(SKIPPED_ONE_IN) == 0
        status = SKIPPED if skipped else COMPLETED
        batch["conversations"].append((number, f"conv_{number:012}", author, at, at, False, status, at + 1))
        batch["messages"].append((number, 1, f"Order {number} is late again and nobody answers. " * 3))
        if skipped:
            return
        score = max(-10_000, min(10_000, round(dice.gauss(-1_500, 4_000))))
        numbers = range(1, len(self.slugs) + 1)
        drawn = dice.choices(numbers, cum_weights=self.weights, k=dice.choice((1, 1, 1, 2, 3)))
        chosen = list(dict.fromkeys(drawn))
        sentiment = sentiment_of(score)
        confidence = self._confidence(sentiment, at // MICROSECONDS[DAY])
        batch["insights"].append(
            (
                number, 1, at, author, score, sentiment, confidence,
                json.dumps([self.slugs[topic - 1] for topic in chosen]), "Says that the order is late. " * 3,
                "grok", "grok-4.3", False, False, at + 2_000_000, "{}",
            )
        )  # fmt: skip
        batch["insight_people"].append((number, CUSTOMER, writer + 1, at, sentiment, score, 0))
        batch["insight_topics"] += [(topic, at, number, sentiment, confidence, score) for topic in chosen]

    def _confidence(self, sentiment: int, day: int) -> int:
        """Percent; 100 is kept for what is rare."""
        drawn = self.dice.randrange(101)
        if sentiment < 0:
            return drawn
        if sentiment > 0:
            return 100 if day == self.old_day else min(drawn, 99)
        if day == self.marked or day % 2:
            return min(drawn, 99)
        self.marked = day
        return 100


def old_day(end: int, days: int) -> int:
    """The UTC day of all the positive insights with confidence 1.0, counted from 1970."""
    return (end - days * MICROSECONDS[DAY] * 9 // 10) // MICROSECONDS[DAY]


async def load(
    connection: AsyncConnection, table: str, rows: Sequence[Row], columns: Sequence[str] = ()
) -> None:
    """Rows by the driver's fastest way; their columns are those of COLUMNS where no others are given."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    columns = columns or COLUMNS[table]
    if connection.dialect.name == "postgresql":
        await driver.copy_records_to_table(table, records=rows, columns=columns)
        return
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    await driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608  our own names
    await driver.commit()


# --- roll-ups, counted by the database ----------------------------------------------------------------------

NEGATIVE, POSITIVE, UNSURE = (f"sum(CASE sentiment WHEN {each} THEN 1 ELSE 0 END)" for each in (-1, 1, 2))
SKIPS = f"(SELECT timestamp, 0 AS sentiment, 0 AS confidence, 0 AS score FROM conversations WHERE status = '{SKIPPED}')"  # noqa: S608  our own constant
SOURCES = {
    str(ALL_TOPICS): "insights",
    "topic": "insight_topics",
    str(SKIPPED_CONVERSATIONS): f"{SKIPS} AS skipped",
}
"""The topic, or what it is counted under, and the rows that are."""


def statements(start: int, end: int) -> Iterator[str]:
    """The roll-ups of what was loaded: hours and days from the rows, months from the days."""
    for (topic, rows), level in product(SOURCES.items(), (HOUR, DAY)):
        bucket = f"timestamp / {MICROSECONDS[level]}"
        if level == DAY or topic != "topic":
            yield (
                f"INSERT INTO counts SELECT {topic}, {level}, {bucket}, sentiment, confidence, count(*)"  # noqa: S608
                f" FROM {rows} GROUP BY 1, 3, 4, 5"
            )
        yield (
            f"INSERT INTO totals SELECT {topic}, {level}, {bucket}, count(*), {NEGATIVE}, {POSITIVE}, sum(score),"  # noqa: S608
            f" {UNSURE} FROM {rows} GROUP BY 1, 3"
        )
    for month in touching(MONTH, start, end):
        first, last = (start_of(MONTH, each) // MICROSECONDS[DAY] for each in (month, month + 1))
        days = f"level = {DAY} AND bucket >= {first} AND bucket < {last}"
        yield (
            f"INSERT INTO counts SELECT topic, {MONTH}, {month}, sentiment, confidence, sum(n)"  # noqa: S608
            f" FROM counts WHERE {days} GROUP BY 1, 4, 5"
        )
        yield (
            f"INSERT INTO totals SELECT topic, {MONTH}, {month},"  # noqa: S608
            f" sum(n), sum(negative), sum(positive), sum(score_sum), sum(unsure)"
            f" FROM totals WHERE {days} GROUP BY 1"
        )
    yield (
        f"INSERT INTO topic_months SELECT bucket, topic, n FROM totals"  # noqa: S608
        f" WHERE level = {MONTH} AND topic > 0"
    )
    yield "INSERT INTO topic_years SELECT month / 12, topic, sum(n) FROM topic_months GROUP BY 1, 2"
    yield from hours_of_topics()
    yield from people_statements(start, end)


def hours_of_topics() -> Iterator[str]:
    """The roll-up of all topics by hour."""
    weights = f"SELECT conversation AS number, {WHOLE} / count(*) AS weight FROM insight_topics GROUP BY conversation"  # noqa: S608
    yield f"CREATE TEMPORARY TABLE weights AS {weights}"
    yield "CREATE UNIQUE INDEX ix_weights ON weights (number)"
    weighed = "insight_topics i JOIN weights ON number = conversation"
    for topic, weight, rows in ((str(ALL_TOPICS), str(WHOLE), "insights i"), ("topic", "weight", weighed)):
        sums = f"count(*), {NEGATIVE}, {UNSURE}, sum(score), sum({weight}), sum({weight} * score)"
        yield (
            f"INSERT INTO topic_hours SELECT i.timestamp / {MICROSECONDS[HOUR]}, {topic}, {sums}"  # noqa: S608
            f" FROM {rows} GROUP BY 1, 2"
        )
    yield "DROP TABLE weights"
    yield (
        f"INSERT INTO totals SELECT {ALL_TOPICS}, {QUARTER}, timestamp / {MICROSECONDS[QUARTER]}, count(*),"  # noqa: S608
        f" {NEGATIVE}, {POSITIVE}, sum(score), {UNSURE} FROM insights GROUP BY 3"
    )
    yield "INSERT INTO changed_days SELECT DISTINCT hour / 24, 1 FROM topic_hours"
    for table, bucket, level in (("maker_days", "day", DAY), ("maker_quarters", "quarter", QUARTER)):
        maker, at = "analyzer, model, prompt_version", f"timestamp / {MICROSECONDS[level]}"
        made = f"SELECT {at}, {maker}, count(*) FROM insights GROUP BY 1, 2, 3, 4"  # noqa: S608
        yield f"INSERT INTO {table} ({bucket}, {maker}, n) {made}"


def people_statements(start: int, end: int) -> Iterator[str]:
    """The people of what was loaded, and their roll-up."""
    yield (
        "INSERT INTO people (number, author)"
        " SELECT DISTINCT person, 'author_' || (person - 1) FROM insight_people"
    )
    # A customer each, so that no days are counted.
    own_month = f"timestamp >= {{}} AND timestamp < {{}} AND role = {CUSTOMER}"
    for month in touching(MONTH, start, end):
        inside = own_month.format(start_of(MONTH, month), start_of(MONTH, month + 1))
        yield (
            f"INSERT INTO people_counts SELECT role, {MONTH}, {month}, person, count(*), {NEGATIVE}, sum(score), 0, 0"  # noqa: S608
            f" FROM insight_people WHERE {inside} GROUP BY 1, 4"
        )
    yield (
        f"INSERT INTO people_counts SELECT role, {YEAR}, bucket / 12, person, sum(n), sum(negative),"  # noqa: S608
        f" sum(score_sum), 0, 0 FROM people_counts WHERE level = {MONTH} GROUP BY 1, 3, 4"
    )


async def seed(url: str, made: Made, start: int, end: int) -> None:
    """Migrate an empty database and fill it."""
    address = make_url(url)
    address = address.set(drivername=DRIVERS[address.drivername])
    async with database.opened(address):
        pass
    engine = create_async_engine(address)
    began = time.monotonic()
    async with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # Whoever loses power seeds again.
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-200000")
        for table, rows in made.topics().items():
            await load(connection, table, rows)
        for done, batch in enumerate(made.batches(), 1):
            for table, rows in batch.items():
                await load(connection, table, rows)
            _say(f"{min(done * AT_ONCE, made.rows):,} rows", began)
        for statement in statements(start, end):
            await connection.execute(text(statement))
            await connection.commit()
        _say("roll-ups", began)
        if connection.dialect.name == "postgresql":
            await number_on(connection, "topics", "conversations", "people")
            outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await outside.execute(text("VACUUM ANALYZE"))
            _say("vacuum", began)
    await engine.dispose()


async def number_on(connection: AsyncConnection, *tables: str) -> None:
    """Let PostgreSQL count on from the numbers that rows were given; SQLite does so by itself."""
    for table in tables:
        last = f"SELECT setval(pg_get_serial_sequence('{table}', 'number'), max(number)) FROM {table}"  # noqa: S608
        await connection.execute(text(last))
    await connection.commit()


def _say(what: str, began: float) -> None:
    sys.stderr.write(f"\r{what} after {time.monotonic() - began:.0f} s".ljust(60))


def main() -> int:
    """Fill a database; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--database-url", required=True, help="of an empty database, or of an SQLite file to make"
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="conversations; one in 20 is skipped")
    parser.add_argument("--days", type=int, default=400, help="over how many days back from --end they lie")
    parser.add_argument("--end", type=clock.parse, default=clock.now(), help="ISO 8601; now where not given")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    start = given.end - given.days * MICROSECONDS[DAY]
    made = Made(given.rows, given.days, given.end, given.seed)
    asyncio.run(seed(given.database_url, made, start, given.end))
    sys.stderr.write("\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
