"""Somebody who looks at the counts all the time: `python -m tests.faults.onlooker`, with the database in DATABASE_URL.

A process of its own, so that a recount delays nobody else. Each look is at one moment, by a snapshot: the totals of
days, of topics and of makers against what is stored just then, and every so often all counts there are. SIGTERM has it
say what it saw, as a line of JSON.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from benchmarks.support.process import ROOT, address
from domain.buckets import DAY, MICROSECONDS
from models import ALL_TOPICS
from tests.support.rows import assert_rolled_up

PAUSE = 0.2
EVERYTHING_EVERY = 25
"""Looks: a recount of all counts of 100,000 conversations takes some ten seconds, of these totals under one."""
MOST_COMPLAINTS = 20
VALUES = {"a_day": MICROSECONDS[DAY], "all": ALL_TOPICS, "level": DAY}
COUNTED_AND_STORED = {
    "days": (
        "SELECT bucket, n, negative, positive, score_sum FROM totals WHERE topic = :all AND level = :level",
        """
        SELECT timestamp / :a_day, count(*), sum(CASE WHEN sentiment = -1 THEN 1 ELSE 0 END),
            sum(CASE WHEN sentiment = 1 THEN 1 ELSE 0 END), sum(score)
        FROM insights GROUP BY 1
        """,
    ),
    "topics": (
        "SELECT topic, bucket, n, negative, positive, score_sum FROM totals WHERE topic > 0 AND level = :level",
        """
        SELECT topic, timestamp / :a_day, count(*), sum(CASE WHEN sentiment = -1 THEN 1 ELSE 0 END),
            sum(CASE WHEN sentiment = 1 THEN 1 ELSE 0 END), sum(score)
        FROM insight_topics GROUP BY 1, 2
        """,
    ),
    "makers": (
        "SELECT analyzer, model, prompt_version, day, n FROM maker_days",
        """
        SELECT analyzer, model, prompt_version, timestamp / :a_day, count(*)
        FROM insights GROUP BY 1, 2, 3, 4
        """,
    ),
}
"""By name: what is counted, and the same of what is stored."""


@dataclass
class Seen:
    """What it saw."""

    looks: int = 0
    recounts: int = 0
    """Of them, of all counts."""
    insights: int = 0
    """The most in one look."""
    complaints: list[str] = field(default_factory=list)

    def complain(self, what: str) -> None:
        if len(self.complaints) < MOST_COMPLAINTS:
            self.complaints.append(f"look {self.looks}: {what}")


def look(connection: Connection, seen: Seen) -> None:
    """Compare what is counted with what is stored, at one moment."""
    seen.looks += 1
    for name, (counted, stored) in COUNTED_AND_STORED.items():
        ours, theirs = _rows(connection, counted), _rows(connection, stored)
        if ours != theirs:
            seen.complain(f"{name} are not what is stored: {sorted(ours ^ theirs)[:4]}")
        if name == "days":
            seen.insights = max(seen.insights, sum(row[1] for row in theirs))
    if seen.looks % EVERYTHING_EVERY == 1:
        seen.recounts += 1
        try:
            assert_rolled_up(connection)
        except AssertionError as error:
            seen.complain(f"a roll-up is not what a recount gives: {str(error)[:200]}")


def _rows(connection: Connection, statement: str) -> set[tuple[Any, ...]]:
    used = {name: value for name, value in VALUES.items() if f":{name}" in statement}
    return {tuple(row) for row in connection.execute(text(statement), used)}


async def _look_on(url: URL, ended: asyncio.Event) -> Seen:
    engine, seen = create_async_engine(url, poolclass=NullPool), Seen()
    while not ended.is_set():
        await _one_moment(engine, seen)
        await asyncio.sleep(PAUSE)
    return seen


async def _one_moment(engine: AsyncEngine, seen: Seen) -> None:
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execution_options(isolation_level="REPEATABLE READ")
        else:
            # Python's driver begins none to read.
            await connection.exec_driver_sql("BEGIN")
        await connection.run_sync(look, seen)


@contextmanager
def onlooker(url: URL) -> Iterator[Seen]:
    """Look on during the block; what was seen is there after it."""
    seen = Seen()
    command = [sys.executable, "-m", "tests.faults.onlooker"]
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": address(url)}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE) as process:
        try:
            yield seen
        finally:
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate()
        vars(seen).update(json.loads(said))


async def main() -> None:
    """Look on until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    seen = await _look_on(make_url(os.environ["DATABASE_URL"]), ended)
    sys.stdout.write(json.dumps(asdict(seen)))


if __name__ == "__main__":
    asyncio.run(main())
