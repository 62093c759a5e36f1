"""Whether merging two large topics holds up intake: posts before the merge and while it is under way.

    python -m benchmarks.merging [--full]

Conversations are stored straight into the tables, a tenth of them under both topics, on SQLite and on PostgreSQL. Posts
go at a fixed rate, so that p99 is of what waits for the database and not of a driver that sends as fast as it can.
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

import database
from benchmarks.results import Figure, Result, finish
from benchmarks.seed import load, number_on, statements
from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import Json, Process, address, client
from benchmarks.support.steady import post_steadily
from core import clock
from domain.analysis import sentiment_of
from domain.buckets import DAY, MICROSECONDS

ROWS, FEW_ROWS = 900_000, 45_000
DAYS = 400
AT_ONCE = 10_000
PER_SECOND = 50
SECONDS = 20
MOST_SLOWER = 1.5
TOPICS = ("late_a", "late_b")
WINDOW: Json = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z", "limit": 1}


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.merging", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="two topics of 500,000 conversations, not 25,000")
    parser.add_argument("--database", choices=(*KINDS, "both"), default="both")
    given = parser.parse_args()
    rows = ROWS if given.full else FEW_ROWS
    kinds = KINDS if given.database == "both" else (given.database,)
    figures = [figure for kind in kinds for figure in _measured(kind, rows)]
    each, both = rows * 5 // 9, rows // 9
    setting = f"two topics of {each:,} conversations, {both:,} have both; {PER_SECOND} posts/s, offline"
    return finish(Result(program="merging", setting=setting, figures=tuple(figures)))


def _measured(kind: str, rows: int) -> Iterator[Figure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="merging-")))
        url = stack.enter_context(fresh(kind, folder))
        asyncio.run(_fill(url, rows))
        given: Json = {"GROK_MODE": "offline", "INBOUND_RPS": 0, "DATABASE_URL": address(url)}
        process = stack.enter_context(Process(folder, LOG_LEVEL="WARNING", **given))
        found = asyncio.run(_merged(process.url, rows))
    before, meanwhile = found["before"], found["meanwhile"]
    yield Figure(name=f"{kind}: p99 of a post before", value=before, unit="ms", rounds=found["posts_before"])
    yield Figure(name=f"{kind}: p99 meanwhile", value=meanwhile, unit="ms", rounds=found["posts_meanwhile"])
    yield Figure(name=f"{kind}: p99 meanwhile over before", value=meanwhile / before, at_most=MOST_SLOWER)
    yield Figure(name=f"{kind}: the merge took", value=found["seconds"], unit="s")
    yield Figure(name=f"{kind}: readings that were neither old nor new", value=found["wrong"], at_most=0)


async def _fill(url: URL, rows: int) -> None:
    """Conversations in order of time: four ninths have one topic, as many the other, a ninth both."""
    async with database.opened(url):
        pass
    engine = create_async_engine(url)
    end = clock.now()
    dice = random.Random(1)  # noqa: S311  nothing is kept secret with it
    async with engine.connect() as connection:
        await load(connection, "topics", [(1, TOPICS[0], 1), (2, TOPICS[1], 2)])
        await load(connection, "topic_names", [(TOPICS[0], 1, True), (TOPICS[1], 2, True)])
        for first in range(0, rows, AT_ONCE):
            numbers = range(first + 1, min(first + AT_ONCE, rows) + 1)
            for table, some in _rows(numbers, end - DAYS * MICROSECONDS[DAY], rows, dice).items():
                await load(connection, table, some)
        for statement in statements(end - DAYS * MICROSECONDS[DAY], end):
            await connection.execute(text(statement))
            await connection.commit()
        if connection.dialect.name == "postgresql":
            await number_on(connection, "topics", "conversations")
            outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await outside.execute(text("VACUUM ANALYZE"))
    await engine.dispose()


def _rows(numbers: range, start: int, rows: int, dice: random.Random) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {"conversations": [], "insights": [], "insight_topics": []}
    step = DAYS * MICROSECONDS[DAY] // rows
    for number in numbers:
        at, score, confidence = start + number * step, dice.randrange(-10_000, 10_001), dice.randrange(101)
        own = (1, 2) if number % 9 == 0 else (number % 2 + 1,)
        slugs = ", ".join(f'"{TOPICS[topic - 1]}"' for topic in own)
        author = f"author_{number % 5_000}"
        found["conversations"].append((number, f"conv_{number}", author, at, at, False, "completed", at + 1))
        found["insights"].append(
            (
                *(number, 1, at, author, score, sentiment_of(score), confidence, f"[{slugs}]", "It is late."),
                *("grok", "grok-4.3", False, False, at + 1, "{}"),
            )
        )
        found["insight_topics"] += [
            (topic, at, number, sentiment_of(score), confidence, score) for topic in own
        ]
    return found


async def _merged(url: str, rows: int) -> dict[str, Any]:
    async with client(url) as http:
        await post_steadily(http, 5 * PER_SECOND, PER_SECOND)
        before = await post_steadily(http, SECONDS * PER_SECOND, PER_SECOND)
        old = await _total(http)
        started = time.monotonic()
        asked = await http.post("/api/v1/topics/merge", json={"from": [TOPICS[1]], "into": TOPICS[0]})
        asked.raise_for_status()
        watch = asyncio.create_task(_watch(http, asked.headers["location"], {old, rows}))
        meanwhile: list[float] = []
        while not watch.done():
            meanwhile += await post_steadily(http, PER_SECOND, PER_SECOND)
        return {
            "before": _p99(before),
            "meanwhile": _p99(meanwhile),
            "posts_before": len(before),
            "posts_meanwhile": len(meanwhile),
            "wrong": watch.result(),
            "seconds": time.monotonic() - started,
        }


async def _watch(http: httpx.AsyncClient, job: str, right: set[int]) -> int:
    """Read until the job is over; how often the count was neither the old one nor the new one."""
    wrong = 0
    while True:
        state = (await http.get(job)).json()
        wrong += await _total(http) not in right
        if state["status"] in ("completed", "failed"):
            sys.stderr.write(f"\n{state['status']}, {state['done']:,} counted\n")
            return wrong + int(state["status"] != "completed")
        await asyncio.sleep(0.25)


async def _total(http: httpx.AsyncClient) -> int:
    answer = await http.get("/api/v1/insights", params={**WINDOW, "cluster": TOPICS[0]})
    return int(answer.raise_for_status().json()["metadata"]["total_count"])


def _p99(milliseconds: Sequence[float]) -> float:
    return statistics.quantiles(milliseconds, n=100)[98]


if __name__ == "__main__":
    raise SystemExit(main())
