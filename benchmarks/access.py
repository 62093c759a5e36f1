"""What it costs to find out who calls: a key among ten thousand, posts with and without one, and a scan of keys.

    python -m benchmarks.access [--full] [--rounds 3] [--seconds 3]

Posts alternate between an open and a closed service, each a process with a database of its own. The scan is fifty
connections of one client that send wrong keys as fast as they are answered.
"""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.engine import URL

import database
from benchmarks.baselines import PATH
from benchmarks.processes import cpu_seconds, drive, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support import databases
from core.clock import now
from core.secret_ring import SecretRing
from domain.api_keys import ApiKey, new_key
from models import api_keys
from services.access.authentication import Credential
from services.access.control import access_control
from store.access.audit import AuditEntry
from store.access.keys import StoredKey

KEYS, AUTHENTICATIONS = 10_000, 50_000
MOST_US, MOST_CPU, LEAST_INTAKE = 60, 5, 0.93
SCANNERS, SCAN_SECONDS = 50, 10
SECRET = secrets.token_hex(32)
CLOSED: Mapping[str, str] = {"AUTH_REQUIRED": "true", "AUTH_SECRET": SECRET}


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.access", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="nine rounds of ten seconds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    given = parser.parse_args()
    rounds, seconds = given.rounds or (9 if given.full else 3), given.seconds or (10 if given.full else 3)
    figures = [*_authenticating(), *_posting(rounds, seconds), *_scanning()]
    setting = f"{KEYS:,} keys, SQLite; posts over 64 connections, {seconds:g} s a round"
    return finish(Result(program="access", setting=setting, figures=tuple(figures)))


def _authenticating() -> Iterator[Figure]:
    with TemporaryDirectory(prefix="access-") as folder:
        each, refresh = asyncio.run(_authenticated(databases.sqlite(Path(folder))))
    yield Figure(
        name="CPU of authenticating a key", value=each, unit="us", at_most=MOST_US, rounds=AUTHENTICATIONS
    )
    yield Figure(name="CPU of reading all keys again after a change", value=refresh, unit="ms")


async def _authenticated(url: URL) -> tuple[float, float]:
    async with database.opened(url) as db:
        keys = await db.write(_add_keys)
        control = access_control(db, now, SecretRing([SECRET]))
        began = time.process_time()
        await control.directory.refresh()
        read = time.process_time() - began
        asked = AuditEntry(now(), "unknown", "")
        chosen = [Credential(key.text) for key in keys] * (AUTHENTICATIONS // KEYS)
        began = time.process_time()
        for credential in chosen:
            await control.authentication.caller(credential, asked)
        return (time.process_time() - began) / len(chosen) * 1_000_000, read * 1_000


def _add_keys(connection: Connection) -> list[ApiKey]:
    keys = [new_key(secrets.token_hex) for _ in range(KEYS)]
    rows = [
        StoredKey(key.id, f"key {key.id}", "agent", key.digest, now(), "benchmark")._asdict() for key in keys
    ]
    connection.execute(insert(api_keys), rows)
    return keys


def _posting(rounds: int, seconds: float) -> Iterator[Figure]:
    found: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for number in range(rounds):
        for closed in (False, True) if number % 2 else (True, False):
            found[closed].append(each := _posted(closed=closed, seconds=seconds))
            name = "closed" if closed else "open"
            sys.stderr.write(f"round {number + 1}, {name}: {each['per_second']:,.0f}/s, {each['statuses']}\n")
    for figure, words in (("per_second", "posts/s"), ("cpu_us", "CPU a post")):
        ratio = median(a[figure] / b[figure] for a, b in zip(found[True], found[False], strict=True))
        least = LEAST_INTAKE if figure == "per_second" else None
        yield Figure(name=f"{words} with a key over without", value=ratio, at_least=least, rounds=rounds)


def _posted(*, closed: bool, seconds: float) -> dict[str, Any]:
    with TemporaryDirectory(prefix="access-") as name:
        folder = Path(name)
        keys = asyncio.run(_filled(databases.sqlite(folder))) if closed else None
        with service(folder, None, **(CLOSED if closed else {})) as process:
            return drive(process, PATH, key=keys[0].text if keys else "", seconds=seconds)


async def _filled(url: URL) -> list[ApiKey]:
    async with database.opened(url) as db:
        return await db.write(_add_keys)


def _scanning() -> Iterator[Figure]:
    with TemporaryDirectory(prefix="access-") as name, service(Path(name), None, **CLOSED) as process:
        idle = _busy(partial(time.sleep, SCAN_SECONDS), process)
        wrong = new_key(secrets.token_hex).text
        scanned: list[dict[str, Any]] = []

        def scan() -> None:
            given = {"connections": SCANNERS, "seconds": SCAN_SECONDS, "warm_up": 0}
            scanned.append(drive(process, PATH, key=wrong, **given))

        cpu = _busy(scan, process) - idle
    note = ", ".join(f"{status}: {count:,}" for status, count in scanned[0]["statuses"].items())
    name_ = f"CPU of the service, {SCANNERS} connections with wrong keys, above idle"
    yield Figure(name=name_, value=cpu, unit="%", at_most=MOST_CPU, note=note)


def _busy(action: Any, process: Any) -> float:
    """Per cent of a core that the service uses while `action` runs."""
    before, began = cpu_seconds(process), time.monotonic()
    action()
    return (cpu_seconds(process) - before) / (time.monotonic() - began) * 100


if __name__ == "__main__":
    raise SystemExit(main())
