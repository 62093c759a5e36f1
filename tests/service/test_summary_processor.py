"""Summaries and what goes wrong: whose fault it is, what it costs, and how batches and summaries share the way."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import Json
from benchmarks.support.waiting import eventually
from core.clock import now
from llm.canary import CANARY
from llm.prices import TICKS_PER_USD
from store.money.spending import day_of
from tests.support.service import Grok, Service, running
from tests.support.summary_data import LATE
from tests.support.summary_service import a_chat, summarize, summary_of

SUMMARIES = "/api/v1/summaries"
BUSY = {"error": "database_unavailable", "retry_after": 1}
POISON = [("customer", "POISON is what this one is?"), ("support_agent", "TODO: look into it.")]


async def asked(service: Service, id_: str, said: Sequence[tuple[str, str]] = LATE) -> str:
    """A chat whose summary is asked for and not waited for."""
    await a_chat(service, id_, said)

    async def is_taken() -> bool:
        response = await summarize(service, id_, wait=0)
        # A machine that stands still for two seconds can make a lock time out: the caller is asked to come again.
        again = response.status_code == 503 and response.json() == BUSY
        assert response.is_success or again, response.text
        return response.is_success

    await eventually(is_taken)
    return id_


async def ended(service: Service, id_: str) -> Json:
    """The summary once it is written or given up."""
    return await service.get(f"/chats/{id_}/summary", wait=40)


async def failures(service: Service) -> int:
    return int((await service.rows("SELECT sum(failures) FROM summaries"))[0][0])


def kinds(grok: Grok) -> list[str]:
    """The kinds of calls in the order in which they arrived."""
    return [call.kind for call in sorted(grok.calls, key=lambda call: call.arrived)]


# --- what they cost -----------------------------------------------------------------------------------------


async def test_summaries_of_a_window_say_what_they_will_cost_and_have_cost(
    database_url: URL, grok: Grok
) -> None:
    body = {"window": {"start_time": "2020-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}}
    async with running(database_url, grok) as service:
        for number in range(4):
            await service.ended(await a_chat(service, f"chat-{number}"))
        worst = (await service.http.post(SUMMARIES, json={**body, "dry_run": True})).json()
        await summary_of(service, "chat-0")  # which somebody else pays for
        grok.misbehave("content", text="no summary", calls=1)  # which is paid for as well
        before = len(grok.calls)
        usual = (await service.http.post(SUMMARIES, json={**body, "dry_run": True})).json()
        job = (await service.http.post(SUMMARIES, json=body)).headers["location"]
        done = await eventually(lambda: ended_job(service, job))

    calls = [call for call in grok.calls[before:] if call.kind == "summary"]
    billed = sum(call.billed_ticks for call in calls) / TICKS_PER_USD
    assert len(calls) == 4
    assert (worst["conversations"], usual["conversations"], done["conversations"]) == (4, 3, 3)
    assert worst["usd_per_summary"] > usual["usd_per_summary"] == pytest.approx(billed / 4, rel=0.5)
    assert usual["usd"] == pytest.approx(3 * usual["usd_per_summary"], abs=1e-5)
    assert (done["status"], done["usd"]) == ("completed", pytest.approx(billed, abs=1e-6))


async def ended_job(service: Service, location: str) -> Json | None:
    job = await service.get(location)
    return job if job["ended_at"] else None


# --- faults -------------------------------------------------------------------------------------------------

PASSING: dict[str, dict[str, Any]] = {
    "server_error": {"kind": "status", "status": 503},
    "no_completion": {"kind": "error_under_200"},
    "cut_off": {"kind": "drop"},
    "rate_limited": {"kind": "status", "status": 429},
    "timeout": {"kind": "hang"},
}


async def test_a_provider_fault_is_charged_to_no_summary(database_url: URL, grok: Grok) -> None:
    given: Json = {"error_threshold": 100, "grok_timeout_seconds": 1, "max_retries": 0}
    async with running(database_url, grok, **given) as service:
        await service.http.post("/api/v1/analysis/pause")
        for outcome in PASSING:
            await a_chat(service, outcome, said=[("customer", f"It is late ({outcome}).")])
        # The batches have their own tests: these calls are all for summaries, or canaries.
        await service.rows("UPDATE conversations SET status = 'completed', run_at = NULL, lease = NULL")
        await service.http.post("/api/v1/analysis/resume")
        for outcome, how in PASSING.items():
            # Until the outage is over the canary fails as well: two calls.
            grok.misbehave(**how, calls=2)
            found = await summary_of(service, outcome)
            assert found["status"] == "completed", outcome
        outcomes = await service.rows("SELECT outcome FROM grok_calls")
        assert await failures(service) == 0

    assert {row.outcome for row in outcomes} >= PASSING.keys()


async def test_an_outage_fails_no_summary_and_a_canary_ends_it(database_url: URL, grok: Grok) -> None:
    grok.misbehave("status", status=500)
    async with running(database_url, grok, max_retries=0, error_threshold=2) as service:
        ids = [await asked(service, f"chat-{number}") for number in range(3)]
        await eventually(lambda: grok.sent[CANARY] >= 2)
        during = await service.get("/health")
        grok.faults.clear()
        found = [await ended(service, id_) for id_ in ids]
        assert await failures(service) == 0

    assert during["status"] == "degraded"
    assert {each["status"] for each in found} == {"completed"}


async def test_a_refused_key_keeps_summaries_waiting(database_url: URL, grok: Grok) -> None:
    grok.misbehave("status", status=401)
    async with running(database_url, grok, max_retries=0) as service:
        await asked(service, "chat-1")
        await eventually(lambda: grok.sent[CANARY] >= 2)
        pending = await service.http.get("/chats/chat-1/summary")
        grok.faults.clear()
        found = await ended(service, "chat-1")

    assert pending.status_code == 202
    assert found["status"] == "completed"


UNUSABLE: dict[str, dict[str, Any]] = {
    "malformed": {"kind": "content", "text": "Sure! Here is your summary"},
    "truncated": {"kind": "finish", "text": "length"},
    "refused": {"kind": "refusal"},
    "rejected": {"kind": "status", "status": 422},
    "server_error": {"kind": "status", "status": 500},
}


async def test_a_summary_that_makes_every_call_fail_fails_alone(database_url: URL, grok: Grok) -> None:
    """Five of them are as many as open the circuit; their neighbours are written all the same."""
    for outcome, how in UNUSABLE.items():
        grok.misbehave(**how, marker=f"POISON {outcome}")
    async with running(database_url, grok, max_retries=1) as service:
        bad = [await asked(service, each, [("customer", f"POISON {each}?")]) for each in UNUSABLE]
        good = [await asked(service, f"good-{number}") for number in range(3)]
        failed = [await ended(service, id_) for id_ in bad]
        written = [await ended(service, id_) for id_ in good]
        metrics = await service.metrics()

    assert [each["status"] for each in failed] == ["failed"] * 5
    assert [each["error"].partition(":")[0] for each in failed] == [*UNUSABLE]
    assert {each["status"] for each in written} == {"completed"}
    assert (metrics['summaries_total{outcome="failed"}'], metrics['summaries_total{outcome="written"}']) == (
        5,
        3,
    )
    # Twice is what MAX_RETRIES allows; more of them met an open circuit, which is nobody's fault.
    assert max(grok.summarised[f"POISON {each}?"] for each in UNUSABLE) <= 6


async def test_many_that_fail_like_an_outage_end_all_the_same(database_url: URL, grok: Grok) -> None:
    grok.misbehave("status", status=500, marker="POISON")
    async with running(database_url, grok, max_retries=0, error_threshold=3) as service:
        bad = [await asked(service, f"bad-{number}", POISON) for number in range(6)]
        good = await asked(service, "good")
        failed = [await ended(service, id_) for id_ in bad]
        assert (await ended(service, good))["status"] == "completed"

    assert {each["status"] for each in failed} == {"failed"}
    # Each is asked about once while all seem well, and then two at a time until a canary has vouched.
    assert grok.summarised[POISON[0][1]] <= 6 * 4


# --- money --------------------------------------------------------------------------------------------------


async def spending(service: Service) -> Json:
    body: Json = await service.get("/api/v1/spending")
    return body


async def test_what_a_summary_costs_is_booked_and_told_by_itself(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok) as service:
        await summary_of(service, await a_chat(service))
        await service.ended("chat-1")
        told = (await spending(service))["total"]
        calls = await service.rows("SELECT provider, outcome, cost_ticks, reserved_ticks FROM grok_calls")
        estimate = await service.get("/api/v1/spending/estimate")
        metrics = await service.metrics()

    assert [tuple(row)[:2] for row in calls] == [("grok", "ok")] * 2
    assert all(0 < row.cost_ticks <= row.reserved_ticks for row in calls)
    assert sum(row.cost_ticks for row in calls) == grok.billed_ticks
    assert (told["calls"], told["summary_calls"], told["analysed"]) == (2, 1, 1)
    assert 0 < told["summary_usd"] < told["usd"]
    # A conversation costs what its analysis does: summaries are not in the estimate.
    assert estimate["usd_per_conversation"] == pytest.approx(told["usd"] - told["summary_usd"], abs=2e-6)
    assert metrics['grok_calls_total{outcome="ok"}'] == 2
    assert metrics["estimated_cost_usd_total"] == pytest.approx(told["usd"], abs=1e-6)


async def test_a_summary_that_no_day_can_pay_for_fails_and_says_so(database_url: URL, grok: Grok) -> None:
    """The worst case of the batch, 3,000 tokens and its answer, fits into the budget; the summary's does not."""
    async with running(database_url, grok, daily_budget_usd=0.015) as service:
        await a_chat(service)
        found = (await summarize(service, "chat-1")).json()
        view = await service.ended("chat-1")

    assert (found["status"], view["status"]) == ("failed", "completed")
    assert "budget" in found["error"]
    assert kinds(grok) == ["analysis"]


async def test_a_summary_that_todays_rest_cannot_pay_for_waits_and_holds_up_nobody(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok, daily_budget_usd=0.05) as service:
        await service.rows("INSERT INTO spending (day, spent) VALUES (:day, 350000000)", day=day_of(now()))
        pending = await summarize(service, await a_chat(service), wait=1)
        view = await service.ended("chat-1")
        row = (await service.rows("SELECT status, failures, error, run_at FROM summaries"))[0]
        health = await service.get("/health")

    assert pending.status_code == 202
    assert tuple(row)[:3] == ("queued", 0, None)
    assert (view["status"], health["status"]) == ("completed", "ok")
    assert kinds(grok) == ["analysis"]


# --- lanes --------------------------------------------------------------------------------------------------


async def both_queued(service: Service, batches: int, summaries: int) -> list[str]:
    """So many of each wait, and nothing has left; the ids of the chats to be summarised."""
    await service.http.post("/api/v1/analysis/pause")
    ids = [await asked(service, f"chat-{number}") for number in range(summaries)]
    await service.rows("UPDATE conversations SET status = 'completed', run_at = NULL, lease = NULL")
    await service.post_all([f"My parcel number {number} is late again" for number in range(batches)])
    await service.http.post("/api/v1/analysis/resume")
    return ids


async def test_summaries_and_batches_take_turns(database_url: URL, grok: Grok) -> None:
    grok.latency = 0.4  # long enough for the next of a kind to stand ready on a busy machine
    given: Json = {"max_in_flight": 1, "start_batch": 1, "max_batch": 1, "prefilter": "off"}
    async with running(database_url, grok, **given) as service:
        ids = await both_queued(service, batches=12, summaries=12)
        found = [await ended(service, id_) for id_ in ids]
        await eventually(lambda: len(grok.calls) == 24)

    assert {each["status"] for each in found} == {"completed"}
    contended = kinds(grok)[:20]
    assert 8 <= contended.count("summary") <= 12
    # On a busy machine the next of a kind may once not stand ready; first come, first served has ten of these.
    in_a_row = sum(one == other == "summary" for one, other in pairwise(contended))
    assert in_a_row <= 2


async def test_with_one_place_in_flight_neither_waits_for_the_other_to_have_work(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok, max_in_flight=1) as service:
        for number in range(3):
            await summary_of(service, await a_chat(service, f"chat-{number}"))
            assert (await service.ended(f"chat-{number}"))["status"] == "completed"


async def test_no_more_summaries_are_in_flight_than_allowed(database_url: URL, grok: Grok) -> None:
    grok.latency = 1  # on a busy machine calls leave far apart
    async with running(database_url, grok, max_in_flight=3) as service:
        ids = await both_queued(service, batches=30, summaries=9)
        for id_ in ids:
            await ended(service, id_)
        most = 0
        starts = sorted(call.arrived for call in grok.calls)
        for start in starts:
            most = max(most, sum(start - grok.latency < other <= start for other in starts))

    assert most == 3


async def test_the_cap_holds_for_both_together(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, outbound_rps=10, start_batch=1, max_batch=1) as service:
        ids = await both_queued(service, batches=12, summaries=12)
        for id_ in ids:
            await ended(service, id_)

    # Ten leave in a second, and a few more may arrive in one where a busy machine holds requests up on their way.
    # Without a cap for both together there would be twenty.
    assert grok.busiest_second() <= 13
    assert grok.violations == []


async def test_a_loop_that_died_goes_on_where_it_was(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok) as service:
        await service.rows("ALTER TABLE messages RENAME TO gone")

        async def died() -> Json | None:
            health = await service.get("/health")
            return health if health["worker_restarts"] >= 2 else None

        health = await eventually(died)
        await service.rows("ALTER TABLE gone RENAME TO messages")
        found = await summary_of(service, await a_chat(service))

    assert (health["status"], health["worker_running"]) == ("degraded", False)
    assert any("the worker is being restarted" in reason for reason in health["reasons"])
    assert found["status"] == "completed"
