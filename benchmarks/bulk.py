"""Bulk intake: 500 conversations a request, beside a bare `executemany` of the same rows.

    python -m benchmarks.bulk [--full] [--rounds 3] [--seconds 3]

The bare way writes the same rows into the same tables, one transaction for every 500 with `synchronous=FULL`, with
nothing around it: no HTTP, no validation, no ids that are looked up. Four connections post to the service, while
analysis stands idle (paused) and, in a run of its own, while the offline analyzer is at work.
"""

import argparse
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from sqlalchemy import create_engine

from benchmarks.baselines import PATH
from benchmarks.driver import author_of, text_of
from benchmarks.processes import drive, service
from benchmarks.results import Figure, Result, finish
from core.clock import now
from models import QUEUED, metadata
from services.intake import conversation_id

AT_ONCE = 500
CONNECTIONS = 4
CONVERSATION = (
    "INSERT INTO conversations (number, id, author, timestamp, received_at, is_chat, status, run_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
MESSAGE = "INSERT INTO messages (conversation, position, author, role, text) VALUES (?, ?, ?, ?, ?)"


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="nine rounds of ten seconds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    given = parser.parse_args()
    seconds = given.seconds or (10 if given.full else 3)
    rounds: dict[str, list[float]] = defaultdict(list)
    for number in range(given.rounds or (9 if given.full else 3)):
        for name, measured in (("bare", _bare), ("idle", _idle), ("offline", _offline)):
            with TemporaryDirectory(prefix="bulk-") as folder:
                rounds[name].append(measured(Path(folder), seconds))
            sys.stderr.write(f"round {number + 1}, {name}: {rounds[name][-1]:,.0f}/s\n")
    setting = (
        f"{CONNECTIONS} connections, {AT_ONCE} a request, {seconds:g} s each, SQLite with synchronous=FULL"
    )
    return finish(Result(program="bulk", setting=setting, figures=tuple(_figures(rounds))))


def _bare(folder: Path, seconds: float) -> float:
    path = folder / "bare.db"
    metadata.create_all(create_engine(f"sqlite:///{path}"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        since, stored = time.perf_counter(), 0
        while (took := time.perf_counter() - since) < seconds:
            _store(connection, range(stored + 1, stored + AT_ONCE + 1))
            stored += AT_ONCE
    return stored / took


def fill(connection: sqlite3.Connection, count: int) -> None:
    """Write so many queued conversations, 500 in a transaction."""
    for first in range(1, count + 1, AT_ONCE):
        _store(connection, range(first, min(first + AT_ONCE, count + 1)))


def _store(connection: sqlite3.Connection, numbers: range) -> None:
    at = now()
    said = [(number, conversation_id(at), author_of(number), at, at, False, QUEUED, at) for number in numbers]
    with connection:
        connection.executemany(CONVERSATION, said)
        connection.executemany(
            MESSAGE, [(number, 1, author_of(number), "customer", text_of(number)) for number in numbers]
        )


def _idle(folder: Path, seconds: float) -> float:
    # A key, so that nothing is analysed while it is paused; it is never used.
    with service(folder, "http://127.0.0.1:9") as process:
        httpx.post(f"{process.url}/api/v1/analysis/pause", trust_env=False).raise_for_status()
        return _driven(drive(process, f"{PATH}/bulk", seconds=seconds, connections=CONNECTIONS, bulk=AT_ONCE))


def _offline(folder: Path, seconds: float) -> float:
    with service(folder, None, GROK_MODE="offline") as process:
        return _driven(drive(process, f"{PATH}/bulk", seconds=seconds, connections=CONNECTIONS, bulk=AT_ONCE))


def _driven(found: dict[str, Any]) -> float:
    if found["statuses"].keys() != {"202"}:
        raise RuntimeError(f"not all were taken in: {found['statuses']}")
    return float(found["per_second"])


def _figures(rounds: dict[str, list[float]]) -> Iterator[Figure]:
    count = len(rounds["bare"])
    share = median(mine / bare for mine, bare in zip(rounds["idle"], rounds["bare"], strict=True))
    yield Figure(name="conversations/s over bare executemany's", value=share, at_least=0.2, rounds=count)
    for name, least in (("idle", 10_000), ("offline", 5_000), ("bare", None)):
        label = {"idle": "analysis idle", "offline": "offline analyzer at work", "bare": "bare executemany"}[
            name
        ]
        found = median(rounds[name])
        yield Figure(name=f"{label}: conversations", value=found, unit="/s", at_least=least, rounds=count)


if __name__ == "__main__":
    raise SystemExit(main())
