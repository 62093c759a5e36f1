"""How long an analyst's questions take over HTTP: topics, explanations, local days, people, and lists by score.

    python -m benchmarks.analyst [--rows 1000000] [--requests 30] [--rounds 3] [--database-url URL] [--no-sql]

As `benchmarks.queries` asks its own, quietly; nothing is written. Where people are listed, plain SQL has to agree.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from benchmarks import seeded
from benchmarks.asking import Run
from benchmarks.comparing import COMPARED, Comparing
from benchmarks.processes import fake_grok
from benchmarks.queries import LATENCY, Asked, Measured, quietly, served, setting
from benchmarks.questions import (
    PEOPLE_SORTS,
    PEOPLE_WINDOWS,
    PROMISED_PEOPLE_MS,
    PROMISED_TRENDS_MS,
    SORTED,
    WINDOWS,
    Window,
    placed,
)
from benchmarks.results import Result, finish

LONG_TREND = 365
TOPICS = "/api/v1/topics"
FEW = 3
"""Requests of each kind before those that count."""


def asked(run: Run, in_sql: int, *, plainly: bool = True) -> Iterator[Asked]:
    """Every question; so many of each in plain SQL too, unless that is not wanted."""
    in_sql = in_sql if plainly else 0
    for kind in COMPARED:
        places = run.trend_windows(kind.days)
        times, plain = kind.times(run, places), [_milliseconds(run, kind, each) for each in places[:in_sql]]
        yield Asked(kind.name, kind.promised_ms, [Measured(f"{kind.days} days", times, plain)])
    places = run.trend_windows(LONG_TREND)
    found = Measured(f"{LONG_TREND} days", run.trends(places), run.trends_in_sql(places[:in_sql]))
    yield Asked(f"`/trends`, {LONG_TREND} days", PROMISED_TRENDS_MS, [found])
    for sort in PEOPLE_SORTS:
        yield Asked(f"`/people`, sort={sort}", PROMISED_PEOPLE_MS, [*_people(run, sort, in_sql)])
    for case in SORTED:
        pages = [Measured(window, run.pages(run.questions(case, window))) for window in case.windows]
        yield Asked(f"`/insights`, {case.name}", case.promised_ms, pages)


def _milliseconds(run: Run, kind: Comparing, place: Window) -> float:
    since = time.perf_counter()
    kind.in_sql(run.plain, place)
    return (time.perf_counter() - since) * 1_000


def _people(run: Run, sort: str, in_sql: int) -> Iterator[Measured]:
    for window in PEOPLE_WINDOWS:
        length = WINDOWS[window]
        places = [placed(run.dice, run.first, run.last, length) for _ in range(run.requests)]
        yield Measured(window, run.people(places, sort), run.people_in_sql(places[:in_sql], sort))


def measure(url: str, requests: int, rounds: int, *, plainly: bool = True) -> Result:
    """All figures of the database at `url`."""
    with fake_grok(LATENCY) as grok, served(url, grok, requests) as (run, _):
        # The first requests read the sums of all days into memory, and put statements into words.
        run.client.get(TOPICS, Window(run.first, run.last + 1).parameters())
        for _ in asked(replace(run, requests=FEW), 0):
            pass
        figures = tuple(quietly(run, rounds, partial(asked, plainly=plainly)))
        return Result(program="analyst", setting=setting(run), figures=figures)


def main() -> int:
    """Measure and report; 0 where everything holds."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.analyst", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="at 10 million rows")
    parser.add_argument("--rows", type=int, help="of a database that is made where it is not there")
    parser.add_argument("--database-url", help="a seeded database, instead")
    parser.add_argument("--requests", type=int, help="of a kind and round (default: 30, with --full 100)")
    parser.add_argument("--rounds", type=int, help="(default: 3, with --full 5)")
    parser.add_argument("--no-sql", action="store_true", help="without the same questions in plain SQL")
    given = parser.parse_args()
    rows = given.rows or (10_000_000 if given.full else 1_000_000)
    requests, rounds = given.requests or (100 if given.full else 30), given.rounds or (5 if given.full else 3)
    url = given.database_url or seeded.database_url(rows)
    return finish(measure(url, requests, rounds, plainly=not given.no_sql))


if __name__ == "__main__":
    raise SystemExit(main())
