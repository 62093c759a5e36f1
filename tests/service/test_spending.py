"""Money as the operator sees it: the report, the estimate, the pause."""

from functools import partial
from itertools import pairwise
from math import ceil

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import Json
from benchmarks.support.waiting import eventually
from domain.analysis import Usage
from domain.topics import BUILT_IN
from llm.prices import cost_ticks
from llm.prompts import output_cap, request_body, system_message, worst_tokens
from tests.support.fake_time import Calendar
from tests.support.service import Grok, Service, running

LATE = "My parcel is three days late and nobody answers"
TICKS = 10**10
FIVE_CENTS = TICKS // 20


def several(count: int) -> list[str]:
    return [f"{LATE} ({number})" for number in range(count)]


def most_of_one() -> int:
    """Ticks that a call with the shortest of them may cost: where less is left of a day, none leaves."""
    body = request_body(
        several(1), system=system_message(BUILT_IN), model="grok-4.3", effort="none", strict=True
    )
    return cost_ticks("grok-4.3", Usage(worst_tokens(body), completion_tokens=output_cap(1)), day=20_000)


async def test_the_report_is_what_was_billed(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok) as service:
        ids = await service.post_all([*several(20), LATE, LATE, "thanks"])
        await service.all_ended(ids)
        report = await service.get("/api/v1/spending")

    (day,) = report["days"]
    assert day["usd"] == round(grok.billed_ticks / TICKS, 6)
    assert (day["calls"], day["analysed"], day["cached"], day["skipped"]) == (len(grok.calls), 21, 1, 1)
    assert day["prompt_tokens"] > day["completion_tokens"] > 0
    assert all(day["saved"][name] > 0 for name in ("cache_usd", "prefilter_usd", "packing_usd"))
    assert report["total"]["usd"] == day["usd"]
    assert report["budget"] == {"daily_usd": None, "left_today_usd": None}


async def test_a_budget_shows_what_is_left(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, daily_budget_usd=1) as service:
        await service.all_ended(await service.post_all(several(5)))
        budget = (await service.get("/api/v1/spending"))["budget"]

    assert budget == {"daily_usd": 1, "left_today_usd": round(1 - grok.billed_ticks / TICKS, 6)}


async def test_five_cents_a_day_hold_under_five_thousand_that_wait(database_url: URL, grok: Grok) -> None:
    calendar, billed = Calendar(), [0]
    async with running(database_url, grok, clock=calendar, daily_budget_usd=0.05) as service:
        await service.post_all(several(5_000))
        for day in (1, 2):
            await eventually(partial(is_spent, service, day), 60)
            billed.append(grok.billed_ticks)
            late = await service.post(f"Intake goes on though the day's budget is spent ({day})")
            assert (await service.one(late))["status"] == "queued"
            calendar.turn()
        accounting = await service.rows("SELECT spent FROM spending ORDER BY day LIMIT 2")
        failed = await service.rows("SELECT 1 FROM conversations WHERE status = 'failed'")

    days = [later - earlier for earlier, later in pairwise(billed)]
    assert all(FIVE_CENTS - most_of_one() < day <= FIVE_CENTS for day in days)
    assert [row.spent for row in accounting] == days
    assert not failed


async def test_a_queue_is_spread_over_the_days_that_pay_for_it(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, clock=Calendar(), daily_budget_usd=0.05) as service:
        await service.post_all(several(5_000))
        await eventually(partial(is_spent, service, 1), 60)
        estimate, drain_seconds = await eventually(partial(agreed, service))

    days = ceil(estimate["usd"] / 0.05)
    noon_to_midnight, day = 43_200, 86_400
    assert days > 3
    for seconds in (estimate["seconds"], drain_seconds):
        assert abs(seconds - noon_to_midnight - (days - 1) * day) < 600


async def agreed(service: Service) -> tuple[Json, float] | None:
    """The estimate and the time in `/health`, which is up to a second older."""
    estimate = await service.get("/api/v1/spending/estimate")
    drain_seconds = (await service.get("/health"))["drain_seconds"]
    return (estimate, drain_seconds) if abs(estimate["seconds"] - drain_seconds) < 60 else None


async def is_spent(service: Service, day: int) -> bool:
    """Whether analysis stands still for its cost on the so many-th day, less being left than a call may take."""
    rows = await service.rows("SELECT spent, reserved FROM spending ORDER BY day")
    left = [FIVE_CENTS - row.spent for row in rows if not row.reserved]
    # Asked last: now that no call is under way, none can end and release what holds it.
    held = any("budget" in reason for reason in (await service.get("/health"))["reasons"])
    return held and len(left) == len(rows) == day and left[-1] < most_of_one()


async def test_a_pause_holds_over_a_restart_and_intake_goes_on(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok) as service:
        answer = await service.http.post("/api/v1/analysis/pause")
        ids = await service.post_all(several(30))
        health = await service.get("/health")
        estimate = await eventually(lambda: estimated(service, 30))

        assert answer.json() == {"paused": True}
        assert (health["status"], health["reasons"]) == ("degraded", ["paused by an operator"])
        assert estimate["calls"] == 6
        assert estimate["usd"] > 0
    async with running(database_url, grok) as service:
        await eventually(lambda: degraded(service))
        assert {view["status"] for view in await service.all_of(ids)} == {"queued"}
        assert not grok.calls
        await service.http.post("/api/v1/analysis/resume")
        views = await service.all_ended(ids)

    assert {view["status"] for view in views} == {"completed"}


async def estimated(service: Service, depth: int) -> Json | None:
    estimate = await service.get("/api/v1/spending/estimate")
    return estimate if estimate["queue_size"] == depth else None


async def degraded(service: Service) -> bool:
    return bool((await service.get("/health"))["reasons"])


async def test_a_call_without_usage_costs_what_was_reserved(database_url: URL, grok: Grok) -> None:
    grok.misbehave("no_usage")
    async with running(database_url, grok) as service:
        await service.ended(await service.post(LATE))
        (call,) = await service.rows("SELECT cost_ticks, reserved_ticks FROM grok_calls")
        (day,) = await service.rows("SELECT spent, reserved FROM spending")

    assert call.cost_ticks == call.reserved_ticks == day.spent > 0
    assert day.reserved == 0


async def test_a_call_that_never_answered_costs_what_was_reserved(database_url: URL, grok: Grok) -> None:
    grok.misbehave("hang", calls=1)
    # Long enough for the request to leave on a busy machine: one that has not left costs nothing.
    async with running(database_url, grok, grok_timeout_seconds=3) as service:
        await service.ended(await service.post(LATE))
        first = (await service.rows("SELECT cost_ticks, reserved_ticks FROM grok_calls ORDER BY number"))[0]

    assert first.cost_ticks == first.reserved_ticks > 0


async def test_calls_without_a_price_are_counted(database_url: URL, grok: Grok) -> None:
    grok.misbehave("no_ticks")
    async with running(database_url, grok, grok_model="grok-99") as service:
        await service.all_ended(await service.post_all(several(3)))
        report, estimate = [await service.get(f"/api/v1/spending{path}") for path in ("", "/estimate")]

    (day,) = report["days"]
    calls = len(grok.calls)
    assert (day["calls"], day["unpriced_calls"], day["usd"]) == (calls, calls, 0)
    assert report["total"]["unpriced_calls"] == calls
    assert estimate["based_on"] == f"the last 7 days, without {calls} calls whose price is not known"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"grok_model": "grok-99"}, None),
        ({"grok_model": "grok-99", "grok_cost_per_1k": 0.01}, "no_ticks"),
        ({}, "no_ticks"),
    ],
)
async def test_calls_with_a_price_are_not(
    database_url: URL, grok: Grok, given: Json, fault: str | None
) -> None:
    """The server's own, the operator's or the table's."""
    if fault is not None:
        grok.misbehave(fault)
    async with running(database_url, grok, **given) as service:
        await service.all_ended(await service.post_all(several(3)))
        (day,) = (await service.get("/api/v1/spending"))["days"]

    assert day["unpriced_calls"] == 0
    assert day["usd"] > 0


async def test_a_refused_connection_costs_nothing(database_url: URL, grok: Grok) -> None:
    gone = Grok()
    gone.url = "http://127.0.0.1:9/v1"
    async with running(database_url, gone) as service:
        await service.post(LATE)
        await eventually(lambda: refused_for_nothing(service))


async def refused_for_nothing(service: Service) -> bool:
    """Whether a call was refused and nothing is booked. The next attempt may reserve again at any time."""
    return bool(
        await service.rows(
            "SELECT 1 FROM spending WHERE spent = 0 AND reserved = 0"
            " AND EXISTS (SELECT 1 FROM grok_calls WHERE outcome = 'unreachable')"
        )
    )
