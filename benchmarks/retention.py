"""Whether deleting what is too old holds up intake: posts with and without RETENTION_DAYS, in turn.

    python -m benchmarks.retention [--full]

On a copy of a seeded SQLite file, whose conversations are all too old but for the last day's, with a fake Grok.
"""

import argparse
import asyncio
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy.engine import make_url

import database
from benchmarks.baselines import PATH
from benchmarks.processes import drive, fake_grok, service
from benchmarks.results import Figure, Result, finish
from benchmarks.seeded import copied, database_url
from core.database_url import DRIVERS
from services.indexing import Indexing

ROWS, FEW_ROWS = 1_000_000, 100_000
ROUNDS, SECONDS = 5, 10
CONNECTIONS = 16
LATENCY = 2
MOST_SLOWER = 1.5


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retention", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="on a million rows, not a hundred thousand")
    rows = ROWS if parser.parse_args().full else FEW_ROWS
    with copied(database_url(rows)) as url, TemporaryDirectory(prefix="retention-") as folder:
        sys.stderr.write("indexing\n")
        asyncio.run(_index(url))
        without, with_ = [], []
        for _ in range(ROUNDS):
            without.append(_round(Path(folder), url))
            with_.append(_round(Path(folder), url, RETENTION_DAYS=1))
    setting = (
        f"SQLite, {rows:,} old conversations, {CONNECTIONS} connections, a fake Grok that takes {LATENCY} s"
    )
    return finish(Result(program="retention", setting=setting, figures=_figures(without, with_)))


async def _index(url: str) -> None:
    """Index every message, as a service would have long ago: taking it out again is a part of deleting."""
    address = make_url(url)
    async with database.opened(address.set(drivername=DRIVERS[address.drivername])) as opened:
        while await Indexing(opened).step():
            pass


def _round(folder: Path, url: str, **environ: Any) -> dict[str, float]:
    """What posting for some seconds brought, and how many conversations were deleted meanwhile."""
    before = _oldest(url)
    with fake_grok(LATENCY) as grok, service(folder, grok, DATABASE_URL=url, **environ) as process:
        found = drive(process, PATH, seconds=SECONDS, connections=CONNECTIONS)
    deleted = (_oldest(url) - before) / (SECONDS + 1)
    sys.stderr.write(
        f"{environ}: {found['per_second']:.0f} posts/s, p99 {found['p99_ms']:.1f} ms, {deleted:.0f}/s\n"
    )
    return {**{name: found[name] for name in ("per_second", "p50_ms", "p99_ms")}, "deleted": deleted}


def _oldest(url: str) -> int:
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        return int(connection.execute("SELECT min(number) FROM conversations").fetchone()[0])


def _figures(without: Sequence[dict[str, float]], with_: Sequence[dict[str, float]]) -> tuple[Figure, ...]:
    def both(name: str, unit: str, what: str) -> list[Figure]:
        return [
            Figure(
                name=f"{how}: {what}", value=median(each[name] for each in rounds), unit=unit, rounds=ROUNDS
            )
            for how, rounds in (("without", without), ("with", with_))
        ]

    slower = median(one["p99_ms"] / other["p99_ms"] for one, other in zip(with_, without, strict=True))
    return (
        *both("per_second", "posts/s", "posts"),
        *both("p50_ms", "ms", "median"),
        *both("p99_ms", "ms", "p99"),
        Figure(name="p99, with over without", value=slower, at_most=MOST_SLOWER, rounds=ROUNDS),
        Figure(
            name="deleted meanwhile",
            value=median(each["deleted"] for each in with_),
            unit="a second",
            rounds=ROUNDS,
        ),
    )


if __name__ == "__main__":
    raise SystemExit(main())
