"""How much longer `/insights`, `/trends`, `/topics` and `/facets` take with a filter by a field of one's own.

    python -m benchmarks.fields [--full] [--rows 1000000] [--requests 60] [--rounds 3] [--database-url URL]

A seeded database is given answers to four enums of four values each. Each question is asked with a filter and without,
at the same places in turn; facets are those of a field beside those of the analyzer.
"""

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from itertools import product
from statistics import median

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks import seeded
from benchmarks.asking import INSIGHTS, TRENDS, Run
from benchmarks.processes import fake_grok
from benchmarks.queries import LATENCY, served, setting
from benchmarks.questions import WINDOWS, placed
from benchmarks.results import Figure, Result, finish
from benchmarks.seed import NEGATIVE, POSITIVE, UNSURE
from benchmarks.timing import Times, percentile
from core.database_url import DRIVERS
from domain.buckets import DAY, HOUR, MICROSECONDS, MONTH, start_of, touching
from models import LAST_FIELD_VALUE

NAMES = ("urgency", "product", "reason", "channel")
VALUES = ("a", "b", "c", "d")
AT_MOST = 1.3
FACETS, TOPICS = "/api/v1/facets", "/api/v1/topics"
Asked = dict[str, str]
QUESTIONS: Sequence[tuple[str, str, str, Asked, Asked]] = (
    ("`/insights` by a value", INSIGHTS, "30 days", {}, {"field.urgency": "a"}),
    ("`/insights` by a value, all time", INSIGHTS, "everything", {}, {"field.urgency": "a"}),
    (
        "`/insights` by a value and a sentiment",
        INSIGHTS,
        "30 days",
        {"sentiment": "negative"},
        {"sentiment": "negative", "field.product": "b"},
    ),
    (
        "`/insights` by a value and a topic",
        INSIGHTS,
        "30 days",
        {"cluster": "refund"},
        {"cluster": "refund", "field.reason": "c"},
    ),
    ("`/insights` by two values", INSIGHTS, "30 days", {}, {"field.urgency": "a", "field.product": "b"}),
    ("`/facets` of a field", FACETS, "30 days", {"field": "analyzer"}, {"field": "urgency"}),
    ("`/trends` by a value", TRENDS, "30 days", {}, {"field.urgency": "a"}),
    ("`/topics` by a value", TOPICS, "30 days", {}, {"field.urgency": "a"}),
)
"""What is asked, of which window, without and with a filter by a field."""


def answers(first: int, last: int) -> Iterator[str]:
    """SQL that files all insights of `[first, last)` under four values, and counts them there."""
    definition = json.dumps(
        [{"name": name, "type": "enum", "values": dict.fromkeys(VALUES, "")} for name in NAMES]
    )
    yield f"INSERT INTO field_versions VALUES ('made up', '{definition}', 1)"  # noqa: S608  our own names
    for place, (name, value) in enumerate(product(NAMES, VALUES)):
        yield f"INSERT INTO field_values VALUES ('{name}', '{value}', {LAST_FIELD_VALUE - place})"  # noqa: S608
    for place, _ in enumerate(NAMES):
        number = (
            f"{LAST_FIELD_VALUE - len(VALUES) * place} - (conversation / {place * 7 + 3}) % {len(VALUES)}"
        )
        yield (
            f"INSERT INTO insight_fields SELECT {number}, timestamp, conversation, sentiment, confidence, score, NULL"  # noqa: S608
            " FROM insights ORDER BY 1, 2, 3"
        )
    for level in (HOUR, DAY):
        bucket = f"timestamp / {MICROSECONDS[level]}"
        sums = f"count(*), {NEGATIVE}, {POSITIVE}, sum(score), {UNSURE}"
        yield f"INSERT INTO totals SELECT value, {level}, {bucket}, {sums} FROM insight_fields GROUP BY 1, 3"  # noqa: S608
    for month in touching(MONTH, first, last):
        begin, end = (start_of(MONTH, each) // MICROSECONDS[DAY] for each in (month, month + 1))
        days = f"level = {DAY} AND bucket >= {begin} AND bucket < {end} AND topic <= {LAST_FIELD_VALUE}"
        yield (
            f"INSERT INTO totals SELECT topic, {MONTH}, {month}, sum(n), sum(negative), sum(positive), sum(score_sum),"  # noqa: S608
            f" sum(unsure) FROM totals WHERE {days} GROUP BY topic"
        )


async def answered(url: str) -> None:
    """Give the insights of a database their answers, unless they have them."""
    address = make_url(url)
    engine = create_async_engine(address.set(drivername=DRIVERS[address.get_backend_name()]))
    async with engine.connect() as connection:
        if await connection.scalar(text("SELECT count(*) FROM field_versions")):
            await engine.dispose()
            return
        first, last = (
            await connection.execute(text("SELECT min(timestamp), max(timestamp) FROM insights"))
        ).one()
        for statement in answers(first, last + 1):
            await connection.execute(text(statement))
        await connection.commit()
    await engine.dispose()


def compared(run: Run, rounds: int) -> Iterator[Figure]:
    """The p99 of each question with a filter over that without it."""
    for name, path, window, without, narrowed in QUESTIONS:
        pairs = [_both(run, path, window, without, narrowed) for _ in range(rounds)]
        ratios = [percentile(b.wall, 99) / percentile(a.wall, 99) for a, b in pairs]
        plain, with_field = (_shown([pair[at] for pair in pairs]) for at in (0, 1))
        yield Figure(
            name=f"{name}, p99 over that without",
            value=median(ratios),
            at_most=AT_MOST,
            rounds=rounds,
            note=f"{window}; without {plain}, with {with_field}",
        )


def _shown(rounds: Sequence[Times]) -> str:
    wall, cpu = (
        " / ".join(f"{median(percentile(taken, share) for taken in kind):.1f}" for share in (50, 99))
        for kind in ([each.wall for each in rounds], [each.cpu for each in rounds])
    )
    return f"{wall} (CPU {cpu})"


def _both(run: Run, path: str, window: str, without: Asked, narrowed: Asked) -> tuple[Times, Times]:
    """Request by request in turn, so that a moment in which the machine is busy elsewhere meets both alike."""
    both = Times(), Times()
    for _ in range(run.requests):
        place = placed(run.dice, run.first, run.last, WINDOWS[window]).parameters()
        for times, filters in zip(both, (without, narrowed), strict=True):
            run.client.get(path, place | filters)
            times.add(run.client.taken())
    return both


def measure(url: str, requests: int, rounds: int) -> Result:
    """All figures of the database at `url`, which gets answers to fields."""
    asyncio.run(answered(url))
    with fake_grok(LATENCY) as grok, served(url, grok, requests) as (run, _):
        for (
            _,
            path,
            window,
            without,
            narrowed,
        ) in QUESTIONS:  # the first of a kind puts its statement into words
            for filters in (without, narrowed):
                place = placed(run.dice, run.first, run.last, WINDOWS[window])
                run.client.get(path, place.parameters() | filters)
                run.client.taken()
        return Result(program="fields", setting=setting(run), figures=tuple(compared(run, rounds)))


def main() -> int:
    """Measure and report; 0 where everything holds."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fields", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="at 10 million rows")
    parser.add_argument("--rows", type=int, help="of a database that is made where it is not there")
    parser.add_argument("--database-url", help="a seeded database, instead; it is written to")
    parser.add_argument("--requests", type=int, default=60, help="of a kind and round")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rows = given.rows or (10_000_000 if given.full else 1_000_000)
    if given.database_url:
        return finish(measure(given.database_url, given.requests, given.rounds))
    with seeded.copied(seeded.database_url(rows)) as copy:
        return finish(measure(copy, given.requests, given.rounds))


if __name__ == "__main__":
    raise SystemExit(main())
