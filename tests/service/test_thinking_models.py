"""Models that think: Gemini's thoughts count against the output cap, and are paid."""

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pydantic import HttpUrl, SecretStr
from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from core.clock import now
from core.metrics import Metrics
from core.settings import Settings
from database import Database
from domain.topics import BUILT_IN
from llm.hold import Hold
from llm.provider import GatewayFactory, Provider, check_effort
from tests.fake_grok.server import KEY
from tests.support.service import QUICK, Grok, Service, running
from tests.support.summary_service import a_chat, summary_of

TEXT = "My parcel is three days late and nobody answers"
TICKS = 10**10


async def booked(service: Service) -> Sequence[Any] | None:
    """The calls once none is under way, if they are the bill."""
    calls: Sequence[Any] = await service.rows(
        "SELECT cost_ticks, reserved_ticks, reasoning_tokens FROM grok_calls"
    )
    spent = (await service.get("/api/v1/spending"))["total"]["usd"]
    if any(call[0] is None for call in calls) or abs(spent - sum(call[0] for call in calls) / TICKS) > 1e-6:
        return None
    return calls


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-3.6-flash", "gemini-4-argon"])
async def test_a_thinking_gemini_completes_what_it_is_asked(
    database_url: URL, grok: Grok, model: str
) -> None:
    async with running(database_url, grok, grok_model=model, daily_budget_usd=5) as service:
        (view,) = await service.all_ended([await service.post(TEXT)])
        await summary_of(service, await a_chat(service))
        calls = await eventually(lambda: booked(service))

    assert view["status"] == "completed"
    assert {json.loads(received.body)["reasoning_effort"] for received in grok.recent} == {"low"}
    assert grok.violations == []
    assert all(cost <= reserved and thoughts == 700 for cost, reserved, thoughts in calls)


async def test_a_fallback_that_thinks_completes_what_it_is_asked(database_url: URL, grok: Grok) -> None:
    gemini = {"gemini_api_key": KEY, "gemini_model": "gemini-3.8-flash", "gemini_base_url": grok.url}
    nobody = "http://127.0.0.1:9/v1"
    async with running(database_url, grok, **gemini, grok_base_url=nobody, error_threshold=1) as service:
        view = await service.ended(await service.post(TEXT))

    assert (view["status"], view["insight"]["model"]) == ("completed", "gemini-3.8-flash")


async def test_a_model_that_does_not_think_is_asked_as_before(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, grok_model="gemini-3.5-flash-lite") as service:
        await service.ended(await service.post(TEXT))

    asked = json.loads(grok.recent[-1].body)
    assert "reasoning_effort" not in asked
    assert asked["max_completion_tokens"] == 416


@pytest.mark.parametrize(
    ("model", "effort", "taken"),
    [
        ("grok-4.20-0309-reasoning", "low", "no reasoning effort: unset it"),
        ("grok-4.20-non-reasoning", "none", "no reasoning effort: unset it"),
        ("gemini-3.5-flash-lite", "low", "no reasoning effort: unset it"),
        ("grok-4.3-latest", "xhigh", "none, low, medium or high"),
        ("grok-4.7", "none", "low, medium, high or xhigh"),
        ("grok-4.5", "xhigh", "low, medium or high"),
        ("gemini-3.1-pro-preview", "medium", "low or high"),
    ],
)
def test_an_effort_that_the_model_refuses_is_an_error_at_start(model: str, effort: str, taken: str) -> None:
    refused = a_provider(model, effort)
    with pytest.raises(ValueError, match=f"^GROK_REASONING_EFFORT={effort}: {model} takes {taken}$"):
        check_effort(refused)


@pytest.mark.parametrize(
    ("model", "effort"),
    [("grok-4.3", "high"), ("grok-latest", "none"), ("grok-4.6-latest", "xhigh"), ("gpt-9", "xhigh")],
)
def test_an_effort_that_the_model_takes_or_may_take_is_none(model: str, effort: str) -> None:
    check_effort(a_provider(model, effort))


def a_provider(model: str, effort: str) -> Provider:
    return Provider("grok", HttpUrl("http://127.0.0.1:9/v1"), SecretStr(KEY), model, effort, None)


async def test_no_gateway_opens_with_an_effort_that_the_model_refuses(db: Database) -> None:
    with pytest.raises(ValueError, match="takes no reasoning effort"):
        await opened(db, grok_model="grok-4.20-0309-reasoning", grok_reasoning_effort="low")


async def opened(db: Database, **given: Any) -> None:
    """Open the gateway that these settings ask for, and close it."""
    settings = Settings(**QUICK, grok_api_key=SecretStr(KEY), **given)
    async with AsyncExitStack() as stack:
        await GatewayFactory(settings, db, Metrics(), Hold(now), now, BUILT_IN, stack).open()


async def test_what_the_provider_says_of_a_parameter_is_quoted(database_url: URL, grok: Grok) -> None:
    said = "Model grok-4.3 does not support parameter reasoningEffort."
    grok.misbehave("status", status=400, text=json.dumps({"code": "invalid-argument", "error": said}))
    async with running(database_url, grok, cooldown_seconds=60) as service:
        id_ = await service.post(TEXT)
        quoted = f"parameter: HTTP 400 Bad Request: invalid-argument {said}"
        await eventually(lambda: gives_reason(service, quoted))
        view = await service.one(id_)

    # Held for a moment while the canary is under way.
    assert view["status"] in ("queued", "processing")
    assert len(grok.calls) == 2  # the batch and the canary


async def gives_reason(service: Service, reason: str) -> bool:
    """Whether /health gives this reason."""
    return any(reason in each for each in (await service.get("/health")).get("reasons", []))
