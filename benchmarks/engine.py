"""How much of the outbound cap the engine uses with a deep queue, beside a loop that waits for each call.

    python -m benchmarks.engine [--full] [--queued 5000] [--latency 0.2 2 8] [--database-url URL]

The queue is filled while analysis is paused, then it goes on: what is measured begins there. Deep is the queue while
ten full batches are due. What is allowed meanwhile is what a perfect schedule makes: one call every 1/OUTBOUND_RPS
seconds, none while MAX_IN_FLIGHT are under way. The fake Grok counts, by the arrival of each call's headers.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.baselines import PATH
from benchmarks.driver import text_of
from benchmarks.processes import cpu_seconds, fake_grok, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support.process import Process
from core.settings import Settings
from domain.topics import BUILT_IN
from llm.analysis_answers import parse_rows
from llm.prompts import request_body, system_message
from tests.fake_grok.server import KEY

LATENCIES = (0.2, 2.0, 8.0)
RATE, BATCH, IN_FLIGHT = 10, 50, 64
DEEP = 10 * BATCH
LEAST_SHARE = 0.97
AT_ONCE = 500
LOOK_EVERY = 0.2
LONGEST_RUN = 300.0
NAIVE_SECONDS = 4.0
"""How long the loop goes on asking; the call that is under way then is waited for."""


@dataclass(frozen=True)
class Drained:
    """What emptying a queue took, and what Grok saw of it."""

    latency: float
    queued: int
    seconds: float
    """From the first call's arrival until nothing was left."""
    cpu: float
    """Seconds of the service's CPU in that time."""
    completed: int
    stats: dict[str, Any]
    deadlocks: int = 0
    """Transactions that PostgreSQL ended because they waited for each other."""

    @property
    def deep(self) -> list[float]:
        """When those calls arrived that left while the queue was deep; monotonic seconds."""
        left, arrived = self.queued, []
        for at, carried in zip(self.stats["arrivals"], self.stats["carried"], strict=True):
            if left < DEEP:
                break
            arrived.append(at)
            left -= carried
        return arrived


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="20,000 queued, not 5,000")
    parser.add_argument("--queued", type=int)
    parser.add_argument("--latency", type=float, nargs="+", default=LATENCIES, help="seconds of a call")
    parser.add_argument("--database-url", help="of an empty database; default: an SQLite file of its own")
    given = parser.parse_args()
    queued = given.queued or (20_000 if given.full else 5_000)
    if queued < 2 * DEEP:
        parser.error(f"--queued: a queue is deep with {DEEP}, {2 * DEEP:,} are the least to see it drained")
    figures = [
        figure
        for latency in given.latency
        for figure in _figures(drained(latency, queued, given.database_url), naive(latency))
    ]
    setting = (
        f"{queued:,} queued, {RATE} calls/s, batches of {BATCH}, at most {IN_FLIGHT} in flight; the loop sends "
        f"batches of {BATCH} too, one call after the other, reads the answers and stores nothing"
    )
    return finish(Result(program="engine", setting=setting, figures=tuple(figures)))


# --- the engine ---------------------------------------------------------------------------------------------


def drained(latency: float, queued: int, database_url: str | None = None, **environ: str) -> Drained:
    """Fill the queue of a service of its own, and see it drained by a Grok that takes so many seconds a call.

    `environ` are further settings of the service.
    """
    elsewhere = {} if database_url is None else {"DATABASE_URL": database_url}
    limits = {"OUTBOUND_RPS": RATE, "MAX_BATCH": BATCH, "START_BATCH": BATCH, "MAX_IN_FLIGHT": IN_FLIGHT}
    with (
        TemporaryDirectory(prefix="engine-") as folder,
        fake_grok(latency) as grok,
        service(Path(folder), grok, **limits, **elsewhere, **environ) as process,
        httpx.Client(trust_env=False, timeout=60) as http,
    ):
        ask(http, "POST", f"{process.url}/api/v1/analysis/pause")
        ids = fill(http, process, queued)
        before = cpu_seconds(process)
        ask(http, "POST", f"{process.url}/api/v1/analysis/resume")
        ended = watched(http, process, grok, queued)
        cpu = cpu_seconds(process) - before
        stats = ask(http, "GET", f"{grok}/__stats?arrivals=1")
        done = completed(http, process, ids)
    return Drained(latency, queued, ended - stats["arrivals"][0], cpu, done, stats)


def ask(http: httpx.Client, method: str, url: str, body: object = None) -> Any:
    """The JSON that a request is answered with. Raises httpx.HTTPError."""
    return http.request(method, url, json=body).raise_for_status().json()


def fill(http: httpx.Client, process: Process, queued: int) -> list[str]:
    """Post so many conversations; their ids."""
    ids: list[str] = []
    for first in range(0, queued, AT_ONCE):
        items = [{"text": text_of(number)} for number in range(first, min(first + AT_ONCE, queued))]
        ids += ask(http, "POST", f"{process.url}{PATH}/bulk", items)["conversation_ids"]
    return ids


def watched(http: httpx.Client, process: Process, grok: str, queued: int) -> float:
    """When nothing was left; the service is not asked before Grok has seen all, for that would cost it CPU."""
    deadline = time.monotonic() + LONGEST_RUN
    while ask(http, "GET", f"{grok}/__stats")["texts"] < queued and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
    if not process.drained(LONGEST_RUN):
        raise TimeoutError(f"not drained: {process.errors}")
    return time.monotonic()


def completed(http: httpx.Client, process: Process, ids: Sequence[str]) -> int:
    """How many of these conversations have an insight."""
    url = f"{process.url}{PATH}/status"
    asked = (ids[first : first + AT_ONCE] for first in range(0, len(ids), AT_ONCE))
    found = (each for these in asked for each in ask(http, "POST", url, {"ids": these})["conversations"])
    return sum(each["status"] == "completed" for each in found)


def ideal(calls: int, latency: float) -> float:
    """Seconds from the first to the last of so many calls, if each leaves as soon as the limits allow."""
    due: list[float] = []
    for number in range(calls):
        paced = due[-1] + 1 / RATE if due else 0.0
        free = due[number - IN_FLIGHT] + latency if number >= IN_FLIGHT else 0.0
        due.append(max(paced, free))
    return due[-1]


# --- the loop -----------------------------------------------------------------------------------------------


def naive(latency: float) -> float:
    """Conversations a second of a loop that waits for each call."""
    asked = 0
    with fake_grok(latency) as grok, httpx.Client(trust_env=False, timeout=60) as http:
        since = time.monotonic()
        while time.monotonic() < since + NAIVE_SECONDS:
            asked += _asked(http, grok, asked)
        return asked / (time.monotonic() - since)


def _asked(http: httpx.Client, grok: str, first: int) -> int:
    system, model = system_message(BUILT_IN), Settings.model_construct().grok_model
    texts = [text_of(number) for number in range(first, first + BATCH)]
    body = request_body(texts, system=system, model=model, effort="none", strict=True)
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    answer = http.post(f"{grok}/v1/chat/completions", content=body, headers=headers).raise_for_status().json()
    rows, _ = parse_rows(answer["choices"][0]["message"]["content"], BATCH)
    return len(rows)


# --- figures ------------------------------------------------------------------------------------------------


def _figures(run: Drained, loop: float) -> Iterator[Figure]:
    deep, stats = run.deep, run.stats
    seconds, calls = deep[-1] - deep[0], len(deep)
    sys.stderr.write(f"{run.latency:g} s a call: {calls} calls in {seconds:.2f} s of a deep queue\n")
    at = f"{run.latency:g} s a call"
    yield Figure(
        name=f"{at}: calls made over calls allowed",
        value=ideal(calls, run.latency) / seconds,
        at_least=LEAST_SHARE,
        rounds=calls,
        note=f"{(calls - 1) / seconds:.2f} calls/s for {seconds:.1f} s",
    )
    yield Figure(name=f"{at}: calls in the busiest second", value=stats["busiest_second"], at_most=RATE)
    yield Figure(name=f"{at}: conversations a call", value=stats["texts_sent"] / stats["calls"])
    speed = run.queued / run.seconds
    note = "from the first call until nothing is left"
    yield Figure(name=f"{at}: conversations", value=speed, unit="/s", note=note)
    yield Figure(name=f"{at}: conversations of the loop", value=loop, unit="/s")
    yield Figure(name=f"{at}: times as fast as the loop", value=speed / loop)
    cost = run.cpu / run.queued * 1_000
    yield Figure(name=f"{at}: CPU of the service, 1,000 conversations", value=cost, unit="s")
    left = run.queued - run.completed
    yield Figure(name=f"{at}: not completed", value=left, at_most=0)
    again = stats["texts_sent"] - stats["texts"] + len(stats["violations"])
    yield Figure(name=f"{at}: texts sent twice, requests at fault", value=again, at_most=0)


if __name__ == "__main__":
    raise SystemExit(main())
