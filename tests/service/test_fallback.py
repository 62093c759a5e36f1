"""Gemini behind Grok: it answers while Grok's circuit is open, says so, shares the budget, and hands back."""

import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from llm.canary import CANARY
from tests.fake_grok.server import KEY
from tests.support.service import Grok, Service, faked, running
from tests.support.summary_service import a_chat, summary_of

LATE = "My parcel is three days late and nobody answers"
FLASH = "gemini-3.5-flash-lite"


@pytest.fixture
def gemini() -> Iterator[Grok]:
    with faked() as fake:
        yield fake


def with_both(database: URL, grok: Grok, gemini: Grok, **given: Any) -> AbstractAsyncContextManager[Service]:
    second = {"gemini_api_key": KEY, "gemini_base_url": gemini.url}
    return running(database, grok, **second, **given)


def several(count: int, said: str = LATE) -> list[str]:
    return [f"{said} ({number})" for number in range(count)]


async def models_of(service: Service, ids: list[str]) -> set[tuple[str, str]]:
    views = await service.all_ended(ids)
    assert {view["status"] for view in views} == {"completed"}
    return {(view["insight"]["analyzer"], view["insight"]["model"]) for view in views}


async def answering(service: Service) -> str:
    return str((await service.get("/health"))["analyzer"])


async def until_answered_by(service: Service, name: str, seconds: float = 60) -> None:
    async def does() -> bool:
        return await answering(service) == name

    await eventually(does, seconds)


@pytest.mark.parametrize("status", [500, 401])
async def test_gemini_answers_while_grok_does_not_and_hands_back(
    database_url: URL, grok: Grok, gemini: Grok, status: int
) -> None:
    grok.misbehave("status", status=status)
    async with with_both(database_url, grok, gemini, error_threshold=2, max_batch=5) as service:
        during = await service.post_all(several(40))
        assert await models_of(service, during) == {("gemini", FLASH)}
        health = await service.get("/health")
        assert (health["status"], health["circuit"] == "closed") == ("ok", False)

        asked = [call for call in grok.calls if list(call.texts) != [CANARY]]
        grok.faults.clear()
        await until_answered_by(service, "grok")
        after = await service.post_all(several(5, "It broke on the first day"))
        assert await models_of(service, after) == {("grok", "grok-4.3")}

    # Those that were under way when the circuit opened, and not one more: two wait for their slot at most.
    assert len(asked) <= 2 + 3
    assert not gemini.violations


async def test_while_grok_answers_gemini_is_not_asked(database_url: URL, grok: Grok, gemini: Grok) -> None:
    async with with_both(database_url, grok, gemini) as service:
        ids = await service.post_all(several(20))
        assert await models_of(service, ids) == {("grok", "grok-4.3")}

    assert not gemini.calls


async def test_a_pause_that_grok_asks_for_is_waited_out(database_url: URL, grok: Grok, gemini: Grok) -> None:
    grok.misbehave("status", status=429, headers={"retry-after": "2"}, calls=1)
    async with with_both(database_url, grok, gemini) as service:
        ids = await service.post_all(several(5))
        assert await models_of(service, ids) == {("grok", "grok-4.3")}

    assert not gemini.calls


async def test_where_neither_answers_nothing_fails_and_whoever_is_back_first_goes_on(
    database_url: URL, grok: Grok, gemini: Grok
) -> None:
    for each in (grok, gemini):
        each.misbehave("status", status=503)
    async with with_both(database_url, grok, gemini, error_threshold=2) as service:
        ids = await service.post_all(several(20))
        await eventually(lambda: sum(list(call.texts) == [CANARY] for call in gemini.calls) >= 2)
        assert (await service.get("/health"))["status"] == "degraded"
        gemini.faults.clear()
        assert await models_of(service, ids) == {("gemini", FLASH)}


async def test_both_spend_of_one_budget(database_url: URL, grok: Grok, gemini: Grok) -> None:
    async with with_both(database_url, grok, gemini, error_threshold=1, daily_budget_usd=5) as service:
        await models_of(service, await service.post_all(several(10)))
        grok.misbehave("status", status=401)
        await service.post_all(several(10, "It broke on the first day"))
        await until_answered_by(service, "gemini")
        await eventually(lambda: gemini.billed_ticks > 0)

        async def settled() -> bool:
            (day,) = await service.rows("SELECT spent, reserved FROM spending")
            return bool(day.reserved == 0 and day.spent == grok.billed_ticks + gemini.billed_ticks)

        await eventually(settled)


async def test_in_an_outage_gemini_summarises_within_the_cooldown_and_grok_takes_over_again(
    database_url: URL, grok: Grok, gemini: Grok
) -> None:
    cooldown = 15.0  # a busy machine took 8.2 s to summarise
    async with with_both(database_url, grok, gemini, error_threshold=2, cooldown_seconds=cooldown) as service:
        await a_chat(service, "before")
        before = await summary_of(service, "before")
        grok.misbehave("status", status=500)
        texts = await service.post_all(several(20))
        await a_chat(service, "during")
        since = time.monotonic()
        during = await summary_of(service, "during")
        took = time.monotonic() - since
        assert await models_of(service, texts) == {("gemini", FLASH)}
        cost = next(call.billed_ticks for call in gemini.calls if call.kind == "summary")
        booked = "SELECT provider FROM grok_calls WHERE cost_ticks = :cost ORDER BY number"
        calls = await service.rows(booked, cost=cost)
        grok.faults.clear()
        await until_answered_by(service, "grok", 4 * cooldown)
        await a_chat(service, "after")
        after = await summary_of(service, "after")

    assert (before["analyzer"], after["analyzer"], after["model"]) == ("grok", "grok", "grok-4.3")
    assert (during["analyzer"], during["model"]) == ("gemini", FLASH)
    assert took < cooldown
    assert [row.provider for row in calls] == ["grok", "gemini"]  # the same chat twice, and so the same cost
    assert not gemini.violations
