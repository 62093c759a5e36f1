"""Models that think: Gemini's thoughts count against the output cap, and are paid."""

import json

import pytest
from sqlalchemy.engine import URL

from tests.fake_grok.server import KEY
from tests.support.service import Grok, running
from tests.support.summary_service import a_chat, summary_of

TEXT = "My parcel is three days late and nobody answers"
TICKS = 10**10


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-3.6-flash", "gemini-4-argon"])
async def test_a_thinking_gemini_completes_what_it_is_asked(
    database_url: URL, grok: Grok, model: str
) -> None:
    async with running(database_url, grok, grok_model=model, daily_budget_usd=5) as service:
        (view,) = await service.all_ended([await service.post(TEXT)])
        await summary_of(service, await a_chat(service))
        spent = (await service.get("/api/v1/spending"))["total"]
        booked = await service.rows("SELECT cost_ticks, reserved_ticks, reasoning_tokens FROM grok_calls")

    assert view["status"] == "completed"
    assert {json.loads(received.body)["reasoning_effort"] for received in grok.recent} == {"low"}
    assert grok.violations == []
    assert all(row[0] <= row[1] and row[2] == 700 for row in booked)
    assert spent["usd"] == pytest.approx(sum(row[0] for row in booked) / TICKS, abs=1e-6)


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
