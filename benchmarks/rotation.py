"""Whether keys rotate beside a service under posts: none may fail, a killed rotation goes on, and nothing is left out.

    python -m benchmarks.rotation [--full] [--conversations 10000]

On SQLite and on PostgreSQL: an encrypted database is filled, `rotate-key` is started, killed in the middle and started
again, while two clients post without a rest.
"""

import argparse
import asyncio
import os
import secrets
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import httpx
from sqlalchemy import URL, func, select
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.driver import author_of, text_of
from benchmarks.processes import service
from benchmarks.results import ROOT, Figure, Result, finish
from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import POSTS, address
from core.crypto import MARK, KeyRing
from models import messages

FEW, MANY = 10_000, 100_000
BULK = 500
CLIENTS = 2
LOOK_SECONDS = 0.5


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rotation", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help=f"{MANY:,} conversations, not {FEW:,}")
    parser.add_argument("--conversations", type=int)
    given = parser.parse_args()
    count = given.conversations or (MANY if given.full else FEW)
    figures = tuple(figure for kind in KINDS for figure in _rotated(kind, count))
    setting = f"{count:,} conversations; {CLIENTS} clients post meanwhile, analysis paused"
    return finish(Result(program="rotation", setting=setting, figures=figures))


def _rotated(kind: str, count: int) -> Iterator[Figure]:
    old, new = (b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    with TemporaryDirectory(prefix="rotation-") as name, fresh(kind, Path(name)) as url:
        folder, database_url = Path(name), address(url)
        with service(folder, None, DATABASE_URL=database_url, DATA_ENCRYPTION_KEY=old) as process:
            _fill(process.url, count)
        both = f"{new},{old}"
        with (
            service(folder, None, DATABASE_URL=database_url, DATA_ENCRYPTION_KEY=both) as process,
            _posted(process.url) as statuses,
        ):
            done = _killed_half_way(url, both, new, count)
            started = time.monotonic()
            code = _rotate(database_url, both).wait()
            seconds = time.monotonic() - started
        left = asyncio.run(_counted(url)) - asyncio.run(_counted(url, new))
        with service(folder, None, DATABASE_URL=database_url, DATA_ENCRYPTION_KEY=new) as process:
            opens = httpx.get(f"{process.url}/chats?user_id={author_of(1)}").status_code
    posts = sum(statuses.values())
    yield Figure(name=f"{kind}: posts that failed", value=posts - statuses[202], at_most=0, rounds=posts)
    yield Figure(name=f"{kind}: sealed with the new key when it was killed", value=done, at_least=1)
    yield Figure(name=f"{kind}: exit code of the second run", value=code, at_most=0)
    yield Figure(name=f"{kind}: left with the old key", value=left, at_most=0)
    yield Figure(name=f"{kind}: answer with the new key alone", value=opens, at_least=200, at_most=200)
    yield Figure(name=f"{kind}: the rest took", value=seconds, unit="s")


def _fill(url: str, count: int) -> None:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        http.post("/api/v1/analysis/pause").raise_for_status()
        for first in range(0, count, BULK):
            numbers = range(first, min(first + BULK, count))
            items = [{"text": text_of(number), "author": author_of(number)} for number in numbers]
            http.post(f"{POSTS}/bulk", json=items).raise_for_status()


@contextmanager
def _posted(url: str) -> Iterator[Counter[int]]:
    """Posts come in during the block; their status codes are complete after it, 0 for no answer."""
    statuses: Counter[int] = Counter()
    stop = Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        found = [pool.submit(_post, url, number, stop) for number in range(CLIENTS)]
        try:
            yield statuses
        finally:
            stop.set()
            for each in found:
                statuses += each.result()


def _post(url: str, client: int, stop: Event) -> Counter[int]:
    statuses: Counter[int] = Counter()
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        while not stop.is_set():
            number = MANY * 10 * (client + 1) + statuses.total()
            try:
                answer = http.post(POSTS, json={"text": text_of(number), "author": author_of(number)})
                statuses[answer.status_code] += 1
            except httpx.HTTPError:
                statuses[0] += 1
    return statuses


def _rotate(database_url: str, keys: str) -> "subprocess.Popen[bytes]":
    own = {"DATABASE_URL": database_url, "DATA_ENCRYPTION_KEY": keys, "GROK_MODE": "offline"}
    environ = {"PATH": os.environ["PATH"], **own}
    command = [sys.executable, "-m", "database", "rotate-key"]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)  # noqa: S603  our own


def _killed_half_way(url: URL, keys: str, new: str, count: int) -> int:
    """Kill a rotation once half of the messages have the new key; how many have it."""
    program = _rotate(address(url), keys)
    while program.poll() is None and asyncio.run(_counted(url, new)) < count / 2:
        time.sleep(LOOK_SECONDS)
    program.kill()
    program.wait()
    return asyncio.run(_counted(url, new))


async def _counted(url: URL, sealed_with: str = "") -> int:
    """How many messages there are, or are sealed with a key."""
    found = select(func.count()).select_from(messages)
    if sealed_with:
        key_id = KeyRing([b64decode(sealed_with)]).ids[0]
        found = found.where(messages.c.text.like(f"{MARK}{key_id}|%"))
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        count: int = (await connection.execute(found)).scalar_one()
    await engine.dispose()
    return count


if __name__ == "__main__":
    raise SystemExit(main())
