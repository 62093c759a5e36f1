"""How long `/trends` takes over a flat tail: 20,000 topics with one insight each, in memory.

    python -m benchmarks.tail

In the process itself, without HTTP.
"""

import random
import sys
import time
from collections.abc import Iterator

from sqlalchemy import Connection, create_engine

from benchmarks.results import Figure, Result, finish
from benchmarks.timing import percentile
from core.clock import parse
from domain.analysis import Analysis
from domain.buckets import DAY, MICROSECONDS
from models import metadata
from store.insights.trends import trends
from store.insights.writing import Insight, store_insights

TOPICS = 20_000
AT_ONCE = 500
OVER_DAYS = 60
ROUNDS = 100
WINDOWS = (1, 7, 30, 90, 365)
END = parse("2026-01-01T00:00:00Z")


def main() -> int:
    """Measure, and report."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        sys.stderr.write(f"storing {TOPICS:,} insights\n")
        _fill(connection)
        figures = [*_figures(connection)]
    setting = f"SQLite in memory, {TOPICS:,} topics of one insight each over {OVER_DAYS} days"
    return finish(Result(program="tail", setting=setting, figures=tuple(figures)))


def _fill(connection: Connection) -> None:
    dice = random.Random(1)  # noqa: S311  nothing is kept secret with it
    for first in range(0, TOPICS, AT_ONCE):
        numbers = range(first + 1, first + AT_ONCE + 1)
        store_insights(connection, [_insight(number, dice) for number in numbers])


def _insight(number: int, dice: random.Random) -> Insight:
    at = END - 1 - dice.randrange(OVER_DAYS * MICROSECONDS[DAY])
    analysis = Analysis(-6_500, 90, (f"topic_{dice.randrange(10**6)}_{number}",), "It is late.", "{}")
    return Insight(number, 1, at, None, analysis, "grok", "grok-4.3", False, False, at, None, None)


def _figures(connection: Connection) -> Iterator[Figure]:
    for days in WINDOWS:
        taken = [_milliseconds(connection, days) for _ in range(ROUNDS)]
        wall, cpu = ([each[at] for each in taken] for at in (0, 1))
        note = f"median {percentile(cpu, 50):.1f}; on the clock {percentile(wall, 50):.1f} / {percentile(wall, 99):.1f}"
        name = f"{days} days: CPU, p99"
        yield Figure(name=name, value=percentile(cpu, 99), unit="ms", rounds=ROUNDS, note=note)


def _milliseconds(connection: Connection, days: int) -> tuple[float, float]:
    """On the clock, and of CPU."""
    wall, cpu = time.perf_counter(), time.thread_time()
    trends(connection, END - days * MICROSECONDS[DAY], END, cluster=None, now=END)
    return (time.perf_counter() - wall) * 1_000, (time.thread_time() - cpu) * 1_000


if __name__ == "__main__":
    raise SystemExit(main())
