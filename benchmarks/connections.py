"""Ten thousand connections post at once: checks that all are answered and all accepted posts are stored.

    python -m benchmarks.connections [--full] [--databases sqlite postgresql]

Opens the connections and lets all of them post in the same moment, round after round; then all of them connect and
post at once. A fake Grok answers meanwhile.
"""

import argparse
import asyncio
import json
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import httpx
import psutil
import uvloop

from benchmarks.processes import fake_grok, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import POSTS, Json, Process, address

MEGABYTE = 1_000_000
MOST_MEMORY = 600
CONNECTIONS, FEW_CONNECTIONS = 10_000, 2_000
ROUNDS = 3
LATENCY = 2
LONGEST_WAIT = 120
"""Seconds after which a post counts as one that hangs."""
SPARE_FILES = 200
AT_ONCE = 500
SAMPLE_SECONDS = 0.05
STORED, COME_AGAIN = 202, 503


@dataclass
class Round:
    """The results of the posts of one round."""

    name: str
    answers: list[tuple[int, bool, Json]] = field(default_factory=list)
    """Status, whether it says when to come again, body."""
    seconds: list[float] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)

    @property
    def ids(self) -> list[str]:
        """Of the conversations that were accepted."""
        return [body["conversation_id"] for status, _, body in self.answers if status == STORED]

    def figures(self) -> Iterator[Figure]:
        """How many were answered as promised, and how soon."""
        found = Counter(f"{status} {body.get('error', '')}".strip() for status, _, body in self.answers)
        promised = sum(
            status == STORED or (status == COME_AGAIN and later) for status, later, _ in self.answers
        )
        yield Figure(
            name=f"{self.name}: share answered 202, or 503 with Retry-After",
            value=promised / len(self.seconds),
            at_least=1,
            rounds=len(self.seconds),
            note=str(dict(found + self.unanswered)),
        )
        cuts = quantiles(self.seconds, n=100)
        yield Figure(name=f"{self.name}: median", value=cuts[49], unit="s", rounds=len(self.seconds))
        yield Figure(name=f"{self.name}: p99", value=cuts[98], unit="s", rounds=len(self.seconds))


class Connection:
    """One connection that posts one conversation at a time."""

    def __init__(self, number: int, host: str, port: int) -> None:
        self._number = number
        self._where = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        """Connect."""
        self._streams = await asyncio.open_connection(*self._where)

    async def post(self, round_: Round) -> None:
        """Connect if necessary, post, and record the answer."""
        since = time.monotonic()
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                if self._streams is None:
                    await self.open()
                round_.answers.append(await self._exchange(round_.name))
        except (OSError, asyncio.IncompleteReadError) as error:
            round_.unanswered[type(error).__name__] += 1
        round_.seconds.append(time.monotonic() - since)

    async def _exchange(self, what: str) -> tuple[int, bool, Json]:
        assert self._streams is not None  # noqa: S101  for the type checker
        reader, writer = self._streams
        body = json.dumps({"text": f"{what}: parcel {self._number} is three days late, nobody answers"})
        head = f"POST {POSTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        answered = json.loads(await reader.readexactly(int(headers["content-length"])))
        return int(first.split()[1]), "retry-after" in headers, answered

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.connections", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="10,000 connections, not 2,000")
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    connections = CONNECTIONS if given.full else FEW_CONNECTIONS
    _allow_open_files(connections + SPARE_FILES)
    figures = [figure for kind in given.databases for figure in _of(kind, connections)]
    setting = f"{connections:,} connections, rate limits off, a fake Grok that takes {LATENCY} s a call"
    return finish(Result(program="connections", setting=setting, figures=tuple(figures)))


def _of(kind: str, connections: int) -> Iterator[Figure]:
    with (
        TemporaryDirectory(prefix="connections-") as name,
        fresh(kind, Path(name)) as url,
        fake_grok(LATENCY) as grok,
        service(Path(name), grok, DATABASE_URL=address(url)) as process,
    ):
        for figure in uvloop.run(_measured(process, connections)):
            yield figure.model_copy(update={"name": f"{kind}, {figure.name}"})


def _allow_open_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(f"{needed} open files are needed and {hard} allowed: ulimit -Hn {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))


async def _measured(process: Process, count: int) -> list[Figure]:
    where = urlsplit(process.url)
    connections = [Connection(at, str(where.hostname), int(where.port or 0)) for at in range(count)]
    memory: list[float] = []
    sampling = asyncio.create_task(_sample(psutil.Process(process.process.pid), memory))
    for connection in connections:
        await connection.open()
    done = [await _round(f"all post at once, round {at}", connections) for at in range(1, ROUNDS + 1)]
    for connection in connections:
        connection.close()
    done.append(await _round("all connect and post at once", connections))
    sampling.cancel()
    ids = [id_ for each in done for id_ in each.ids]
    stored = await asyncio.to_thread(_stored, process.url, ids)
    share = stored / len({*ids}) if ids else 0
    return [
        *(figure for each in done for figure in each.figures()),
        Figure(name="share of the accepted that is stored", value=share, at_least=1, rounds=len(ids)),
        Figure(name="most memory", value=max(memory), unit="MB", at_most=MOST_MEMORY, rounds=len(memory)),
    ]


async def _round(name: str, connections: Sequence[Connection]) -> Round:
    round_ = Round(name)
    await asyncio.gather(*(connection.post(round_) for connection in connections))
    return round_


async def _sample(process: psutil.Process, megabytes: list[float]) -> None:
    while True:
        megabytes.append(process.memory_info().rss / MEGABYTE)
        await asyncio.sleep(SAMPLE_SECONDS)


def _stored(url: str, ids: Sequence[str]) -> int:
    """Count the stored ones among these conversations."""
    found = 0
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        for first in range(0, len(ids), AT_ONCE):
            asked = {"ids": ids[first : first + AT_ONCE]}
            found += len(http.post(f"{POSTS}/status", json=asked).raise_for_status().json()["conversations"])
    return found


if __name__ == "__main__":
    raise SystemExit(main())
