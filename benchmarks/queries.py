"""How long `/insights` and `/trends` take over HTTP, quietly and under load, each beside the plain SQL.

    python -m benchmarks.queries [--rows 1000000] [--requests 100] [--database-url URL]

A service process over a copy of a seeded database (SQLite) or over the database itself (PostgreSQL), one kept-alive
connection, windows at random places. Every `total_count` that plain SQL counted as well has to be the same.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx
from sqlalchemy.engine import make_url

from benchmarks import seeded
from benchmarks.plain_sql import Plain
from benchmarks.pressure import pressed
from benchmarks.processes import fake_grok
from benchmarks.questions import (
    CASES,
    PROMISED_TRENDS_MS,
    TREND_DAYS,
    WINDOWS,
    Case,
    Filters,
    Window,
    placed,
)
from benchmarks.results import Figure, Result, finish
from benchmarks.timing import Client, Json, Times, percentile
from buckets import MICROSECONDS
from models import DAY
from tests.fake_grok import KEY
from tests.service import Process

INSIGHTS, TRENDS = "/api/v1/insights", "/api/v1/trends"
MOST_TIMES_AS_LONG = 3.0
IN_SQL = 3
"""Of the questions asked so many are put to plain SQL too: at ten million rows one takes seconds."""
HUNDREDTH, PAGE, BIGGEST_PAGE = 100, 100, 1_000
PAGES_PER_WALK = 5
LATENCY, SETTLED_AFTER = 1.0, 5.0
"""Seconds: of a call to the fake Grok, and until its calls come at their full rate."""
Question = tuple[Window, Filters]
LOADED = ("no filter", "sentiment, min_confidence 0.83", "rare topic", "nothing matches")


class Measured(NamedTuple):
    """A question about windows of one length: what the service took and, in milliseconds, plain SQL."""

    window: str
    times: Times
    plain: Sequence[float] = ()


@dataclass
class Run:
    """A service to ask, the database behind it, and how often to ask."""

    client: Client
    plain: Plain
    requests: int
    first: int
    last: int
    dice: Random = field(default_factory=lambda: Random(7))  # noqa: S311  nothing is kept secret with it

    def questions(self, case: Case, window: str) -> list[Question]:
        """As many as are asked, each at another place."""
        first = self.last - round((self.last - self.first) * case.newest)
        places = (placed(self.dice, first, self.last, WINDOWS[window]) for _ in range(self.requests))
        return [(place, case.filters(self.dice)) for place in places]

    def pages(self, asked: Sequence[Question]) -> Times:
        """First pages."""
        for place, filters in asked:
            self.client.get(INSIGHTS, place.parameters() | filters)
        return self.client.taken()

    def pages_in_sql(self, asked: Sequence[Question]) -> list[float]:
        """The same in plain SQL, whose counts have to agree."""
        return [self._page_in_sql(place, filters) for place, filters in asked]

    def _page_in_sql(self, place: Window, filters: Filters) -> float:
        count, milliseconds = self.plain.window(place, filters)
        found = self.client.get(INSIGHTS, place.parameters() | filters)["metadata"]["total_count"]
        self.client.taken()
        return _agreed(milliseconds, found, count, f"{place} {filters}")

    def hundredth_pages(self, case: Case) -> Times:
        """The hundredth page of everything and the four after it, by cursor."""
        times = Times()
        for place, filters in self.questions(case, "everything")[::PAGES_PER_WALK]:
            cursor = self._walked(place, filters)
            for _ in range(PAGES_PER_WALK):
                body = self.client.get(INSIGHTS, {"cursor": cursor, "limit": PAGE})
                cursor = body["metadata"]["next_cursor"]
            times.add(self.client.taken())
        return times

    def _walked(self, place: Window, filters: Filters) -> str:
        """The cursor of the hundredth page, got with few big ones."""
        cursor, left = "", (HUNDREDTH - 1) * PAGE
        while left:
            size = min(BIGGEST_PAGE, left)
            asked = {"cursor": cursor} if cursor else place.parameters() | filters
            cursor = self.client.get(INSIGHTS, asked | {"limit": str(size)})["metadata"]["next_cursor"]
            left -= size
        self.client.taken()
        return cursor

    def trend_windows(self, days: int) -> list[Window]:
        """As many windows of so many days as are asked."""
        length = days * MICROSECONDS[DAY]
        return [placed(self.dice, self.first, self.last, length) for _ in range(self.requests)]

    def trends(self, places: Sequence[Window]) -> Times:
        """The trends of these windows."""
        for place in places:
            self.client.get(TRENDS, place.parameters())
        return self.client.taken()

    def trends_in_sql(self, places: Sequence[Window]) -> list[float]:
        """The same in plain SQL, whose counts have to agree."""
        return [self._trends_in_sql(place) for place in places]

    def _trends_in_sql(self, place: Window) -> float:
        count, milliseconds = self.plain.trends(place)
        found = self.client.get(TRENDS, place.parameters())["total_insights"]
        self.client.taken()
        return _agreed(milliseconds, found, count, str(place))


def _agreed(milliseconds: float, found: int, counted: int, what: str) -> float:
    if found != counted:
        raise RuntimeError(f"{what}: the service says {found}, plain SQL {counted}")
    return milliseconds


# --- quietly ------------------------------------------------------------------------------------------------


def quietly(run: Run) -> Iterator[Figure]:
    """Every question while nothing else happens."""
    for case in CASES:
        yield _promised(f"`/insights`, {case.name}", _all_windows(run, case), case.promised_ms)
        if case.deep:
            deep = Measured("everything", run.hundredth_pages(case))
            yield _promised(f"`/insights`, {case.name}, page 100", [deep], case.promised_ms)
    for days in TREND_DAYS:
        places = run.trend_windows(days)
        found = Measured(f"{days} days", run.trends(places), run.trends_in_sql(places[:IN_SQL]))
        yield _promised(f"`/trends`, {days} days", [found], PROMISED_TRENDS_MS)


def _all_windows(run: Run, case: Case) -> list[Measured]:
    asked = {window: run.questions(case, window) for window in case.windows}
    return [
        Measured(window, run.pages(these), run.pages_in_sql(these[:IN_SQL]))
        for window, these in asked.items()
    ]


def _promised(name: str, measured: Sequence[Measured], promised: float) -> Figure:
    """The p99 of the slowest window, and what there is to know of each."""
    return Figure(
        name=f"{name}: p99",
        value=max(percentile(each.times.wall, 99) for each in measured),
        unit="ms",
        at_most=promised,
        rounds=sum(len(each.times.wall) for each in measured),
        note="; ".join(_noted(each) for each in measured),
    )


def _noted(measured: Measured) -> str:
    plain = f", plain SQL {median(measured.plain):,.1f}" if measured.plain else ""
    return f"{measured.window} {_shown(measured.times)}{plain}"


def _shown(times: Times) -> str:
    both = (f"{percentile(each, 50):.1f} / {percentile(each, 99):.1f}" for each in (times.wall, times.cpu))
    return " (CPU ".join(both) + ")"


# --- under load ---------------------------------------------------------------------------------------------


def loaded(run: Run, url: str, grok: str) -> Iterator[Figure]:
    """Some of the questions before, and while, posts come in and calls go out as fast as they may."""
    questions = [run.questions(case, "30 days") for case in CASES if case.name in LOADED]
    names = [f"`/insights`, {case.name}" for case in CASES if case.name in LOADED]
    places = [run.trend_windows(days) for days in TREND_DAYS]
    names += [f"`/trends`, {days} days" for days in TREND_DAYS]

    def all_of_it() -> list[Times]:
        return [*(run.pages(each) for each in questions), *(run.trends(each) for each in places)]

    before = all_of_it()
    with pressed(url) as pressure:
        time.sleep(SETTLED_AFTER)
        calls, since = _calls(grok), time.monotonic()
        during = all_of_it()
        calls_per_second = (_calls(grok) - calls) / (time.monotonic() - since)
    for name, one, other in zip(names, before, during, strict=True):
        yield _compared(name, one, other)
    yield Figure(name="posts accepted meanwhile", value=pressure.accepted / pressure.seconds, unit="a second")
    yield Figure(name="calls that left meanwhile", value=calls_per_second, unit="a second")


def _compared(name: str, before: Times, during: Times) -> Figure:
    return Figure(
        name=f"{name}, under load: p99 over the quiet one's",
        value=percentile(during.wall, 99) / percentile(before.wall, 99),
        at_most=MOST_TIMES_AS_LONG,
        rounds=len(during.wall),
        note=f"quiet {_shown(before)}, under load {_shown(during)}",
    )


def _calls(grok: str) -> int:
    return int(httpx.get(f"{grok}/__stats", trust_env=False, timeout=60).json()["calls"])


# --- the program --------------------------------------------------------------------------------------------


def measure(url: str, requests: int, *, load: bool) -> Result:
    """All figures of the database at `url`, which is written to under load."""
    with TemporaryDirectory(prefix="queries-") as folder, fake_grok(LATENCY) as grok, Plain(url) as plain:
        given: Json = {
            "DATABASE_URL": url,
            "GROK_API_KEY": KEY,
            "GROK_BASE_URL": f"{grok}/v1",
            "START_BATCH": 50,
            "INBOUND_RPS": 0,
            "LOG_LEVEL": "WARNING",
        }
        with Process(Path(folder), **given) as service:
            client = Client(service.url, service.process.pid)
            ((rows,),) = plain.ask("SELECT max(number) FROM conversations", {})
            ((first, last),) = plain.ask("SELECT min(timestamp), max(timestamp) FROM insights", {})
            run = Run(client, plain, requests, first, last)
            # The first request of a kind is slow: the statements of trends are put into words in 24 ms.
            run.pages(run.questions(CASES[0], "a day"))
            for days in TREND_DAYS:
                run.trends(run.trend_windows(days))
            asked = chain(quietly(run), loaded(run, service.url, grok) if load else ())
            figures = [_told(figure) for figure in asked]
    setting = f"{make_url(url).get_backend_name()}, {rows:,} conversations over 400 days, one connection"
    return Result(program="queries", setting=f"{setting}; in notes p50 / p99 in ms", figures=tuple(figures))


def _told(figure: Figure) -> Figure:
    """Show how far it is: all of it takes minutes."""
    sys.stderr.write(f"{figure.name}: {figure.value:.3g} {figure.unit}\n")
    return figure


def main() -> int:
    """Measure and report; 0 where everything holds."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.queries", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="at 10 million rows")
    parser.add_argument("--rows", type=int, help="of a database that is made where it is not there")
    parser.add_argument("--database-url", help="a seeded database, instead")
    parser.add_argument("--requests", type=int, default=100, help="of each kind (default: %(default)s)")
    parser.add_argument(
        "--quiet", action="store_true", help="without load, so that nothing is written or copied"
    )
    given = parser.parse_args()
    rows = given.rows or (10_000_000 if given.full else 1_000_000)
    url = given.database_url or seeded.database_url(rows)
    with nullcontext(url) if given.quiet else seeded.copied(url) as copy:
        return finish(measure(copy, given.requests, load=not given.quiet))


if __name__ == "__main__":
    raise SystemExit(main())
