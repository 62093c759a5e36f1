"""How fast the importer sends, beside the service's own rate of bulk intake, and how much memory it takes.

    python -m benchmarks.importing [--full] [--rounds 3] [--tweets 100000] [--beside]

The same tweets each time: made up, written as the Kaggle set is, put together to conversations of two turns and more.
The service's own rate is that of posts which are ready before the clock starts, 500 conversations each, on four
connections. The importer is a process of its own; it is on the clock from the first conversation in the database to
the last, because before the first it reads the file to its end. Analysis is paused.

One is measured after the other, or, with `--beside`, both in the same seconds, each with a service of its own: for a
machine that does other work as well, which then slows both.
"""

import argparse
import asyncio
import csv
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import islice, takewhile
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event
from typing import NamedTuple

import httpx
import psutil

from benchmarks.baselines import PATH
from benchmarks.processes import cpu_seconds, service
from benchmarks.results import ROOT, Figure, Result, finish
from benchmarks.support.process import Process
from client.importers.conversations import Conversation
from client.importers.rows import opened
from client.importers.threads import Threads

AT_ONCE = 500
CONNECTIONS = 4
COLUMNS = (
    "tweet_id",
    "author_id",
    "inbound",
    "created_at",
    "text",
    "response_tweet_id",
    "in_response_to_tweet_id",
)
TURNS = (2, 2, 3, 2, 4)
"""Tweets of one conversation and the next; the Kaggle set has 2.8 million in 1.3 million replies."""
WORDS = (
    *("my", "order", "has", "not", "come", "yet", "and", "nobody", "answers", "the", "phone"),
    *("can", "you", "tell", "me", "where", "it", "is", "please", "thanks"),
)
TWEETS, MANY_TWEETS = 100_000, 2_800_000
LEAST_SHARE, MOST_MEMORY = 0.9, 300
MEGABYTE = 1_000_000
LOOK_SECONDS = 0.05


Begin = Callable[[], Callable[[], bool]]


class Sent(NamedTuple):
    """What an import came to: conversations a second, the importer's CPU microseconds for each, and its memory."""

    per_second: float
    cpu_us: float
    megabytes: float


class Taken(NamedTuple):
    """What the service takes of ready posts: conversations a second, and its CPU microseconds for each."""

    per_second: float
    cpu_us: float


def tweets(count: int) -> Iterator[Sequence[object]]:
    """Rows of the Kaggle set: some 100 characters each, every tweet a reply to the one before it in its thread."""
    at, thread = 1, 0
    while at <= count:
        last = min(at + TURNS[thread % len(TURNS)] - 1, count)
        for number in range(at, last + 1):
            said = " ".join(WORDS[(number * 7 + n * (1 + number % 5)) % len(WORDS)] for n in range(18))
            inbound = (number - at) % 2 == 0
            yield (
                number, f"c{thread % 50_000}" if inbound else "AcmeHelp", inbound,
                f"Tue Oct 31 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02} +0000 2017",
                f"@AcmeHelp {said} {number}", number + 1 if number < last else "", number - 1 if number > at else "",
            )  # fmt: skip
        at, thread = last + 1, thread + 1


def write_tweets(path: Path, count: int) -> None:
    """A file of so many tweets; 2.8 million are 450 MB."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(COLUMNS)
        csv.writer(file).writerows(tweets(count))


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.importing", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="2.8 million tweets, once")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--tweets", type=int)
    parser.add_argument("--beside", action="store_true", help="both at once, for a busy machine")
    given = parser.parse_args()
    count = given.tweets or (MANY_TWEETS if given.full else TWEETS)
    own: list[Taken] = []
    sent: list[Sent] = []
    with TemporaryDirectory(prefix="importing-") as name:
        file = Path(name) / "tweets.csv"
        write_tweets(file, count)
        bodies = [*islice(_bodies(file), None if given.beside else TWEETS // AT_ONCE)]
        for _ in range(given.rounds or (1 if given.full else 3)):
            taken, imported = _both(file, bodies) if given.beside else (_own(bodies), _imported(file))
            own.append(taken)
            sent.append(imported)
            sys.stderr.write(f"{own[-1]}, {sent[-1]}\n")
    setting = f"{count:,} tweets, {AT_ONCE} conversations a request, {CONNECTIONS} connections, SQLite, analysis paused"
    return finish(Result(program="importing", setting=setting, figures=tuple(_figures(own, sent))))


def _bodies(file: Path) -> Iterator[bytes]:
    """The posts that the importer makes of the file."""
    with opened(file, "utf-8") as rows, closing(Threads()) as threads:
        for row in rows:
            threads.take(row)
        records = (each.body for each in threads.conversations() if isinstance(each, Conversation))
        while some := [*islice(records, AT_ONCE)]:
            yield b"[" + b",".join(some) + b"]"


def _own(bodies: Sequence[bytes]) -> Taken:
    with TemporaryDirectory(prefix="own-") as name, _idle(Path(name)) as process:
        since, cpu = time.perf_counter(), cpu_seconds(process)
        asyncio.run(_post(process.url, iter(bodies)))
        took, count = time.perf_counter() - since, _stored(Path(name))
        return Taken(count / took, (cpu_seconds(process) - cpu) / count * 1_000_000)


async def _post(url: str, bodies: Iterator[bytes]) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:

        async def post_all() -> None:
            for body in bodies:
                answer = await http.post(
                    f"{PATH}/bulk", content=body, headers={"content-type": "application/json"}
                )
                answer.raise_for_status()

        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(post_all())


def _both(file: Path, bodies: Sequence[bytes]) -> tuple[Taken, Sent]:
    """The service's own rate from the importer's first conversation on, until either has sent all."""
    over = Event()
    with (
        TemporaryDirectory(prefix="own-") as name,
        _idle(Path(name)) as process,
        ThreadPoolExecutor(1) as pool,
    ):

        def post() -> tuple[float, float]:
            asyncio.run(_post(process.url, takewhile(lambda _: not over.is_set(), bodies)))
            return time.perf_counter(), cpu_seconds(process)

        begun: list[tuple[Future[tuple[float, float]], float, float]] = []

        def begin() -> Callable[[], bool]:
            begun.append((pool.submit(post), time.perf_counter(), cpu_seconds(process)))
            return begun[0][0].done

        try:
            sent = _imported(file, begin)
        finally:
            over.set()
        ((posting, since, cpu_before),) = begun
        until, cpu = posting.result()
        count = _stored(Path(name))
        return Taken(count / (until - since), (cpu - cpu_before) / count * 1_000_000), sent


def _imported(file: Path, begin: Begin = lambda: _never) -> Sent:
    """`begin` is called once the first conversation is stored; what is sent counts until what it gives is true."""
    with TemporaryDirectory(prefix="importer-") as name, _idle(Path(name)) as process:
        command = [sys.executable, str(ROOT / "ingest_data.py")]
        options = ["--file", str(file), "--api-url", process.url]
        with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL) as importer:  # noqa: S603  our own
            return _watched(psutil.Process(importer.pid), importer, Path(name), begin)


def _never() -> bool:
    return False


def _watched(seen: psutil.Process, importer: "subprocess.Popen[bytes]", folder: Path, begin: Begin) -> Sent:
    """Look at the database and at the importer until it ends. Raises RuntimeError where it fails."""
    begun = ended = most = cpu_before = cpu = 0.0
    first = last = 0
    is_over = _never
    while importer.poll() is None:
        time.sleep(LOOK_SECONDS)
        stored, at = _stored(folder), time.perf_counter()
        with suppress(psutil.Error):
            most = max(most, seen.memory_info().rss)
            cpu = cpu if is_over() else sum(seen.cpu_times()[:2])
        if stored and not first:
            first, begun, cpu_before = stored, at, cpu
            is_over = begin()
        if stored > last and not is_over():
            last, ended = stored, at
    if importer.returncode:
        raise RuntimeError(f"the importer ended with {importer.returncode}")
    sent = max(last - first, 1)
    return Sent(sent / (ended - begun), (cpu - cpu_before) / sent * 1_000_000, most / MEGABYTE)


def _stored(folder: Path) -> int:
    """How many conversations are in the database."""
    with closing(sqlite3.connect(f"file:{folder}/insights.db?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT max(number) FROM conversations").fetchone()[0] or 0


@contextmanager
def _idle(folder: Path) -> Iterator[Process]:
    # A key, so that nothing is analysed while it is paused; it is never used.
    with service(folder, "http://127.0.0.1:9", MAX_QUEUE_DEPTH=10_000_000) as process:
        httpx.post(f"{process.url}/api/v1/analysis/pause", trust_env=False).raise_for_status()
        yield process


def _figures(own: Sequence[Taken], sent: Sequence[Sent]) -> Iterator[Figure]:
    count = len(own)
    share = median(each.per_second / rate.per_second for each, rate in zip(sent, own, strict=True))
    yield Figure(name="importer over the service's own rate", value=share, at_least=LEAST_SHARE, rounds=count)
    yield Figure(
        name="importer: conversations",
        value=median(each.per_second for each in sent),
        unit="/s",
        rounds=count,
    )
    yield Figure(
        name="own rate: conversations", value=median(each.per_second for each in own), unit="/s", rounds=count
    )
    cpu = median(each.cpu_us for each in own)
    yield Figure(name="service: CPU a conversation", value=cpu, unit="µs", rounds=count)
    cpu = median(each.cpu_us for each in sent)
    yield Figure(name="importer: CPU a conversation", value=cpu, unit="µs", rounds=count)
    most = max(each.megabytes for each in sent)
    yield Figure(name="importer: memory", value=most, unit="MB", at_most=MOST_MEMORY, rounds=count)


if __name__ == "__main__":
    raise SystemExit(main())
