"""What a post and a query cost as the table grows, as plots: `docs/curves-intake.svg`, `docs/curves-queries.svg`.

    python -m benchmarks.curves [--full] [--requests 100] [--rounds 3] [--seconds 2]

Seeded databases of growing size (SQLite), a copy of each with a service process of its own, which have their rounds in
turn. First one kept-alive connection asks, then 64 connections post while analysis is paused, so that what a post costs
is intake alone.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from benchmarks import seeded
from benchmarks.asking import Run
from benchmarks.baselines import PATH
from benchmarks.plain_sql import Plain
from benchmarks.processes import drive, service
from benchmarks.questions import CASES, PROMISED_MS, PROMISED_TRENDS_MS
from benchmarks.results import ROOT, Figure, Result, finish
from benchmarks.support.process import Process
from benchmarks.timing import Client, Times, percentile

FEW_SIZES = (10_000, 100_000, 1_000_000)
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 10_000_000)
ASKED = (("no filter", "30 days"), ("sentiment", "everything"), ("common topic", "everything"))
"""Cases and windows that fill a page of 100 however small the table is: a shorter answer is a faster one."""
DAYS = 365
CASE_OF = {case.name: case for case in CASES}
MOST_TIMES_AS_LONG = 2.0
NOBODY = "http://127.0.0.1:9"
INTAKE, QUERIES = (ROOT / "docs" / f"curves-{name}.svg" for name in ("intake", "queries"))
STYLE = ROOT / "benchmarks" / "curves.mplstyle"


class Posts(NamedTuple):
    """One round of posts: microseconds of the service's CPU for each, and how long they took."""

    cpu_us: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Point:
    """What was measured over a table of one size."""

    rows: int
    queries: Mapping[str, Times]
    rounds: Sequence[Posts]

    @property
    def posts(self) -> Posts:
        """The medians of the rounds."""
        return Posts(*(median(column) for column in zip(*self.rounds, strict=True)))


def main() -> int:
    """Measure, draw and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curves", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="more sizes, up to 10 million rows")
    parser.add_argument("--requests", type=int, help="of each query (default: 100, with --full 200)")
    parser.add_argument("--rounds", type=int, help="of queries and posts (default: 3, with --full 5)")
    parser.add_argument("--seconds", type=float, default=2, help="of a round (default: %(default)s)")
    given = parser.parse_args()
    sizes = SIZES if given.full else FEW_SIZES
    requests = given.requests or (200 if given.full else 100)
    rounds = given.rounds or (5 if given.full else 3)
    points = _measured(sizes, requests, rounds, given.seconds)
    with mpl.rc_context(fname=STYLE):
        intake_drawn(points).savefig(INTAKE, metadata={"Date": None})
        queries_drawn(points).savefig(QUERIES, metadata={"Date": None})
    setting = (
        f"SQLite, from {sizes[0]:,} to {sizes[-1]:,} conversations over 400 days; in notes the medians at "
        f"{', '.join(f'{rows:,}' for rows in sizes)}"
    )
    return finish(Result(program="curves", setting=setting, figures=tuple(figures(points))))


# --- measuring ----------------------------------------------------------------------------------------------


@dataclass
class Served:
    """A table with a service over it, and what was found of it so far."""

    rows: int
    process: Process
    run: Run
    queries: defaultdict[str, Times] = field(default_factory=lambda: defaultdict(Times))
    rounds: list[Posts] = field(default_factory=list)

    def ask(self) -> None:
        """A round of every query."""
        for name, window in ASKED:
            found = self.run.pages(self.run.questions(CASE_OF[name], window))
            self.queries[f"/insights, {name}, {window}"].add(found)
        self.queries[f"/trends, {DAYS} days"].add(self.run.trends(self.run.trend_windows(DAYS)))

    def post(self, seconds: float) -> None:
        """A round of posts."""
        found = drive(self.process, PATH, seconds=seconds, warm_up=0.5)
        if found["statuses"].keys() != {"202"}:
            raise RuntimeError(f"not all were taken in: {found['statuses']}")
        self.rounds.append(Posts(found["cpu_us"], found["p50_ms"], found["p99_ms"]))


def _measured(sizes: Sequence[int], requests: int, rounds: int, seconds: float) -> list[Point]:
    """All sizes in turn, round after round.

    One size after the other the last one had a machine half as fast as the first, and a line that rose for it.
    """
    with ExitStack() as stack:
        tables = [stack.enter_context(_served(rows, requests // rounds)) for rows in sizes]
        for number in range(1, rounds + 1):
            for table in tables:
                table.ask()
            sys.stderr.write(f"round {number} of queries\n")
        for number in range(1, rounds + 1):
            for table in tables:
                table.post(seconds)
            sys.stderr.write(f"round {number} of posts\n")
    return [Point(table.rows, table.queries, table.rounds) for table in tables]


@contextmanager
def _served(rows: int, requests: int) -> Iterator[Served]:
    with (
        seeded.copied(seeded.database_url(rows)) as url,
        TemporaryDirectory(prefix="curves-") as folder,
        service(Path(folder), NOBODY, DATABASE_URL=url) as process,
        Plain(url) as plain,
    ):
        httpx.post(f"{process.url}/api/v1/analysis/pause", trust_env=False).raise_for_status()
        ((first, last),) = plain.ask("SELECT min(timestamp), max(timestamp) FROM insights", {})
        served = Served(
            rows, process, Run(Client(process.url, process.process.pid), plain, requests, first, last)
        )
        served.ask()  # the first request of a process is slow
        served.queries.clear()
        yield served


# --- drawing ------------------------------------------------------------------------------------------------


def intake_drawn(points: Sequence[Point]) -> Drawing:
    """What a post costs over the size of the table."""
    drawing = Drawing(figsize=(9, 3.6), layout="constrained")
    drawing.suptitle(
        "Intake as the table grows: 64 connections, one post at a time, SQLite, synchronous=FULL"
    )
    cost, latency = drawing.subplots(1, 2)
    rows = [point.rows for point in points]
    cost.plot(rows, [point.posts.cpu_us for point in points], marker="o")
    _labelled(cost, "CPU time of a post, µs")
    for name, values in (
        ("median", [point.posts.p50_ms for point in points]),
        ("p99", [point.posts.p99_ms for point in points]),
    ):
        latency.plot(rows, values, marker="o", label=name)
    _labelled(latency, "time until a post is answered, ms")
    latency.legend()
    return drawing


def queries_drawn(points: Sequence[Point]) -> Drawing:
    """How long queries take over the size of the table."""
    drawing = Drawing(figsize=(9, 4.2), layout="constrained")
    drawing.suptitle("Queries as the table grows: a page of 100 insights, trends of a year, SQLite")
    axes = drawing.subplots()
    rows = [point.rows for point in points]
    for name in points[0].queries:
        walls = [point.queries[name].wall for point in points]
        (line,) = axes.plot(rows, [median(each) for each in walls], marker="o", label=f"{name}: median")
        p99 = [percentile(each, 99) for each in walls]
        axes.plot(rows, p99, marker=".", linestyle="--", color=line.get_color(), label=f"{name}: p99")
    for name, promised, style in (("/insights", PROMISED_MS, ":"), ("/trends", PROMISED_TRENDS_MS, "-.")):
        axes.axhline(promised, color="grey", linestyle=style, label=f"most that p99 of {name} may be")
    _labelled(axes, "time until a query is answered, ms")
    drawing.legend(loc="outside right center", fontsize="small")
    return drawing


def _labelled(axes: Axes, what: str) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("conversations in the table")
    axes.set_ylabel(what)
    # From nothing up: a line must not look steep for want of a floor.
    axes.set_ylim(bottom=0, top=1.1 * axes.get_ylim()[1])


# --- figures ------------------------------------------------------------------------------------------------


def figures(points: Sequence[Point]) -> Iterator[Figure]:
    """How many times as much each costs over the largest table as over the smallest."""
    count = len(points[0].rounds)
    yield _grown("a post: CPU", [point.posts.cpu_us for point in points], "us", count)
    yield _grown("a post: median", [point.posts.p50_ms for point in points], "ms", count)
    for name in points[0].queries:
        walls = [point.queries[name].wall for point in points]
        yield _grown(f"{name}: median", [median(each) for each in walls], "ms", len(walls[0]))


def _grown(name: str, values: Sequence[float], unit: str, rounds: int) -> Figure:
    return Figure(
        name=f"{name}, largest table over smallest",
        value=values[-1] / values[0],
        at_most=MOST_TIMES_AS_LONG,
        rounds=rounds,
        note=f"{', '.join(f'{value:.3g}' for value in values)} {unit}",
    )


if __name__ == "__main__":
    raise SystemExit(main())
