"""Whether the engine keeps the outbound cap and uses it: a deep queue, a slow Grok, each a process of its own.

    python -m benchmarks.engine_check [--conversations 3000] [--latency 2] [--database-url URL]

Prints what the fake Grok saw and how long a post took meanwhile; 1 where something is not as it has to be.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx

from tests.fake_grok import KEY
from tests.service import POSTS, ROOT, Process

RATE = 10
LEAST_SHARE = 0.95
LONGEST_RUN = 600
AT_ONCE = 500
EVERY_SECONDS = 0.05


class Seen(NamedTuple):
    """What the fake had been sent by then."""

    at: float
    calls: int
    texts: int


def main() -> int:
    """Run the check and print its figures; 0 where all of them are as they have to be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine_check", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--conversations", type=int, default=3_000)
    parser.add_argument("--latency", type=float, default=2, help="seconds that every call takes")
    parser.add_argument("--batch", type=int, default=50, help="MAX_BATCH")
    parser.add_argument("--database-url", help="default: an SQLite file of its own")
    given = parser.parse_args()
    with (
        TemporaryDirectory(prefix="engine-") as name,
        fake_grok(given.latency) as grok,
        Process(
            Path(name),
            DATABASE_URL=given.database_url or f"sqlite:///{name}/insights.db",
            GROK_API_KEY=KEY,
            GROK_BASE_URL=f"{grok}/v1",
            MAX_BATCH=given.batch,
            OUTBOUND_RPS=RATE,
            INBOUND_RPS=0,
        ) as service,
        httpx.Client(trust_env=False, timeout=30) as http,
    ):
        ids = _post(http, service.url, given.conversations)
        seen, posts = _watch(http, service.url, grok, len(ids))
        ids += [id_ for id_, _ in posts]
        statuses = _statuses(http, service.url, ids)
        stats = http.get(f"{grok}/__stats").json()
    return _report(seen, [seconds for _, seconds in posts], statuses, stats, given.batch)


@contextmanager
def fake_grok(latency: float) -> Iterator[str]:
    """The address of a fake Grok, a process of its own; every call takes `latency` seconds."""
    command = [sys.executable, "-m", "tests.fake_grok", "--latency", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own
        assert process.stdout is not None  # noqa: S101  for the type checker
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        process.terminate()


def _post(http: httpx.Client, url: str, count: int) -> list[str]:
    texts = [{"text": f"Order {number} is three days late and nobody answers"} for number in range(count)]
    ids: list[str] = []
    for first in range(0, count, AT_ONCE):
        ids += http.post(f"{url}{POSTS}/bulk", json=texts[first : first + AT_ONCE]).json()["conversation_ids"]
    return ids


def _watch(http: httpx.Client, url: str, grok: str, texts: int) -> tuple[list[Seen], list[tuple[str, float]]]:
    """Look at the fake, and post one conversation, every few moments until all texts are answered."""
    seen: list[Seen] = []
    posts: list[tuple[str, float]] = []
    deadline = time.monotonic() + LONGEST_RUN
    while time.monotonic() < deadline:
        stats = http.get(f"{grok}/__stats").json()
        seen.append(Seen(time.monotonic(), stats["calls"], stats["texts_sent"]))
        if len(seen) % 5 == 0:
            if stats["texts_sent"] >= texts and http.get(f"{url}/health").json()["queue_size"] == 0:
                break
            posts += _probe(http, url, len(posts))
        time.sleep(EVERY_SECONDS)
    return seen, posts


def _probe(http: httpx.Client, url: str, number: int) -> list[tuple[str, float]]:
    """One post, too short to be asked about: its id, and the seconds that it took."""
    since = time.perf_counter()
    response = http.post(f"{url}{POSTS}", json={"text": f"hello {number}"})
    return [(response.json()["conversation_id"], time.perf_counter() - since)]


def _statuses(http: httpx.Client, url: str, ids: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for first in range(0, len(ids), AT_ONCE):
        answer = http.post(f"{url}{POSTS}/status", json={"ids": ids[first : first + AT_ONCE]}).json()
        for each in answer["conversations"]:
            counts[each["status"]] = counts.get(each["status"], 0) + 1
    return counts


def _report(
    seen: Sequence[Seen], posts: Sequence[float], statuses: dict[str, int], stats: dict[str, Any], batch: int
) -> int:
    # Deep is the queue as long as a full batch is left: the last call may carry what there is.
    deep = [each for each in seen if each.calls > 0 and each.texts <= stats["texts_sent"] - batch]
    seconds = deep[-1].at - deep[0].at
    share = (deep[-1].calls - deep[0].calls) / (RATE * seconds)
    percentiles = quantiles(posts, n=100)
    checks = {
        f"calls in the busiest second: {stats['busiest_second']} of {RATE}": stats["busiest_second"] <= RATE,
        f"share of the cap while the queue was deep ({seconds:.1f} s): {share:.3f}": share >= LEAST_SHARE,
        f"statuses: {statuses}": statuses.keys() <= {"completed", "skipped"},
        f"texts: {stats['texts']}, sent at most {stats['most_often_sent']} times": stats["most_often_sent"]
        == 1,
        f"violations: {len(stats['violations'])}": not stats["violations"],
    }
    for line, held in checks.items():
        _say(f"{'ok  ' if held else 'FAIL'}  {line}")
    _say(f"      calls: {stats['calls']}, texts a call: {stats['texts_sent'] / stats['calls']:.1f}")
    _say(f"      first call to empty queue: {seen[-1].at - deep[0].at:.1f} s")
    _say(f"      a post meanwhile: p50 {median(posts) * 1000:.1f} ms, p99 {percentiles[98] * 1000:.1f} ms")
    return 0 if all(checks.values()) else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
