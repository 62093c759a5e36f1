"""From offline to Grok by one call, with real threads: `python -m benchmarks.switching [--databases sqlite]`.

A file of tweets is imported and analysed offline; the set of 1,312 threads is not shipped. Then the service is started
with a key and a fake Grok, asked what the switch costs, and told to do it by one POST to `/api/v1/reanalysis`.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from sqlalchemy.engine import URL

from benchmarks.processes import fake_grok, service
from benchmarks.results import ROOT, Figure, Result, finish
from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import Json, address, client
from benchmarks.support.waiting import eventually

FILE = ROOT.parent / "shared" / "data" / "twcs_5000.csv"
LATENCY = 1.0
PATH = "/api/v1/reanalysis"
BODY: Json = {"filter": {"analyzer": "offline"}}
PATIENCE = 1_200


def main() -> int:
    """Switch, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.switching", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--file", type=Path, default=FILE, help="(default: %(default)s)")
    given = parser.parse_args()
    if not given.file.exists():
        parser.error(f"{given.file} is not there")
    figures = [figure for kind in given.databases for figure in _figures(kind, given.file)]
    setting = f"{given.file.name}, a Grok that takes {LATENCY:g} s, the default settings"
    with TemporaryDirectory() as kept:  # it is in no table of the manual
        return finish(Result(program="switching", setting=setting, figures=tuple(figures)), Path(kept))


def _figures(kind: str, file: Path) -> Iterator[Figure]:
    with TemporaryDirectory(prefix="switching-") as name, fresh(kind, Path(name)) as url:
        offline = asyncio.run(_imported(Path(name), url, file))
        before, after, job, seconds, grok = asyncio.run(_switched(Path(name), url))
    billed = grok["billed_ticks"] / 10**10
    yield Figure(name=f"{kind}: conversations analysed offline", value=offline)
    yield Figure(name=f"{kind}: switched by one call", value=job["changed"])
    left = after.get("offline", 0)
    yield Figure(name=f"{kind}: offline insights that still count", value=left, at_most=0)
    yield Figure(
        name=f"{kind}: insights of Grok", value=after.get("grok", 0), at_least=offline, at_most=offline
    )
    often = grok["most_often_sent"]
    yield Figure(name=f"{kind}: how often a text was sent at most", value=often, at_most=1)
    yield Figure(name=f"{kind}: calls", value=grok["calls"], note=f"{before['calls']} were foretold")
    note = f"${before['usd']:.4f} were foretold, without the discount for cached prompts"
    yield Figure(name=f"{kind}: dollars", value=billed, at_most=before["usd"], note=note)
    yield Figure(name=f"{kind}: time", value=seconds, unit="s", note=f"{before['seconds']} s were foretold")


async def _imported(folder: Path, url: URL, file: Path) -> int:
    with service(folder, None, DATABASE_URL=address(url)) as process:
        command = [
            sys.executable,
            str(ROOT / "ingest_data.py"),
            "--file",
            str(file),
            "--api-url",
            process.url,
        ]
        # It exits with 1 for rows that it rejects, of which the set has some.
        await asyncio.to_thread(subprocess.run, command, cwd=folder, check=False, stdout=subprocess.DEVNULL)
        await asyncio.to_thread(process.drained, PATIENCE)
        async with client(process.url) as http:
            return (await _makers(http)).get("offline", 0)


async def _switched(folder: Path, url: URL) -> tuple[Json, dict[str, int], Json, float, Json]:
    with fake_grok(LATENCY) as grok, service(folder, grok, DATABASE_URL=address(url)) as process:
        async with client(process.url) as http:
            price = (await http.post(PATH, json={**BODY, "dry_run": True})).raise_for_status().json()
            since = time.perf_counter()
            id_ = (await http.post(PATH, json=BODY)).raise_for_status().json()["id"]

            async def ended() -> Json | None:
                found: Json = (await http.get(f"{PATH}/{id_}")).raise_for_status().json()
                return found if found["job"]["ended_at"] else None

            job: Json = await eventually(ended, PATIENCE)
            seconds = time.perf_counter() - since
            stats = (await http.get(f"{grok}/__stats")).json()
            return price, await _makers(http), job, seconds, stats


async def _makers(http: httpx.AsyncClient) -> dict[str, int]:
    """The insights that count, by analyzer."""
    window = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}
    answer = await http.get("/api/v1/facets", params={"field": "analyzer", **window})
    return {each["value"]: each["count"] for each in answer.raise_for_status().json()["values"]}


if __name__ == "__main__":
    raise SystemExit(main())
