"""The service's memory and CPU: idle, with a million queued, under full load and after an hour's worth of posts.

    python -m benchmarks.footprint [--full] [--queued 1000000]

Memory is resident, of the server with its children; an hour's worth is what INBOUND_RPS=100 lets in.
"""

import argparse
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx

from benchmarks.baselines import PATH
from benchmarks.bulk import fill
from benchmarks.processes import cpu_seconds, drive, fake_grok, resident_mb, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support.process import Process

IDLE_SECONDS = 10
HOURLY_POSTS = 360_000
STARTS = 5
"""Of which the median counts: a start takes a second and more, all of it CPU, so that a busy moment is all of one."""


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.footprint", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="a whole hour's posts, not a twentieth of them")
    parser.add_argument("--queued", type=int, default=1_000_000)
    given = parser.parse_args()
    posts = HOURLY_POSTS if given.full else HOURLY_POSTS // 20
    with TemporaryDirectory(prefix="footprint-") as name:
        figures = [*_idle(Path(name)), *_deep(Path(name), given.queued, posts)]
    setting = f"SQLite, {given.queued:,} queued, then {posts:,} posts and a fake Grok that takes 2 s a call"
    return finish(Result(program="footprint", setting=setting, figures=tuple(figures)))


def _idle(folder: Path) -> Iterator[Figure]:
    for name, grok in (("offline", None), ("with a key", "http://127.0.0.1:9")):
        place = folder / name.replace(" ", "-")
        place.mkdir()
        with service(place, grok) as process:
            share = _cpu_share(process)
            yield Figure(name=f"idle, {name}: memory", value=resident_mb(process), unit="MB", at_most=120)
            yield Figure(name=f"idle, {name}: CPU of one core", value=share * 100, unit="%")


def _cpu_share(process: Process) -> float:
    before = cpu_seconds(process)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(process) - before) / IDLE_SECONDS


def _deep(folder: Path, queued: int, posts: int) -> Iterator[Figure]:
    with service(folder, None, GROK_MODE="offline"):
        pass  # makes the tables
    path = folder / "insights.db"
    sys.stderr.write(f"writing {queued:,} queued conversations\n")
    with closing(sqlite3.connect(path)) as connection:
        fill(connection, queued)
    size = path.stat().st_size / queued
    yield Figure(name="on disk, a queued conversation", value=size, unit="bytes")
    started = partial(service, folder, MAX_QUEUE_DEPTH=10 * queued)
    with fake_grok(2) as grok:
        seconds = [_seconds_to_start(started(grok)) for _ in range(STARTS)]
        note = f"{min(seconds):.2f} to {max(seconds):.2f}"
        yield Figure(name="start", value=median(seconds), unit="s", at_most=2, rounds=STARTS, note=note)
        with started(grok) as process:
            yield from _loaded(process, posts)
    yield Figure(name="on disk, afterwards", value=path.stat().st_size / (queued + posts), unit="bytes each")


def _seconds_to_start(starting: AbstractContextManager[Process]) -> float:
    since = time.perf_counter()
    with starting:
        return time.perf_counter() - since


def _loaded(process: Process, posts: int) -> Iterator[Figure]:
    most = resident_mb(process)
    yield Figure(name="queue full at start: memory", value=most, unit="MB", at_most=300)
    sent = 0
    while sent < posts:
        found = drive(process, PATH, seconds=5, warm_up=0)
        sent += found["sent"]
        most = max(most, resident_mb(process))
        sys.stderr.write(f"{sent:,} of {posts:,} posts, {most:.0f} MB\n")
    health = httpx.get(f"{process.url}/health", trust_env=False, timeout=30).json()
    yield Figure(name="under full load: most memory", value=most, unit="MB", at_most=300)
    note = f"{health['queue_size']:,} still queued"
    yield Figure(
        name="after an hour's worth of posts: memory", value=resident_mb(process), unit="MB", note=note
    )


if __name__ == "__main__":
    raise SystemExit(main())
