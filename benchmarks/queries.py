"""How long `/insights` and `/trends` take over HTTP, quietly and under load, each beside the plain SQL.

    python -m benchmarks.queries [--rows 1000000] [--requests 30] [--rounds 3] [--database-url URL]

A service process over a copy of a seeded database (SQLite) or over the database itself (PostgreSQL), one kept-alive
connection, windows at random places. Every `total_count` that plain SQL counted as well has to be the same.

An SQLite file is read through before each round: a virtual machine may be made to give up pages that nobody has
read for minutes, though it has memory to spare, and a page of a hundred insights lies on some 400 of them. Without
it the p99 of such pages was 44 to 47 ms over 10 million rows, half of it waiting for the disk.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx
from sqlalchemy.engine import make_url

from benchmarks import seeded
from benchmarks.asking import Run
from benchmarks.plain_sql import Plain
from benchmarks.pressure import POSTS, pressed
from benchmarks.processes import fake_grok
from benchmarks.questions import (
    CASES,
    PROMISED_TRENDS_MS,
    TREND_DAYS,
    Case,
)
from benchmarks.results import Figure, Result, finish
from benchmarks.support.process import Process
from benchmarks.timing import PACE_ALONE, Client, Json, Times, pace, percentile
from tests.fake_grok.server import KEY

MOST_TIMES_AS_LONG = 3.0
IN_SQL = 3
"""Of the questions asked so many are put to plain SQL too: at ten million rows one takes seconds."""
CALLS, ENOUGH = 10, 0.9
"""A second, the engine's cap; and the share of it, and of the posts, that makes a load one."""
ROOMY = 100
"""Gigabytes: ten million rows take 9.4, and above the limit no post is accepted."""
LATENCY, SETTLED_AFTER = 1.0, 5.0
"""Seconds: of a call to the fake Grok, and until its calls come at their full rate."""
LOADED = ("no filter", "sentiment, min_confidence 0.83", "rare topic", "nothing matches")


class Measured(NamedTuple):
    """A question about windows of one length: what the service took and, in milliseconds, plain SQL."""

    window: str
    times: Times
    plain: Sequence[float] = ()


class Asked(NamedTuple):
    """A question, how long it may take in milliseconds, and what it took in one round."""

    name: str
    promised: float
    measured: Sequence[Measured]


Ask = Callable[[Run, int], Iterator[Asked]]
"""Asks every question; so many of the requests of each are put to plain SQL too."""

# --- quietly ------------------------------------------------------------------------------------------------


def quietly(run: Run, rounds: int, ask: Ask) -> Iterator[Figure]:
    """Every question while nothing else happens, one after the other and then all of them again.

    Rounds lie minutes apart, so that a moment in which the machine is busy elsewhere spoils one of them at most.
    """
    paces: list[float] = []
    # Plain SQL takes seconds where there are many rows, so that it is asked in the first round alone.
    found = [list(_round(run, number, paces, ask)) for number in range(1, rounds + 1)]
    yield from map(promised, zip(*found, strict=True))
    yield Figure(
        name="the machine meanwhile: 100,000 steps of a loop in Python",
        value=median(paces),
        unit="ms",
        rounds=len(paces),
        note=f"{min(paces):.1f} to {max(paces):.1f}; {PACE_ALONE} where a core is all its own",
    )


def _round(run: Run, number: int, paces: list[float], ask: Ask) -> Iterator[Asked]:
    seeded.read_through(run.plain.url)
    for asked in ask(run, IN_SQL if number == 1 else 0):
        paces.append(pace())
        slowest = max(percentile(each.times.wall, 99) for each in asked.measured)
        sys.stderr.write(f"round {number}: {asked.name}: {slowest:.3g} ms\n")
        yield asked


def _asked(run: Run, in_sql: int) -> Iterator[Asked]:
    for case in CASES:
        yield Asked(f"`/insights`, {case.name}", case.promised_ms, _all_windows(run, case, in_sql))
        if case.deep:
            deep = Measured("everything", run.hundredth_pages(case))
            yield Asked(f"`/insights`, {case.name}, page 100", case.promised_ms, [deep])
    for days in TREND_DAYS:
        places = run.trend_windows(days)
        found = Measured(f"{days} days", run.trends(places), run.trends_in_sql(places[:in_sql]))
        yield Asked(f"`/trends`, {days} days", PROMISED_TRENDS_MS, [found])


def _all_windows(run: Run, case: Case, in_sql: int) -> list[Measured]:
    asked = {window: run.questions(case, window) for window in case.windows}
    return [
        Measured(window, run.pages(these), run.pages_in_sql(these[:in_sql]))
        for window, these in asked.items()
    ]


def promised(rounds: Sequence[Asked]) -> Figure:
    """The p99 of the slowest window, the median of the rounds, and what there is to know of each window."""
    windows = list(zip(*(asked.measured for asked in rounds), strict=True))
    return Figure(
        name=f"{rounds[0].name}: p99",
        value=max(_p99(each.times for each in window) for window in windows),
        unit="ms",
        at_most=rounds[0].promised,
        rounds=len(rounds),
        note="; ".join(_noted(window) for window in windows),
    )


def _p99(rounds: Iterable[Times]) -> float:
    return median(percentile(times.wall, 99) for times in rounds)


def _noted(rounds: Sequence[Measured]) -> str:
    sql = [each for measured in rounds for each in measured.plain]
    plain = f", plain SQL {median(sql):,.1f}" if sql else ""
    return f"{rounds[0].window} {_shown(each.times for each in rounds)}{plain}"


def _shown(rounds: Iterable[Times]) -> str:
    """Of all rounds together."""
    times = Times()
    for each in rounds:
        times.add(each)
    both = (f"{percentile(each, 50):.1f} / {percentile(each, 99):.1f}" for each in (times.wall, times.cpu))
    return " (CPU ".join(both) + ")"


# --- under load ---------------------------------------------------------------------------------------------


def loaded(run: Run, url: str, grok: str, rounds: int) -> Iterator[Figure]:
    """Some of the questions before, and while, posts come in and calls go out as fast as they may."""
    questions = [run.questions(case, "30 days") for case in CASES if case.name in LOADED]
    names = [f"`/insights`, {case.name}" for case in CASES if case.name in LOADED]
    places = [run.trend_windows(days) for days in TREND_DAYS]
    names += [f"`/trends`, {days} days" for days in TREND_DAYS]

    def once() -> list[Times]:
        seeded.read_through(run.plain.url)
        return [*(run.pages(each) for each in questions), *(run.trends(each) for each in places)]

    def all_of_it() -> Iterator[Sequence[Times]]:
        """Each question's times, round by round."""
        return zip(*(once() for _ in range(rounds)), strict=True)

    before = list(all_of_it())
    with pressed(url) as pressure:
        time.sleep(SETTLED_AFTER)
        calls, since = _calls(grok), time.monotonic()
        during = list(all_of_it())
        calls_per_second = (_calls(grok) - calls) / (time.monotonic() - since)
    for name, one, other in zip(names, before, during, strict=True):
        yield _compared(name, one, other)
    posts_per_second = pressure.accepted / pressure.seconds
    loads = (("posts accepted", posts_per_second, POSTS), ("calls that left", calls_per_second, CALLS))
    for name, value, full in loads:
        yield Figure(name=f"{name} meanwhile", value=value, unit="a second", at_least=ENOUGH * full)


def _compared(name: str, before: Sequence[Times], during: Sequence[Times]) -> Figure:
    return Figure(
        name=f"{name}, under load: p99 over the quiet one's",
        value=_p99(during) / _p99(before),
        at_most=MOST_TIMES_AS_LONG,
        rounds=len(during),
        note=f"quiet {_shown(before)}, under load {_shown(during)}",
    )


def _calls(grok: str) -> int:
    return int(httpx.get(f"{grok}/__stats", trust_env=False, timeout=60).json()["calls"])


# --- the program --------------------------------------------------------------------------------------------


@contextmanager
def served(url: str, grok: str, requests: int) -> Iterator[tuple[Run, Process]]:
    """A service of its own over the database at `url`, with a connection for plain SQL beside it."""
    with TemporaryDirectory(prefix="queries-") as folder, Plain(url) as plain:
        given: Json = {
            "DATABASE_URL": url,
            "GROK_API_KEY": KEY,
            "GROK_BASE_URL": f"{grok}/v1",
            "START_BATCH": 50,
            "INBOUND_RPS": 0,
            "LOG_LEVEL": "WARNING",
            "MAX_STORAGE_GB": ROOMY,
        }
        with Process(Path(folder), **given) as service:
            client = Client(service.url, service.process.pid)
            ((first, last),) = plain.ask("SELECT min(timestamp), max(timestamp) FROM insights", {})
            yield Run(client, plain, requests, first, last), service


def setting(run: Run) -> str:
    """What was asked, and how."""
    ((rows,),) = run.plain.ask("SELECT max(number) FROM conversations", {})
    kind = make_url(run.plain.url).get_backend_name()
    each = f"{run.requests} requests of a kind and round, p99 is the median of the rounds'"
    each += "; in notes p50 / p99 of all, ms"
    return f"{kind}, {rows:,} conversations over 400 days, one connection; {each}"


def measure(url: str, requests: int, rounds: int, *, load: bool) -> Result:
    """All figures of the database at `url`, which is written to under load."""
    with fake_grok(LATENCY) as grok, served(url, grok, requests) as (run, service):
        # The first request of a kind is slow: the statements of trends are put into words in 24 ms.
        run.pages(run.questions(CASES[0], "a day"))
        for days in TREND_DAYS:
            run.trends(run.trend_windows(days))
        pressing = loaded(run, service.url, grok, rounds) if load else ()
        figures = tuple(chain(quietly(run, rounds, _asked), pressing))
        return Result(program="queries", setting=setting(run), figures=figures)


def main() -> int:
    """Measure and report; 0 where everything holds."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.queries", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="at 10 million rows")
    parser.add_argument("--rows", type=int, help="of a database that is made where it is not there")
    parser.add_argument("--database-url", help="a seeded database, instead")
    parser.add_argument("--requests", type=int, help="of a kind and round (default: 30, with --full 100)")
    parser.add_argument("--rounds", type=int, help="(default: 3, with --full 5)")
    parser.add_argument(
        "--quiet", action="store_true", help="without load, so that nothing is written or copied"
    )
    given = parser.parse_args()
    rows = given.rows or (10_000_000 if given.full else 1_000_000)
    url = given.database_url or seeded.database_url(rows)
    with nullcontext(url) if given.quiet else seeded.copied(url) as copy:
        requests = given.requests or (100 if given.full else 30)
        rounds = given.rounds or (5 if given.full else 3)
        return finish(measure(copy, requests, rounds, load=not given.quiet))


if __name__ == "__main__":
    raise SystemExit(main())
