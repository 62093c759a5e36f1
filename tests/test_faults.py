"""What goes wrong at Grok's end, and what becomes of the conversations: nothing is lost, nobody is blamed."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy.engine import URL

from canary import CANARY
from tests.fake_grok import FakeGrok
from tests.service import Grok, Service, faked, running
from tests.support import eventually, served

LATE = "My parcel is three days late and nobody answers"


@pytest.fixture
def grok() -> Iterator[Grok]:
    with faked() as fake:
        yield fake


def several(count: int, said: str = LATE) -> list[str]:
    return [f"{said} ({number})" for number in range(count)]


async def charged(service: Service) -> int:
    """How often conversations were charged with a fault, in all."""
    return int((await service.rows("SELECT sum(failures) FROM conversations"))[0][0])


async def outcomes(service: Service) -> list[str]:
    """How the calls ended, in order."""
    return [row[0] for row in await service.rows("SELECT outcome FROM grok_calls ORDER BY number")]


# --- the provider's -----------------------------------------------------------------------------------------

PASSING: dict[str, dict[str, Any]] = {
    "server_error": {"kind": "status", "status": 503},
    "no_completion": {"kind": "error_under_200"},
    "timeout": {"kind": "hang"},
    "too_large": {"kind": "huge"},
    "unreachable": {"kind": "drop"},
}


async def test_a_provider_fault_is_charged_to_nobody(database_url: URL, grok: Grok) -> None:
    given = {"error_threshold": 100, "start_batch": 4, "max_batch": 4, "grok_timeout_seconds": 1}
    async with running(database_url, grok, max_retries=0, **given) as service:
        for outcome, how in PASSING.items():
            grok.misbehave(**how, calls=1)
            views = await service.all_ended(await service.post_all(several(4, f"{LATE}, {outcome}")))

            assert {view["status"] for view in views} == {"completed"}
            assert outcome in await outcomes(service)
        assert await charged(service) == 0


async def test_an_outage_opens_the_circuit_and_a_canary_closes_it(database_url: URL, grok: Grok) -> None:
    grok.misbehave("status", status=500)
    given = {"error_threshold": 2, "cooldown_seconds": 0.5, "max_in_flight": 1}
    async with running(database_url, grok, max_retries=0, **given) as service:
        ids = await service.post_all(several(5))
        await eventually(lambda: grok.sent[CANARY] >= 2)
        during = await service.get("/health")
        grok.faults.clear()
        views = await service.all_ended(ids)
        after = await service.get("/health")

        assert (during["status"], after["status"]) == ("degraded", "ok")
        assert any("500" in reason for reason in during["reasons"])
        assert {view["status"] for view in views} == {"completed"}
        assert await charged(service) == 0
    before_the_canary = [call for call in grok.calls if list(call.texts) != [CANARY] and call.status == 500]
    assert len(before_the_canary) == 2
    canaries = [call.arrived for call in grok.calls if list(call.texts) == [CANARY]]
    assert all(later - earlier >= 0.45 for earlier, later in pairwise(canaries))


async def test_refused_connections_fail_no_conversation(database_url: URL) -> None:
    grok = Grok()
    with served(FakeGrok(), grace=0) as gone:
        port = gone.port
    grok.url = f"http://127.0.0.1:{port}/v1"
    async with running(database_url, grok, max_retries=0, error_threshold=3) as service:
        id_ = await service.post(LATE)

        async def degraded() -> bool:
            return bool((await service.get("/health"))["reasons"])

        await eventually(degraded)
        with served(grok, port=port, grace=0):
            view = await service.ended(id_)

        assert view["status"] == "completed"
        assert "unreachable" in await outcomes(service)
        assert await charged(service) == 0


async def test_a_429_pauses_the_whole_outbound_side(database_url: URL, grok: Grok) -> None:
    grok.misbehave("status", status=429, headers={"retry-after": "2"}, calls=1)
    async with running(database_url, grok, max_retries=0, start_batch=2, max_batch=2) as service:
        first = await service.post(LATE)
        await eventually(lambda: grok.calls)
        ids = [first, *await service.post_all(several(6))]
        views = await service.all_ended(ids)

        assert {view["status"] for view in views} == {"completed"}
        assert await charged(service) == 0
        assert (await service.metrics())["circuit_state"] == 0
    refused, *later = grok.calls
    assert refused.status == 429
    assert min(call.arrived for call in later) - refused.arrived >= 1.95


async def test_without_a_retry_after_a_429_backs_off(database_url: URL, grok: Grok) -> None:
    grok.misbehave("status", status=429, calls=3)
    async with running(database_url, grok, max_retries=0) as service:
        view = await service.ended(await service.post(LATE))

        assert (view["status"], view["attempts"]) == ("completed", 4)
        assert await charged(service) == 0


DENIED: dict[str, dict[str, Any]] = {
    "credentials": {"kind": "status", "status": 401},
    "model": {"kind": "status", "status": 404},
    "credits": {"kind": "out_of_credits"},
}


def canaries_since(grok: Grok, number: int) -> int:
    return sum(list(call.texts) == [CANARY] for call in grok.calls[number:])


async def test_a_denial_stops_the_calls_and_keeps_the_conversations(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, max_retries=0) as service:
        for why, how in DENIED.items():
            grok.misbehave(**how)
            since = len(grok.calls)
            ids = await service.post_all(several(5, f"{LATE}, {why}"))
            await eventually(lambda: canaries_since(grok, since) >= 2)  # noqa: B023  awaited at once
            health = await service.get("/health")
            statuses = await service.rows(
                "SELECT DISTINCT status FROM conversations WHERE run_at IS NOT NULL"
            )
            denied = grok.calls[since:]
            grok.faults.clear()
            views = await service.all_ended(ids)

            assert health["status"] == "degraded"
            assert any(why in reason for reason in health["reasons"])
            assert {row[0] for row in statuses} <= {"queued", "processing"}
            assert sum(list(call.texts) != [CANARY] for call in denied) == 1
            assert {view["status"] for view in views} == {"completed"}
        assert await charged(service) == 0


# --- a batch's ----------------------------------------------------------------------------------------------

UNUSABLE: dict[str, dict[str, Any]] = {
    "malformed": {"kind": "content", "text": "Sure! Here is the JSON you asked for: {"},
    "truncated": {"kind": "finish", "text": "length"},
    "refused": {"kind": "refusal"},
    "unfinished": {"kind": "finish", "text": "tool_calls"},
    "rejected": {"kind": "status", "status": 422},
}


async def test_one_poisonous_conversation_fails_alone(database_url: URL, grok: Grok) -> None:
    grok.misbehave(**UNUSABLE["malformed"], marker="POISON")
    said = several(16)
    said[11] = "POISON is what this one is"
    async with running(database_url, grok, max_retries=1, start_batch=16, max_batch=16) as service:
        views = await service.all_ended(await service.post_all(said))

        assert [view["status"] for view in views] == ["completed"] * 11 + ["failed"] + ["completed"] * 4
        assert await charged(service) == 2
    # 16, 8, 4, 2 and twice alone; the good halves of each split are one or two calls more.
    assert grok.sent[said[11]] == 6
    assert len(grok.calls) <= 20


async def test_whatever_makes_an_answer_unusable_fails_who_is_alone_with_it(
    database_url: URL, grok: Grok
) -> None:
    for outcome, how in UNUSABLE.items():
        grok.misbehave(**how, marker=outcome)
    async with running(database_url, grok, max_retries=0) as service:
        ids = await service.post_all([f"{LATE}, {outcome}" for outcome in UNUSABLE])
        good = await service.post(LATE)
        *views, neighbour = await service.all_ended([*ids, good])
        metrics = await service.metrics()

    assert [view["error"].partition(":")[0] for view in views] == [*UNUSABLE]
    assert {view["status"] for view in views} == {"failed"}
    assert {metrics[f'conversations_failed_total{{reason="{outcome}"}}'] for outcome in UNUSABLE} == {1}
    assert neighbour["status"] == "completed"


async def test_what_could_not_be_parsed_is_kept_with_its_call(database_url: URL, grok: Grok) -> None:
    grok.misbehave("content", text="no JSON at all", calls=1)
    async with running(database_url, grok) as service:
        view = await service.ended(await service.post(LATE))
        kept = await service.rows("SELECT outcome, body, cost_ticks FROM grok_calls ORDER BY number")

    assert view["status"] == "completed"
    # The second is the canary's.
    assert [row.outcome for row in kept] == ["malformed", "ok", "ok"]
    assert [row.body for row in kept] == ["no JSON at all", None, None]
    # An answer of no use is paid for like any other.
    assert sum(row.cost_ticks for row in kept) == grok.billed_ticks
    assert kept[0].cost_ticks > 0


async def test_a_server_that_takes_no_schema_is_asked_without_one(database_url: URL, grok: Grok) -> None:
    grok.misbehave("no_json_schema")
    async with running(database_url, grok, max_retries=0) as service:
        views = await service.all_ended(await service.post_all(several(10)))

    assert {view["status"] for view in views} == {"completed"}
