"""A process that is killed while topics are merged: the next one goes on, and readers see the old counts or the new."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

import database
from benchmarks.support.process import POSTS, Json, Process, address, client
from benchmarks.support.waiting import eventually
from tests.support.insight_data import A_DAY, AN_HOUR, NOON, an_analysis, an_insight, store
from tests.support.rows import assert_rolled_up
from tests.support.service import let_leases_end, rows

MANY = 6_000
KILLS = 3
WINDOW = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}
TOPICS = (("delay",), ("refund",), ("delay", "refund"))


async def fill(url: URL) -> None:
    """A third of the conversations has one topic, a third the other, a third both."""
    made = [
        an_insight(
            number,
            NOON - number % 50 * A_DAY - number % 24 * AN_HOUR,
            an_analysis(number % 20_001 - 10_000, number % 101, TOPICS[number % 3]),
        )
        for number in range(1, MANY + 1)
    ]
    async with database.opened(url) as db:
        for first in range(0, MANY, 500):
            some = made[first : first + 500]
            await db.write(lambda connection, some=some: store(connection, some))  # type: ignore[misc]
    if url.get_backend_name() == "postgresql":
        # It counts on from the numbers that it has given itself.
        await rows(url, f"SELECT setval('conversations_number_seq', {MANY})")


async def job_of(http: httpx.AsyncClient) -> Json:
    jobs: Json = (await http.get("/api/v1/jobs", params={"kind": "merge_topics"})).json()
    return dict(jobs["jobs"][0])


async def total(http: httpx.AsyncClient, cluster: str) -> int:
    answer = await http.get("/api/v1/insights", params={**WINDOW, "cluster": cluster, "limit": 1})
    return int(answer.json()["metadata"]["total_count"])


async def assert_counts(url: URL) -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(assert_rolled_up)
    await engine.dispose()


async def test_a_merge_goes_on_after_its_process_was_killed(database_url: URL, tmp_path: Path) -> None:
    await fill(database_url)
    environ: dict[str, Any] = {
        "DATABASE_URL": address(database_url),
        "GROK_MODE": "offline",
        "INBOUND_RPS": 0,
    }
    with Process(tmp_path, **environ) as process:
        async with client(process.url) as http:
            merge = {"from": ["refund"], "into": "delay"}
            assert (await http.post("/api/v1/topics/merge", json=merge)).status_code == 202
            for kill in range(KILLS):
                await eventually(partial(_has_come, http, kill * MANY // 8), 60)
                process.end(signal.SIGKILL)
                await assert_counts(database_url)
                # As if a minute had passed, after which another process on PostgreSQL takes it over.
                await rows(database_url, "UPDATE jobs SET run_at = 0 WHERE run_at IS NOT NULL")
                await let_leases_end(database_url)
                process.start()
                texts = [{"text": f"I want a refund, my parcel {at} is late"} for at in range(50)]
                assert (await http.post(f"{POSTS}/bulk", json=texts)).status_code == 202

            async def is_over() -> bool:
                return bool((await job_of(http))["status"] == "completed")

            await eventually(is_over, 60)
            assert process.drained(60)
            assert await total(http, "refund") == await total(http, "delay") >= MANY
    await assert_counts(database_url)


async def _has_come(http: httpx.AsyncClient, far: int) -> bool:
    """Whether the job has counted more than so many; until it is over, nobody sees the new counts."""
    found, job = await total(http, "delay"), await job_of(http)
    assert job["status"] in ("queued", "running"), job
    assert found < MANY
    return bool(job["done"] > far)
