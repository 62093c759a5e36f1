"""Whether memory stays within bounds: over a hundred thousand conversations, and while the database is locked.

    python -m benchmarks.memory [--full] [--databases sqlite postgresql]

Memory is resident, of the server alone, sampled every second from a first sample after a warm-up on. The lock is
another process's; meanwhile 64 connections keep posting, sooner than they are asked to.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
from sqlalchemy.engine import URL

from benchmarks.processes import fake_grok, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.locks import locked
from benchmarks.support.process import Json, Process, address, client
from benchmarks.support.rapid import ACCEPTED, Answer, post_rapidly
from benchmarks.support.waiting import eventually

MEGABYTE = 1_000_000
CONVERSATIONS, SHORT_CONVERSATIONS = 100_000, 10_000
LOCK_SECONDS, SHORT_LOCK_SECONDS = 60, 15
WARM_UP = 3_000
OUTBOUND_RPS, LATENCY = 100, 0.2
"""Calls and seconds that let the queue drain as fast as it is filled."""
CONNECTIONS = 64
LONGEST_RUN = 1_800
MOST_GROWTH, MOST_GROWTH_LOCKED = 50, 20
SLOWEST_ANSWER, SLOWEST_SIGN, AGAIN_AFTER = 15, 1, 15
"""Seconds: a post while the database is locked, /healthz meanwhile, the first post taken in after the lock."""
PAUSE = 0.1
"""Seconds after which a connection that was refused posts again."""


@dataclass
class Sampled:
    """Resident memory of a process, and how long /healthz took, once a second."""

    process: psutil.Process
    url: str
    megabytes: list[float] = field(default_factory=list)
    signs: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def sampling(self) -> AsyncIterator[None]:
        """Sample inside the block."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        async with client(self.url) as http:
            while True:
                self.megabytes.append(self.process.memory_info().rss / MEGABYTE)
                since = time.perf_counter()
                (await http.get("/healthz")).raise_for_status()
                self.signs.append(time.perf_counter() - since)
                await asyncio.sleep(1)

    def figures(self, what: str, most: float) -> Iterator[Figure]:
        """Growth and responsiveness over what was going on."""
        first, top, last = self.megabytes[0], max(self.megabytes), self.megabytes[-1]
        note = f"{first:.0f} MB at first, {top:.0f} at most, {last:.0f} at last"
        rounds = len(self.megabytes)
        yield Figure(
            name=f"{what}: growth", value=top - first, unit="MB", at_most=most, rounds=rounds, note=note
        )
        yield Figure(
            name=f"{what}: slowest /healthz",
            value=max(self.signs),
            unit="s",
            at_most=SLOWEST_SIGN,
            rounds=rounds,
        )


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="100,000 conversations and a minute's lock")
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    conversations = CONVERSATIONS if given.full else SHORT_CONVERSATIONS
    seconds = LOCK_SECONDS if given.full else SHORT_LOCK_SECONDS
    figures = [figure for kind in given.databases for figure in _of(kind, conversations, seconds)]
    setting = f"{conversations:,} posts analysed by a fake Grok, then a lock of {seconds} s"
    return finish(Result(program="memory", setting=setting, figures=tuple(figures)))


def _of(kind: str, conversations: int, seconds: float) -> Iterator[Figure]:
    with (
        TemporaryDirectory(prefix="memory-") as name,
        fresh(kind, Path(name)) as url,
        fake_grok(LATENCY) as grok,
        service(Path(name), grok, DATABASE_URL=address(url), OUTBOUND_RPS=OUTBOUND_RPS) as process,
    ):
        for figure in asyncio.run(_measured(process, url, conversations, seconds)):
            yield figure.model_copy(update={"name": f"{kind}, {figure.name}"})


async def _measured(process: Process, database: URL, conversations: int, seconds: float) -> list[Figure]:
    server = psutil.Process(process.process.pid)
    await _analysed(process.url, _posts("warm", WARM_UP))
    healthy, refusing = Sampled(server, process.url), Sampled(server, process.url)
    async with healthy.sampling():
        await _analysed(process.url, _posts("parcel", conversations))
    sys.stderr.write(f"{conversations:,} conversations are analysed; now the lock\n")
    async with refusing.sampling():
        answered = await _posted_at_a_lock(process.url, database, seconds)
        await _analysed(process.url, ())
    return [
        *healthy.figures(f"{conversations:,} conversations", MOST_GROWTH),
        *refusing.figures(f"lock of {seconds:g} s", MOST_GROWTH_LOCKED),
        *answered,
    ]


def _posts(what: str, number: int) -> list[Json]:
    return [{"text": f"My {what} {at} is three days late and nobody answers"} for at in range(number)]


async def _analysed(url: str, items: Sequence[Json]) -> None:
    """Post them, and wait until nothing is queued."""
    answers = await post_rapidly(url, items, CONNECTIONS)
    if (taken := sum(answer.status == ACCEPTED for answer in answers)) < len(items):
        raise SystemExit(f"of {len(items)} posts {taken} were taken in")
    async with client(url) as http:
        await eventually(lambda: _is_empty(http), LONGEST_RUN)


async def _is_empty(http: httpx.AsyncClient) -> bool:
    return bool((await http.get("/health")).json()["queue_size"] == 0)


async def _posted_at_a_lock(url: str, database: URL, seconds: float) -> list[Figure]:
    """Post over many connections while somebody else holds the database, and on until posts are taken in."""
    answers: list[Answer] = []
    enough = asyncio.Event()
    async with locked(database):
        since = time.monotonic()
        posting = asyncio.create_task(post_rapidly(url, _until(enough), CONNECTIONS, answers, pause=PAUSE))
        await asyncio.sleep(seconds)
        until = time.monotonic()
    with suppress(AssertionError):
        await eventually(lambda: _taken_in(answers, until), AGAIN_AFTER)
    enough.set()
    await posting
    sys.stderr.write(f"{len(answers):,} answers in {time.monotonic() - since:.0f} s\n")
    return [*_of_answers(answers, until)]


def _until(enough: asyncio.Event) -> Iterator[Json]:
    for number in count():
        if enough.is_set():
            return
        yield {"text": f"My refused parcel {number} is three days late and nobody answers"}


def _taken_in(answers: Sequence[Answer], since: float) -> list[float]:
    return [answer.at - since for answer in answers if answer.status == ACCEPTED and answer.at > since]


def _of_answers(answers: Sequence[Answer], until: float) -> Iterator[Figure]:
    during = [answer for answer in answers if answer.at < until]
    found = Counter(f"{answer.status} {answer.body.get('error', '')}".strip() for answer in during)
    as_promised = sum(
        answer.body.get("error") == "database_unavailable" and "retry-after" in answer.headers
        for answer in during
    )
    again = min(_taken_in(answers, until), default=inf)
    slowest = max(answer.took for answer in answers)
    yield Figure(
        name="share of posts that were told to come again",
        value=as_promised / len(during),
        at_least=1,
        rounds=len(during),
        note=str(dict(found)),
    )
    yield Figure(name="slowest post", value=slowest, unit="s", at_most=SLOWEST_ANSWER, rounds=len(answers))
    yield Figure(name="first post taken in after the lock", value=again, unit="s", at_most=AGAIN_AFTER)


if __name__ == "__main__":
    raise SystemExit(main())
