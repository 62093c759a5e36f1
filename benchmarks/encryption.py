"""What encryption at rest costs: intake and engine with a key beside the same without one.

    python -m benchmarks.encryption [--full] [--rounds 3] [--seconds 3] [--queued 3000]

Both run one after the other, round after round, each in a process and with a database of its own, the one that went
first last time second; ratios are medians over the rounds. The fake Grok answers at once, so that the engine is busy.
"""

import argparse
import secrets
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.baselines import PATH
from benchmarks.engine import drained
from benchmarks.processes import drive, fake_grok, service
from benchmarks.results import Figure, Result, finish

LATENCY = 0.2
Rounds = list[dict[str, float]]


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.encryption", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="nine rounds of ten seconds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--queued", type=int, default=3_000)
    given = parser.parse_args()
    seconds = given.seconds or (10 if given.full else 3)
    rounds: Rounds = []
    for number in range(given.rounds or (9 if given.full else 3)):
        rounds.append(found := _round(seconds, given.queued, key_first=bool(number % 2)))
        sys.stderr.write(f"round {number + 1}: {found}\n")
    setting = f"64 connections, {seconds:g} s of posts; {given.queued:,} queued conversations; SQLite"
    return finish(Result(program="encryption", setting=setting, figures=tuple(_figures(rounds))))


def _round(seconds: float, queued: int, *, key_first: bool) -> dict[str, float]:
    key = {"DATA_ENCRYPTION_KEY": b64encode(secrets.token_bytes(32)).decode()}
    variants: list[tuple[str, dict[str, str]]] = [("plain", {}), ("encrypted", key)]
    found: dict[str, float] = {}
    for name, environ in reversed(variants) if key_first else variants:
        posts = _posts(seconds, environ)
        found |= {f"{name} posts": posts["per_second"], f"{name} CPU of a post": posts["cpu_us"]}
        found[f"{name} CPU"] = drained(LATENCY, queued, **environ).cpu / queued * 1_000
    return found


def _posts(seconds: float, environ: dict[str, str]) -> dict[str, Any]:
    with (
        TemporaryDirectory(prefix="encryption-") as folder,
        fake_grok(2) as grok,
        service(Path(folder), grok, **environ) as process,
    ):
        return drive(process, PATH, seconds=seconds)


def _figures(rounds: Rounds) -> Iterator[Figure]:
    def over(what: str) -> float:
        return median(each[f"encrypted {what}"] / each[f"plain {what}"] for each in rounds)

    def of(name: str) -> float:
        return median(each[name] for each in rounds)

    count = len(rounds)
    yield Figure(name="posts/s over plain", value=over("posts"), at_least=0.85, rounds=count)
    yield Figure(name="CPU of a post over plain", value=over("CPU of a post"), rounds=count)
    yield Figure(name="CPU of the engine over plain", value=over("CPU"), at_most=1.2, rounds=count)
    for name in ("plain", "encrypted"):
        yield Figure(name=f"{name}: posts", value=of(f"{name} posts"), unit="/s", rounds=count)
        what = f"{name}: CPU of the engine, 1,000 conversations"
        yield Figure(name=what, value=of(f"{name} CPU"), unit="s", rounds=count)


if __name__ == "__main__":
    raise SystemExit(main())
