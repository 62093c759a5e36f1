"""Processes that share a PostgreSQL database: some take requests, others analyse, and each says which it is."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Json
from benchmarks.support.waiting import eventually
from tests.support.service import Grok, Service, running

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

LATE = "My parcel is three days late and nobody answers"
NO_WORKER = "no worker process is alive: what is accepted waits in the queue"


@pytest.fixture
async def api(database_url: URL, grok: Grok) -> AsyncIterator[Service]:
    async with running(database_url, grok, role="api") as made:
        yield made


async def health_with(service: Service, **wanted: Any) -> Json:
    """What it says of itself once it says this."""

    async def said() -> Json | None:
        health: Json = (await service.http.get("/health")).json()
        return health if wanted.items() <= health.items() else None

    found: Json = await eventually(said)
    return found


async def test_an_api_process_takes_requests_and_leaves_the_analysis_to_workers(
    api: Service, database_url: URL, grok: Grok
) -> None:
    id_ = await api.post(LATE)
    alone = await health_with(api, status="degraded", queue_size=1)
    view = await api.one(id_)
    async with running(database_url, grok, role="worker") as worker:
        busy = await health_with(api, status="ok", workers_alive=1)
        ended = await api.ended(id_)
        own = await worker.get("/health")
        elsewhere = [await worker.http.get(path) for path in ("/docs", "/", f"{POSTS}/{id_}")]
        refused = await worker.http.post(POSTS, json={"text": LATE})
        measured = await worker.metrics()
    without = await health_with(api, workers_alive=0)

    assert (alone["role"], alone["reasons"]) == ("api", [NO_WORKER])
    assert (alone["worker_running"], alone["workers_alive"], view["status"]) == (False, 0, "queued")
    assert (busy["worker_running"], busy["analyzer"], busy["circuit"]) == (True, "grok", "closed")
    assert ended["status"] == "completed"
    assert (own["role"], own["workers_alive"], own["status"]) == ("worker", 1, "ok")
    assert {answer.status_code for answer in [*elsewhere, refused]} == {404}
    assert told(refused).startswith("not_found: This process has ROLE=worker: it serves /healthz,")
    assert measured['grok_calls_total{outcome="ok"}'] == 1
    assert without["reasons"] == [NO_WORKER]
    assert (await api.metrics())['service_condition{condition="no_worker"}'] == 1


def told(answer: httpx.Response) -> str:
    body = answer.json()
    return f"{body['error']}: {body['details']}"


async def test_an_api_process_says_what_keeps_every_worker_from_its_work(
    api: Service, database_url: URL, grok: Grok
) -> None:
    grok.misbehave("status", status=401)
    async with running(database_url, grok, role="worker", cooldown_seconds=60):
        await api.post(LATE)
        refused = await health_with(api, status="degraded", circuit="open")

    assert "GROK_API_KEY was refused" in refused["reasons"][0]
