"""What fresh conversations lose to a re-analysis: `python -m benchmarks.reanalysis [--databases sqlite postgresql]`.

One service with conversations that were analysed offline, and a fake Grok. Fresh conversations come one by one, each of
them asked for until it has its insight, in turns with the re-analysis paused and running: a busy machine slows down
both alike.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import mean, quantiles
from tempfile import TemporaryDirectory

import httpx
from sqlalchemy.engine import URL

from benchmarks.processes import fake_grok, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import POSTS, address, client

LATENCY = 1.0
SHORT, FULL = (6_000, 6), (20_000, 20)
"""Conversations that are analysed again at most, and turns of each kind."""
A_TURN, GAP = 8, 0.25
"""Fresh conversations of a turn, and seconds between two of them."""
SETTLED = 2.0
"""Seconds after a change: calls that were under way have ended."""
AT_ONCE = 500
MOST = 1.2
SAID = "My parcel is two weeks late and nobody answers."
PACE = {"OUTBOUND_RPS": 10, "MAX_BATCH": 10, "START_BATCH": 10}


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reanalysis", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--full", action="store_true", help="more conversations and more turns")
    given = parser.parse_args()
    stored, turns = FULL if given.full else SHORT
    figures = [figure for kind in given.databases for figure in _figures(kind, stored, turns)]
    setting = (
        f"{stored:,} conversations, a Grok that takes {LATENCY:g} s, {PACE['OUTBOUND_RPS']} calls a second"
    )
    return finish(Result(program="reanalysis", setting=setting, figures=tuple(figures)))


def _figures(kind: str, stored: int, turns: int) -> Iterator[Figure]:
    sys.stderr.write(f"{kind}\n")
    with TemporaryDirectory(prefix="reanalysis-") as name, fresh(kind, Path(name)) as url:
        alone, beside, again = asyncio.run(_measured(Path(name), url, stored, turns))
    number, note = len(alone), f"{again:,} conversations were analysed again meanwhile"
    yield Figure(name=f"{kind}: time to insight, alone: mean", value=mean(alone), unit="s", rounds=number)
    yield Figure(name=f"{kind}: time to insight, beside: mean", value=mean(beside), unit="s", rounds=number)
    ratio = mean(beside) / mean(alone)
    yield Figure(name=f"{kind}: beside / alone, mean", value=ratio, at_most=MOST, rounds=number, note=note)
    tail = _p90(beside) / _p90(alone)
    yield Figure(name=f"{kind}: beside / alone, p90", value=tail, rounds=number)


def _p90(seconds: list[float]) -> float:
    return quantiles(seconds, n=10)[-1]


async def _measured(folder: Path, url: URL, stored: int, turns: int) -> tuple[list[float], list[float], int]:
    """The seconds of fresh conversations alone and beside a re-analysis, and how many that did meanwhile."""
    with service(folder, None, DATABASE_URL=address(url)) as process:
        async with client(process.url) as http:
            for first in range(0, stored, AT_ONCE):
                items = [{"text": f"{SAID} It is number {at}."} for at in range(first, first + AT_ONCE)]
                (await http.post(f"{POSTS}/bulk", json=items)).raise_for_status()
        process.drained(600)
    numbers = count()
    with fake_grok(LATENCY) as grok, service(folder, grok, DATABASE_URL=address(url), **PACE) as process:
        async with client(process.url) as http:
            begun = await http.post("/api/v1/reanalysis", json={"filter": {"analyzer": "offline"}})
            job = begun.raise_for_status().json()["id"]
            alone: list[float] = []
            beside: list[float] = []
            for turn in range(2 * turns):
                await _steer(http, job, "resume" if turn % 2 else "pause")
                (beside if turn % 2 else alone).extend(await _turn(http, numbers))
            done = (await http.get(f"/api/v1/reanalysis/{job}")).json()
    if done["job"]["ended_at"] is not None:
        sys.stderr.write("the re-analysis ended too early: there were too few conversations\n")
        return alone, [float("nan")] * 2, done["changed"]
    return alone, beside, done["changed"]


async def _steer(http: httpx.AsyncClient, job: str, how: str) -> None:
    await http.post(f"/api/v1/jobs/{job}/{how}")
    await asyncio.sleep(SETTLED)


async def _turn(http: httpx.AsyncClient, numbers: Iterator[int]) -> list[float]:
    waiting = []
    for _ in range(A_TURN):
        waiting.append(asyncio.create_task(_seconds(http, next(numbers))))
        await asyncio.sleep(GAP)
    return await asyncio.gather(*waiting)


async def _seconds(http: httpx.AsyncClient, number: int) -> float:
    """From the post of a conversation to its insight."""
    since = time.perf_counter()
    posted = await http.post(POSTS, json={"text": f"{SAID} This one is fresh, and has the number {number}."})
    id_ = posted.raise_for_status().json()["conversation_id"]
    found = (await http.get(f"{POSTS}/{id_}", params={"wait": 60})).raise_for_status().json()
    if found["status"] != "completed":
        raise RuntimeError(f"it is {found['status']}")
    return time.perf_counter() - since


if __name__ == "__main__":
    raise SystemExit(main())
