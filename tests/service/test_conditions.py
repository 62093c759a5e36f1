"""What an operator reads when something goes wrong: a line when it begins, one when it ends, and why."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Json
from benchmarks.support.waiting import eventually
from tests.fake_grok.server import KEY
from tests.support.service import Grok, Service, rows, running

LATE = "My parcel is three days late and nobody answers"
BEGAN, ENDED = "began", "ended"


@pytest.fixture
async def service(database_url: URL, grok: Grok) -> AsyncIterator[Service]:
    async with running(database_url, grok, error_threshold=2, max_retries=0) as made:
        yield made


def lines(service: Service, name: str, state: str | None = None) -> list[Json]:
    return [
        line
        for line in service.logged.events()
        if line["event"] == name and (state is None or line.get("state") == state)
    ]


async def one(service: Service, name: str, state: str) -> Json:
    """The only line that says that this began, or ended."""
    found = await eventually(lambda: lines(service, name, state))
    assert len(found) == 1
    line: Json = found[0]
    return line


async def begins_and_ends(
    service: Service, grok: Grok, name: str, fault: Mapping[str, Any], says: str
) -> None:
    """Bring a fault about, let it go, and check its two lines against `/health` and `/metrics`."""
    kind = str(fault["kind"])
    grok.misbehave(kind, **{key: value for key, value in fault.items() if key != "kind"})
    id_ = await service.post(LATE)
    began = await one(service, name, BEGAN)
    health, metrics = await service.get("/health"), await service.metrics()
    grok.faults.clear()

    assert began["level"] == "warning"
    assert says in began["reason"]
    assert health["status"] == "degraded"
    assert any(says in reason for reason in health["reasons"])
    assert metrics[f'service_condition{{condition="{name}"}}'] == 1
    assert (await service.ended(id_))["status"] == "completed"
    ended = await one(service, name, ENDED)
    assert ended["reason"]
    assert ended["seconds"] > 0
    assert (await service.get("/health"))["reasons"] == []
    assert (await service.metrics())[f'service_condition{{condition="{name}"}}'] == 0
    for secret in ("three days late", "test-key"):
        assert secret not in str(service.logged)


@pytest.mark.parametrize(
    ("name", "fault", "says"),
    [
        ("key_refused", {"kind": "status", "status": 401}, "GROK_API_KEY was refused: HTTP 401"),
        ("credits_used_up", {"kind": "status", "status": 402}, "credit or a spending limit is used up"),
        ("model_refused", {"kind": "status", "status": 404}, "GROK_MODEL was refused: HTTP 404"),
        ("circuit_open", {"kind": "status", "status": 503}, "calls to grok fail"),
    ],
)
async def test_a_refusal_or_an_outage_is_two_lines(
    service: Service, grok: Grok, name: str, fault: dict[str, Any], says: str
) -> None:
    await begins_and_ends(service, grok, name, fault, says)


async def test_a_pause_that_the_provider_asks_for_is_two_lines(service: Service, grok: Grok) -> None:
    fault = {"kind": "status", "status": 429, "headers": {"Retry-After": "3"}, "calls": 1}
    await begins_and_ends(service, grok, "rate_limited", fault, "rate limited by the provider, until ")


async def test_a_pause_by_an_operator_carries_the_id_of_its_request(service: Service) -> None:
    for switch, state in (("pause", BEGAN), ("resume", ENDED)):
        headers = {"X-Request-ID": f"mine-{switch}"}
        response = await service.http.post(f"/api/v1/analysis/{switch}", headers=headers)
        (line,) = lines(service, "analysis_paused", state)
        metrics = await service.metrics()

        assert response.status_code == 200
        assert line["request_id"] == f"mine-{switch}"
        assert metrics["analysis_paused"] == (switch == "pause")


async def test_a_line_that_no_request_caused_carries_no_id(service: Service, grok: Grok) -> None:
    grok.misbehave("status", status=401)
    await service.post(LATE)

    async def told() -> list[Json]:
        await service.http.get("/health", headers={"X-Request-ID": "a probe"})
        return lines(service, "key_refused", BEGAN)

    (line,) = await eventually(told)
    assert "request_id" not in line


async def test_a_refusal_of_a_few_milliseconds_is_two_lines_each_time(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, cooldown_seconds=0.01) as service:
        for number in range(1, 6):
            grok.misbehave("status", status=401, calls=1)
            await service.ended(await service.post(f"{LATE} {number}"))
            for state in (BEGAN, ENDED):
                assert len(lines(service, "key_refused", state)) == number


REFUSED = "Argument not supported on this model: reasoningEffort"


async def test_a_parameter_that_the_model_refuses_is_quoted_where_it_begins(
    service: Service, grok: Grok
) -> None:
    body = {"code": "Client specified an invalid argument", "error": REFUSED}
    fault = {"kind": "status", "status": 400, "text": json.dumps(body)}
    await begins_and_ends(service, grok, "circuit_open", fault, REFUSED)


async def test_a_schema_that_the_server_refuses_is_a_line_with_its_sentence_and_no_text(
    service: Service, grok: Grok
) -> None:
    said = f"response_format json_schema is not supported here: '{LATE[:25]}', key test-key-12345"
    grok.misbehave("no_json_schema", text=said)
    ended = await service.all_ended(await service.post_all(f"{LATE} {number}" for number in range(40)))
    found = lines(service, "schema_refused")

    assert {each["status"] for each in ended} == {"completed"}
    assert [line["provider"] for line in found] == ["grok"]
    assert (
        "HTTP 400: Client specified an invalid argument response_format json_schema is" in found[0]["reason"]
    )
    for private in ("parcel", "days", "late", KEY):
        assert private not in str(service.logged)


async def test_a_failed_conversation_is_a_line_that_says_why(service: Service, grok: Grok) -> None:
    grok.misbehave("missing", marker="LOST")
    id_ = await service.post("LOST is what this answer will be")
    view = await service.ended(id_)
    (line,) = await eventually(lambda: lines(service, "conversation_failed"))

    assert view["status"] == "failed"
    assert (line["conversation"], line["reason"], line["error"]) == (id_, "invalid_row", view["error"])
    assert "LOST" not in str(service.logged)


@pytest.mark.parametrize("door", [POSTS, "/chats"])
async def test_a_deletion_is_a_line_with_the_id_of_its_request(service: Service, door: str) -> None:
    id_ = await service.post(LATE)
    deleted = await service.http.delete(f"{door}/{id_}", headers={"X-Request-ID": "mine-7"})
    again = await service.http.delete(f"{door}/{id_}")
    (line,) = lines(service, "conversation_deleted")

    assert (deleted.status_code, again.status_code) == (204, 404)
    assert (line["conversation"], line["request_id"]) == (id_, "mine-7")


async def test_a_spent_budget_is_the_same_story_everywhere(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, daily_budget_usd=0.02) as service:
        await service.post_all(f"{LATE} {number}" for number in range(100))
        # As long as some calls end, what they turn out not to cost may pay for another one.
        health, estimate = await eventually(lambda: spent_for_good(service))
        began, metrics = lines(service, "budget_spent", BEGAN)[-1], await service.metrics()

        (reason,) = health["reasons"]
        assert health["resumes_at"] == estimate["resumes_at"]
        assert health["resumes_at"].endswith("T00:00:00.000000Z")
        assert reason == began["reason"]
        assert reason.endswith(f"analysis resumes at {health['resumes_at']}")
        await eventually(lambda: same_times(service))
        assert metrics["budget_limit_usd"] == 0.02
        assert metrics["budget_spent_usd"] + metrics["budget_reserved_usd"] <= 0.02


async def spent_for_good(service: Service) -> tuple[Json, Json] | None:
    """`/health` and the estimate, once the budget is spent, no call is under way, and none begins in between."""
    calls = (await service.metrics())["calls_in_flight"], len(await service.rows("SELECT 1 FROM grok_calls"))
    health, estimate = await service.get("/health"), await service.get("/api/v1/spending/estimate")
    after = (await service.metrics())["calls_in_flight"], len(await service.rows("SELECT 1 FROM grok_calls"))
    paused = health["resumes_at"] is not None and estimate["resumes_at"] is not None
    return (health, estimate) if paused and calls == after and not calls[0] else None


async def same_times(service: Service) -> bool:
    """Whether health, which is up to a second older, and the estimate say the same time."""
    estimate = await service.get("/api/v1/spending/estimate")
    health = await service.get("/health")
    if estimate["seconds"] is None or health["drain_seconds"] is None:
        return False
    return bool(estimate["seconds"] > 0 and abs(estimate["seconds"] - health["drain_seconds"]) < 60)


async def test_a_budget_that_covers_no_call_says_no_time(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, daily_budget_usd=0.001) as service:
        await service.post(LATE)
        await one(service, "budget_spent", BEGAN)
        health = await service.get("/health")
        estimate = await service.get("/api/v1/spending/estimate")

    assert (health["drain_seconds"], estimate["seconds"]) == (None, None)


async def test_while_an_operator_pauses_nobody_says_when_it_goes_on(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok) as service:
        await service.http.post("/api/v1/analysis/pause")
        await service.post(LATE)
        health, estimate = await service.get("/health"), await service.get("/api/v1/spending/estimate")

        assert (health["drain_seconds"], health["resumes_at"]) == (None, None)
        assert (estimate["seconds"], estimate["resumes_at"]) == (None, None)


async def test_full_storage_is_a_line(database_url: URL) -> None:
    async with running(database_url, max_storage_gb=0.000001) as service:
        began = await one(service, "storage_full", BEGAN)
        metrics = await service.metrics()

        assert began["reason"] == (await service.get("/health"))["reasons"][0]
        assert metrics["storage_used_bytes"] >= metrics["storage_limit_bytes"] == 1_000


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_database_that_goes_away_and_comes_back_is_two_lines(database_url: URL, grok: Grok) -> None:
    server, name = database_url.set(database="postgres"), database_url.database
    gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n"
    async with running(database_url, grok) as service:
        await rows(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await rows(server, gone, n=name)
        await rows(server, f"ALTER DATABASE {name} RENAME TO {name}_gone")
        began = await one(service, "database_unavailable", BEGAN)
        down = await service.metrics()
        await rows(server, f"ALTER DATABASE {name}_gone RENAME TO {name}")
        await rows(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        assert began["reason"].startswith("the database does not answer")
        assert down["database_up"] == 0
        ended = await one(service, "database_unavailable", ENDED)
        assert ended["seconds"] > 0
        assert (await service.metrics())["database_up"] == 1
