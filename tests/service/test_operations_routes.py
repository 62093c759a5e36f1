"""Health, metrics, request ids and logs of the running service, on both databases."""

import json
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from core.version import VERSION
from tests.support.service import Grok, Service, rows, running

LATE = "My parcel is three days late and nobody answers"

# SPEC's names, with the labels that each has.
METRICS = {
    "grok_calls_total": {"outcome"},
    "grok_call_latency_seconds_count": set(),
    "analysis_cache_hits_total": set(),
    "prefilter_skips_total": {"reason"},
    "estimated_tokens_total": {"kind"},
    "estimated_cost_usd_total": set(),
    "processing_queue_depth": set(),
    "oldest_queued_age_seconds": set(),
    "calls_in_flight": set(),
    "batch_size": set(),
    "circuit_state": set(),
    "http_request_duration_seconds_count": {"method", "route", "status"},
    "storage_used_bytes": set(),
    "storage_limit_bytes": set(),
    "budget_spent_usd": set(),
    "budget_reserved_usd": set(),
    "budget_limit_usd": set(),
    "analysis_paused": set(),
    "database_up": set(),
    "open_sockets": set(),
    "service_condition": {"condition"},
    "insights_platform_info": {"version"},
    "process_resident_memory_bytes": set(),
    "process_open_fds": set(),
    "rate_limited_total": set(),
    "insights_total": {"sentiment"},
    "conversations_failed_total": {"reason"},
    "db_commit_seconds_count": set(),
}


@pytest.fixture
async def service(database_url: URL, grok: Grok) -> AsyncIterator[Service]:
    async with running(database_url, grok, max_retries=0, start_batch=3, max_batch=4) as made:
        yield made


async def one_of_each(service: Service, grok: Grok) -> None:
    """A completed conversation, its cached twin, a skipped one and a failed one."""
    grok.misbehave("missing", marker="LOST")
    for said in (LATE, LATE, "ok then", "LOST is what this answer will be"):
        await service.ended(await service.post(said))


async def test_a_fresh_service_is_well(service: Service) -> None:
    health = await service.get("/health")

    assert health.pop("started_at")
    one_process = service.database.get_backend_name() == "sqlite"
    assert health.pop("notifications") in ((None,) if one_process else ("heard", "unheard"))
    assert health == {
        "status": "ok",
        "reasons": [],
        "queue_size": 0,
        "summary_queue_size": 0,
        "webhooks_pending": 0,
        "webhooks_oldest_seconds": 0.0,
        "webhooks_disabled": 0,
        "batch_lane": {
            "is_open": True,
            "reason": None,
            "tried_again_at": None,
            "waiting": 0,
            "batches": 0,
            "requests": 0,
            "answered": 0,
            "ends_at": None,
        },
        "offer": None,
        "role": "all",
        "worker_running": True,
        "workers_alive": 1,
        "worker_restarts": 0,
        "worker_last_death": None,
        "db_ok": True,
        "analyzer": "grok",
        "model": "grok-4.3",
        "circuit": "closed",
        "oldest_queued_seconds": 0.0,
        "drain_seconds": 0.0,
        "resumes_at": None,
        "version": VERSION,
    }
    assert await service.get("/healthz") == {"status": "ok"}


async def test_health_counts_what_is_queued_and_what_is_in_progress(service: Service, grok: Grok) -> None:
    grok.latency = 8  # so long that a busy machine has looked at everything before the first answer
    await service.post_all(f"{LATE} {number}" for number in range(40))
    await eventually(lambda: grok.calls)
    statuses = await service.rows("SELECT DISTINCT status FROM conversations")

    health = await eventually(lambda: with_queue(service, 40))
    health = await eventually(lambda: aged(service))

    assert {row[0] for row in statuses} == {"processing", "queued"}
    assert health["queue_size"] == 40
    assert health["status"] == "ok"
    metrics = await service.metrics()
    assert metrics["processing_queue_depth"] == 40
    assert metrics["oldest_queued_age_seconds"] > 0
    assert metrics["calls_in_flight"] > 0


async def aged(service: Service) -> dict[str, float] | None:
    health = await service.get("/health")
    return health if health["oldest_queued_seconds"] > 0 else None


async def with_queue(service: Service, size: int) -> dict[str, float] | None:
    health = await service.get("/health")
    return health if health["queue_size"] == size else None


async def test_health_tells_why_analysis_cannot_go_on_and_when_it_can(service: Service, grok: Grok) -> None:
    grok.misbehave("status", status=401)
    id_ = await service.post(LATE)

    async def degraded() -> dict[str, str] | None:
        health = await service.get("/health")
        return health if health["status"] == "degraded" else None

    health = await eventually(degraded)
    metrics = await service.metrics()
    waiting = await service.one(id_)
    grok.faults.clear()

    (reason,) = health["reasons"]
    assert reason.startswith("GROK_API_KEY was refused: HTTP 401")
    assert health["circuit"] in ("open", "half_open")
    assert metrics["circuit_state"] in (1, 2)
    assert waiting["status"] in ("queued", "processing")
    assert (await service.ended(id_))["status"] == "completed"
    after = await service.get("/health")
    assert (after["status"], after["reasons"], after["circuit"]) == ("ok", [], "closed")


async def test_every_metric_of_the_contract_is_there_under_its_name(service: Service, grok: Grok) -> None:
    await one_of_each(service, grok)

    response = await service.http.get("/metrics")
    samples = await service.metrics()

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    labels = {name.partition("{")[0]: set(named(name)) for name in samples}
    assert {name: labels.get(name) for name in METRICS} == METRICS


def named(sample: str) -> list[str]:
    """The labels of a sample's name."""
    _, _, inside = sample.rstrip("}").partition("{")
    return [pair.partition("=")[0] for pair in inside.split(",") if pair]


async def test_metrics_count_what_happened(service: Service, grok: Grok) -> None:
    await one_of_each(service, grok)

    metrics = await service.metrics()

    assert metrics['grok_calls_total{outcome="ok"}'] == len(grok.calls) == 2
    assert metrics["grok_call_latency_seconds_count"] == 2
    assert metrics['insights_total{sentiment="negative"}'] == 2
    assert metrics["analysis_cache_hits_total"] == 1
    assert metrics['prefilter_skips_total{reason="too_short"}'] == 1
    assert metrics['conversations_failed_total{reason="invalid_row"}'] == 1
    assert metrics['estimated_tokens_total{kind="prompt"}'] == grok.tokens["prompt_tokens"]
    assert metrics['estimated_tokens_total{kind="completion"}'] == grok.tokens["completion_tokens"]
    assert metrics["calls_in_flight"] == 0
    # It started with 3, and the full success of the first call took it to the most there may be.
    assert metrics["batch_size"] == 4
    assert metrics["circuit_state"] == 0
    assert metrics["db_commit_seconds_count"] > 0
    template = f"{POSTS}/{{conversation_id}}"
    assert (
        metrics[f'http_request_duration_seconds_count{{method="GET",route="{template}",status="200"}}'] == 4
    )


async def test_a_request_id_goes_through(service: Service) -> None:
    given = await service.http.get("/healthz", headers={"X-Request-ID": "mine-7"})
    made = [await service.http.post(POSTS, json={}), await service.http.get("/nowhere")]

    assert given.headers["x-request-id"] == "mine-7"
    assert len({response.headers["x-request-id"] for response in made}) == 2


async def test_logs_are_json_lines_without_texts_and_keys(service: Service, grok: Grok) -> None:
    grok.misbehave("plain_text", text=f"upstream repeats {LATE}", calls=1)
    grok.misbehave("content", text=f"{LATE} is no JSON", calls=1)

    await service.ended(await service.post(LATE, author="swordfish", raw_data={"swordfish": "swordfish"}))
    grok.key = "another-key"
    await service.post("The invoice is wrong, says swordfish")

    async def denied() -> bool:
        return bool((await service.get("/health"))["reasons"])

    await eventually(denied)
    lines = str(service.logged).splitlines()
    assert {"started"} <= {json.loads(line)["event"] for line in lines}
    for secret in ("late and nobody", "swordfish", "test-key"):
        assert not [line for line in lines if secret in line]


async def test_without_a_key_the_service_says_that_it_is_offline(database_url: URL) -> None:
    async with running(database_url) as service:
        view = await service.ended(await service.post(LATE))
        skippable = await service.ended(await service.post("ok then"))
        health = await service.get("/health")

        assert (view["status"], view["insight"]["analyzer"]) == ("completed", "offline")
        assert view["insight"]["sentiment"] == "negative"
        # Skipping saves calls, and offline there are none.
        assert skippable["status"] == "completed"
        assert (health["status"], health["analyzer"], health["circuit"]) == ("ok", "offline", None)
        events = [line["event"] for line in service.logged.events()]
        assert events.count("offline_analyzer") == 1
        assert await service.rows("SELECT * FROM grok_calls") == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_database_that_is_gone_is_a_503_until_it_is_back(database_url: URL, grok: Grok) -> None:
    server, name = database_url.set(database="postgres"), database_url.database
    async with running(database_url, grok) as service:
        first = await service.post(LATE)
        await service.ended(first)

        await rows(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await rows(
            server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n", n=name
        )
        await rows(server, f"ALTER DATABASE {name} RENAME TO {name}_gone")
        health = await eventually(lambda: unavailable(service))
        post = await service.http.post(POSTS, json={"text": LATE})
        read = await service.http.get(f"{POSTS}/{first}")
        await rows(server, f"ALTER DATABASE {name}_gone RENAME TO {name}")
        await rows(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        assert (health["status"], health["db_ok"]) == ("unavailable", False)
        for response in (post, read):
            assert (response.status_code, response.json()["error"]) == (503, "database_unavailable")
        assert (await service.get("/healthz")) == {"status": "ok"}

        async def back() -> bool:
            return bool((await service.http.get("/health")).json()["status"] == "ok")

        await eventually(back)
        again = await service.post("And now it is broken as well, terrible")
        assert (await service.ended(again))["status"] == "completed"


async def unavailable(service: Service) -> dict[str, object] | None:
    response = await service.http.get("/health")
    return response.json() if response.status_code == 503 else None
