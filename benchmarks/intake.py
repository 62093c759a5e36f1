"""Intake, one post at a time: this service beside a bare endpoint and beside a commit for each request.

    python -m benchmarks.intake [--full] [--rounds 3] [--seconds 3]

64 connections from another process, rate limits off, a fake Grok that answers after 2 s. The three run one after
the other, round after round, each in a process and with a database of its own; ratios are of one round, figures
are medians over the rounds.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.baselines import PATH
from benchmarks.processes import baseline, drive, fake_grok, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support.process import Process

VARIANTS = ("bare", "service", "commit_each")
Rounds = dict[str, list[dict[str, Any]]]


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.intake", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="nine rounds of ten seconds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    given = parser.parse_args()
    seconds = given.seconds or (10 if given.full else 3)
    rounds: Rounds = defaultdict(list)
    for number in range(given.rounds or (9 if given.full else 3)):
        for name in VARIANTS:
            rounds[name].append(found := _measured(name, seconds))
            sys.stderr.write(
                f"round {number + 1}, {name}: {found['per_second']:,.0f}/s, {found['statuses']}\n"
            )
    setting = f"64 connections, {seconds:g} s each, bodies of about 220 bytes, SQLite with synchronous=FULL"
    return finish(Result(program="intake", setting=setting, figures=tuple(_figures(rounds))))


def _measured(name: str, seconds: float) -> dict[str, Any]:
    with TemporaryDirectory(prefix="intake-") as folder, _running(name, Path(folder)) as process:
        return drive(process, PATH, seconds=seconds)


@contextmanager
def _running(name: str, folder: Path) -> Iterator[Process]:
    if name == "service":
        with fake_grok(2) as grok, service(folder, grok) as process:
            yield process
    else:
        with baseline(folder, name) as process:
            yield process


def _figures(rounds: Rounds) -> Iterator[Figure]:
    count = len(rounds["service"])

    def of(name: str, figure: str) -> float:
        return median(float(each[figure]) for each in rounds[name])

    def over(name: str, figure: str) -> float:
        pairs = zip(rounds["service"], rounds[name], strict=True)
        return median(float(mine[figure] / theirs[figure]) for mine, theirs in pairs)

    yield Figure(
        name="posts/s over the bare endpoint's", value=over("bare", "per_second"), at_least=0.6, rounds=count
    )
    yield Figure(name="p99 over the bare endpoint's", value=over("bare", "p99_ms"), at_most=3, rounds=count)
    each = over("commit_each", "per_second")
    yield Figure(name="posts/s over a commit for each request", value=each, at_least=8, rounds=count)
    for name in VARIANTS:
        label = name.replace("_", " ")
        yield Figure(name=f"{label}: posts", value=of(name, "per_second"), unit="/s", rounds=count)
        yield Figure(name=f"{label}: p50", value=of(name, "p50_ms"), unit="ms", rounds=count)
        yield Figure(name=f"{label}: p99", value=of(name, "p99_ms"), unit="ms", rounds=count)
        yield Figure(name=f"{label}: CPU a post", value=of(name, "cpu_us"), unit="us", rounds=count)


if __name__ == "__main__":
    raise SystemExit(main())
