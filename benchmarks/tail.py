"""How long `/trends` takes over a flat tail: 20,000 topics with one insight each, over HTTP.

    python -m benchmarks.tail

One kept-alive connection to a service on an SQLite file.
"""

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, create_engine

from benchmarks.asking import TRENDS
from benchmarks.processes import service
from benchmarks.results import Figure, Result, finish
from benchmarks.timing import Client, Times, percentile
from core.clock import iso, parse
from domain.analysis import Analysis
from domain.buckets import DAY, MICROSECONDS
from store.insights.writing import Insight, store_insights

TOPICS = 20_000
AT_ONCE = 500
OVER_DAYS = 60
ROUNDS = 100
PROMISED_MS = 25
WINDOWS = (1, 7, 30, 90, 365)
END = parse("2026-01-01T00:00:00Z")


def main() -> int:
    """Measure, and report."""
    with TemporaryDirectory(prefix="tail-") as folder, service(Path(folder), None) as process:
        sys.stderr.write(f"storing {TOPICS:,} insights\n")
        with create_engine(f"sqlite:///{folder}/insights.db").begin() as connection:
            _fill(connection)
        figures = [*_figures(Client(process.url, process.process.pid))]
    setting = f"SQLite, {TOPICS:,} topics of one insight each over {OVER_DAYS} days, one connection"
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


def _figures(client: Client) -> Iterator[Figure]:
    # The first of a process compiles its statements: 30 ms once.
    client.get(TRENDS, _window(1))
    client.taken()
    for days in WINDOWS:
        for _ in range(ROUNDS):
            client.get(TRENDS, _window(days))
        wall, cpu = ([percentile(each, percent) for percent in (50, 99)] for each in _both(client.taken()))
        note = f"{wall[0]:.1f} / {wall[1]:.1f} (CPU {cpu[0]:.1f} / {cpu[1]:.1f})"
        yield Figure(
            name=f"`/trends`, {days} days: p99",
            value=wall[1],
            unit="ms",
            at_most=PROMISED_MS,
            rounds=ROUNDS,
            note=note,
        )


def _window(days: int) -> dict[str, str]:
    return {"start_time": iso(END - days * MICROSECONDS[DAY]), "end_time": iso(END)}


def _both(times: Times) -> tuple[Sequence[float], Sequence[float]]:
    return times.wall, times.cpu


if __name__ == "__main__":
    raise SystemExit(main())
