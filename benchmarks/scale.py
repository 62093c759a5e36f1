"""One process and several, on one PostgreSQL: the cap that they share, what a conversation costs, and intake.

    python -m benchmarks.scale [--full] [--queued 3000] [--latency 0.2 2] [--seconds 5] [--database-url URL]

Workers empty a queue that an api process filled while analysis was paused. The fake Grok counts the calls of all of
them by the arrival of their headers. For intake a driver posts to each api process at once. Everything shares the
machine's CPUs, so what counts is the work for each second of CPU.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.baselines import PATH
from benchmarks.engine import BATCH, DEEP, RATE, Drained, ask, completed, fill, ideal, watched
from benchmarks.processes import cpu_seconds, drive, fake_grok, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support import databases
from benchmarks.support.process import Process, address

WORKERS = (1, 2, 4)
APIS = (1, 2)
LATENCIES = (0.2, 2.0)
DATABASE = "scale"
DEADLOCKS = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
LEAST_SHARE = 0.95
MOST_COST = 1.25
"""Times one worker's CPU a conversation that four may take."""
LEAST_GAIN = 0.85
"""Of one process's posts a second of CPU; two then take in 1.7 times as many, where they have a core each."""


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="50,000 queued, not 3,000; intake for 20 s")
    parser.add_argument("--queued", type=int)
    parser.add_argument("--latency", type=float, nargs="+", default=LATENCIES, help="seconds of a call")
    parser.add_argument("--seconds", type=float, help="of intake in each of three rounds")
    parser.add_argument("--database-url", help="of a PostgreSQL server; default: one that is started here")
    given = parser.parse_args()
    queued = given.queued or (50_000 if given.full else 3_000)
    if queued < 2 * DEEP:
        parser.error(f"--queued: a queue is deep with {DEEP}, {2 * DEEP:,} are the least to see it drained")
    with _server(given.database_url) as server:
        figures = [*_analysis(server, queued, given.latency)]
        figures += _intake(server, given.seconds or (20 if given.full else 3))
    setting = f"PostgreSQL, {queued:,} queued, {RATE} calls/s for all processes, batches of {BATCH}"
    return finish(Result(program="scale", setting=setting, figures=tuple(figures)))


@contextmanager
def _server(given: str | None) -> Iterator[URL]:
    if given is None:
        with databases.postgresql() as url:
            yield url
    else:
        yield make_url(given)


@contextmanager
def _running(server: URL, roles: Sequence[str], grok: str, **environ: Any) -> Iterator[list[Process]]:
    """A process of each role, on one empty database."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="scale-"))
        url = stack.enter_context(databases.created(server, DATABASE))
        given = {"DATABASE_URL": address(url), **environ}
        yield [stack.enter_context(service(Path(folder), grok, ROLE=role, **given)) for role in roles]


# --- analysis -----------------------------------------------------------------------------------------------


def _analysis(server: URL, queued: int, latencies: Sequence[float]) -> Iterator[Figure]:
    for latency in latencies:
        costs = []
        for workers in WORKERS:
            run = _drained(server, workers, latency, queued)
            costs.append(run.cpu / queued)
            yield from _of_cap(run, workers)
        yield Figure(
            name=f"{latency:g} s a call: CPU a conversation, {WORKERS[-1]} workers over one",
            value=costs[-1] / costs[0],
            at_most=MOST_COST,
            note=", ".join(
                f"{number}: {cost * 1e6:.0f} us" for number, cost in zip(WORKERS, costs, strict=True)
            ),
        )


def _drained(server: URL, workers: int, latency: float, queued: int) -> Drained:
    limits = {"OUTBOUND_RPS": RATE, "MAX_BATCH": BATCH, "START_BATCH": BATCH}
    roles = ["api", *["worker"] * workers]
    with (
        fake_grok(latency) as grok,
        _running(server, roles, grok, **limits) as (api, *working),
        httpx.Client(trust_env=False, timeout=60) as http,
    ):
        ask(http, "POST", f"{api.url}/api/v1/analysis/pause")
        ids = fill(http, api, queued)
        before = sum(map(cpu_seconds, working))
        ask(http, "POST", f"{api.url}/api/v1/analysis/resume")
        ended = watched(http, api, grok, queued)
        cpu = sum(map(cpu_seconds, working)) - before
        stats = ask(http, "GET", f"{grok}/__stats?arrivals=1")
        done = completed(http, api, ids)
        deadlocks = asyncio.run(_deadlocks(server.set(database=DATABASE)))
    return Drained(latency, queued, ended - stats["arrivals"][0], cpu, done, stats, deadlocks)


async def _deadlocks(database: URL) -> int:
    """How often the database has met one since it was made."""
    engine = create_async_engine(database)
    try:
        async with engine.connect() as connection:
            return int(await connection.scalar(DEADLOCKS) or 0)
    finally:
        await engine.dispose()


def _of_cap(run: Drained, workers: int) -> Iterator[Figure]:
    at = f"{run.latency:g} s a call, workers: {workers}"
    deep, stats = run.deep, run.stats
    seconds, calls = deep[-1] - deep[0], len(deep)
    sys.stderr.write(
        f"{at}: {calls} calls in {seconds:.2f} s, {stats['busiest_second']} in the busiest second\n"
    )
    yield Figure(name=f"{at}: calls in the busiest second", value=stats["busiest_second"], at_most=RATE)
    share = ideal(calls, run.latency) / seconds
    yield Figure(name=f"{at}: calls made over calls allowed", value=share, at_least=LEAST_SHARE, rounds=calls)
    again = stats["texts_sent"] - stats["texts"] + len(stats["violations"]) + run.queued - run.completed
    yield Figure(name=f"{at}: deadlocks", value=run.deadlocks, at_most=0, rounds=calls)
    yield Figure(name=f"{at}: texts sent twice, requests at fault, not completed", value=again, at_most=0)


# --- intake -------------------------------------------------------------------------------------------------


def _intake(server: URL, seconds: float) -> Iterator[Figure]:
    """Posts of one api process and of two, in turn."""
    with fake_grok(2) as grok:
        rounds = [[_posted(server, grok, number, seconds) for number in APIS] for _ in range(3)]
    rate = [median(each[at][0] for each in rounds) for at in range(len(APIS))]
    cost = median(one[1] / two[1] for one, two in rounds)
    yield Figure(
        name="intake: posts a second of CPU, two api processes over one",
        value=cost,
        at_least=LEAST_GAIN,
        rounds=len(rounds),
    )
    for number, value in zip(APIS, rate, strict=True):
        yield Figure(name=f"intake, api processes: {number}", value=value, unit="posts/s", rounds=len(rounds))


def _posted(server: URL, grok: str, number: int, seconds: float) -> tuple[float, float]:
    """Posts a second, and the CPU seconds of the api processes for each."""
    with _running(server, ["api"] * number, grok) as apis, ThreadPoolExecutor() as pool:
        found = [*pool.map(lambda api: drive(api, PATH, seconds=seconds), apis)]
    sent = sum(each["sent"] for each in found)
    cpu = sum(each["cpu_us"] * each["sent"] for each in found) / 1_000_000
    sys.stderr.write(f"intake, api processes: {number}: {[round(each['per_second']) for each in found]}\n")
    return sum(each["per_second"] for each in found), cpu / sent


if __name__ == "__main__":
    raise SystemExit(main())
