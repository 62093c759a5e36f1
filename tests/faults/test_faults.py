"""What goes wrong at Grok's end, and what becomes of the conversations: nothing is lost, nobody is blamed."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import free_port
from benchmarks.support.serving import served
from benchmarks.support.waiting import eventually
from core.clock import SECOND, now, parse
from llm.canary import CANARY
from tests.support.service import Grok, Service, running

LATE = "My parcel is three days late and nobody answers"


def several(count: int, said: str = LATE) -> list[str]:
    return [f"{said} ({number})" for number in range(count)]


async def charged(service: Service) -> int:
    """How often conversations were charged with a fault, in all."""
    return int((await service.rows("SELECT sum(failures) FROM conversations"))[0][0])


async def outcomes(service: Service) -> list[str]:
    """How the calls ended, in order."""
    return [row[0] for row in await service.rows("SELECT outcome FROM grok_calls ORDER BY number")]


# --- the provider's -----------------------------------------------------------------------------------------

PASSING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("server_error", {"kind": "status", "status": 503}),
    ("no_completion", {"kind": "error_under_200"}),
    ("no_completion", {"kind": "plain_text"}),
    ("no_completion", {"kind": "plain_text", "text": '{"id": "1", "usage": {}}'}),
    ("no_completion", {"kind": "plain_text", "text": '{"choices": []}'}),
    ("no_completion", {"kind": "plain_text", "text": '{"choices": [{"finish_reason": "stop"}]}'}),
    ("timeout", {"kind": "hang"}),
    ("timeout", {"kind": "endless", "pause": 0.2}),
    ("too_large", {"kind": "endless"}),
    ("too_large", {"kind": "huge"}),
    ("cut_off", {"kind": "drop"}),
)


async def test_a_provider_fault_is_charged_to_nobody(database_url: URL, grok: Grok) -> None:
    """One of each kind, met by the call that carries four conversations which are numbered for it."""
    for number, (_, how) in enumerate(PASSING):
        grok.misbehave(**how, marker=f"kind {number},", calls=1)
    said = [each for number in range(len(PASSING)) for each in several(4, f"{LATE}, kind {number},")]
    given = {"error_threshold": 100, "start_batch": 4, "max_batch": 4, "grok_timeout_seconds": 4}
    async with running(database_url, grok, max_retries=0, **given) as service:
        views = await service.all_ended(await service.post_all(said), 30)

        assert {view["status"] for view in views} == {"completed"}
        met = Counter(await outcomes(service))
        assert met - Counter(ok=met["ok"]) == Counter(outcome for outcome, _ in PASSING)
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


@asynccontextmanager
async def nobody(port: int) -> AsyncIterator[None]:
    """Nobody listens there."""
    yield


@asynccontextmanager
async def somebody_silent(port: int) -> AsyncIterator[None]:
    """Somebody accepts connections there, and never says a word."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", port):
        yield


@pytest.mark.parametrize(
    ("instead", "outcome"), [(nobody, "unreachable"), (somebody_silent, "timeout")], ids=["nobody", "silent"]
)
async def test_a_port_without_grok_fails_no_conversation(
    database_url: URL, instead: Callable[[int], AbstractAsyncContextManager[None]], outcome: str
) -> None:
    grok, port = Grok(), free_port()
    grok.url = f"http://127.0.0.1:{port}/v1"
    given = {"max_retries": 0, "error_threshold": 3, "grok_timeout_seconds": 0.5}
    async with running(database_url, grok, **given) as service:
        async with instead(port):
            id_ = await service.post(LATE)

            async def degraded() -> bool:
                return bool((await service.get("/health"))["reasons"])

            await eventually(degraded)
            counted = (await service.metrics())[f'grok_calls_total{{outcome="{outcome}"}}']
        with served(grok, port=port, grace=0):
            view = await service.ended(id_)

        assert view["status"] == "completed"
        assert counted >= 1
        assert outcome in await outcomes(service)
        assert await charged(service) == 0


PAUSE, IN_FLIGHT = 3, 8


async def test_a_429_in_the_middle_of_a_run_keeps_every_call_away_until_its_time_has_passed(
    database_url: URL, grok: Grok
) -> None:
    grok.latency = 0.05
    given = {"max_retries": 0, "start_batch": 2, "max_batch": 2, "max_in_flight": IN_FLIGHT}
    async with running(database_url, grok, **given) as service:
        ids = await service.post_all(several(100))
        await eventually(lambda: len(grok.calls) >= 5)
        grok.misbehave("status", status=429, headers={"retry-after": str(PAUSE)}, calls=1)
        views = await service.all_ended(ids, 60)

        assert {view["status"] for view in views} == {"completed"}
        assert await charged(service) == 0
        assert (await service.metrics())["circuit_state"] == 0
    assert stayed_away(grok, PAUSE) == 1


async def test_the_time_of_a_429_may_be_a_date(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, max_retries=0, max_batch=1, max_in_flight=IN_FLIGHT) as service:
        ids = await service.post_all(several(20))
        date = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
        until = time.monotonic() + (date - datetime.now(UTC)).total_seconds()
        header = format_datetime(date, usegmt=True)
        grok.misbehave("status", status=429, headers={"retry-after": header}, calls=1)
        views = await service.all_ended(ids)
        left = date - datetime.now(UTC)

    assert {view["status"] for view in views} == {"completed"}
    assert left < timedelta(0)
    assert early(grok, until) == [0]


def stayed_away(grok: Grok, seconds: float) -> int:
    """How many calls got a 429, after whose answer none arrived for so long; those then in flight excepted."""
    refused = [call for call in grok.calls if call.status == 429]
    for call in refused:
        answered = call.arrived + grok.latency
        early = [each for each in grok.calls if call.arrived < each.arrived < answered + seconds - 0.05]
        assert len(early) < IN_FLIGHT, [each.arrived - answered for each in early]
    return len(refused)


def early(grok: Grok, until: float) -> list[int]:
    """For each call that got a 429 how many arrived between it and that moment, beyond those then in flight.

    Nothing where the call itself arrived later: a busy machine may be that late.
    """
    refused = [call.arrived for call in grok.calls if call.status == 429]
    after = [sum(at < each.arrived < until - 0.05 for each in grok.calls) for at in refused]
    return [max(0, count - IN_FLIGHT + 1) for count in after]


async def test_a_429_for_longer_than_an_hour_is_taken_as_an_hour_and_shown(
    database_url: URL, grok: Grok
) -> None:
    grok.misbehave("status", status=429, headers={"retry-after": "7200"})
    async with running(database_url, grok, max_retries=0) as service:
        id_ = await service.post(LATE)

        async def reasons() -> list[str]:
            found: list[str] = (await service.get("/health"))["reasons"]
            return found

        [reason] = await eventually(reasons)
        await eventually(lambda: is_queued(service, id_))
        pause = parse(reason.split("until ")[1].split(": ")[0]) - now()

    assert "Retry-After 7200" in reason
    assert 3_500 * SECOND < pause <= 3_601 * SECOND
    assert len(grok.calls) == 1


async def is_queued(service: Service, id_: str) -> bool:
    return bool((await service.one(id_))["status"] == "queued")


async def test_without_a_retry_after_a_429_backs_off(database_url: URL, grok: Grok) -> None:
    grok.misbehave("status", status=429, calls=3)
    async with running(database_url, grok, max_retries=0) as service:
        view = await service.ended(await service.post(LATE))

        assert (view["status"], view["attempts"]) == ("completed", 4)
        assert await charged(service) == 0


DENIED: dict[str, dict[str, Any]] = {
    "GROK_API_KEY was refused": {"kind": "status", "status": 401},
    "GROK_MODEL was refused": {"kind": "status", "status": 404},
    "credit": {"kind": "out_of_credits"},
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

GARBLED = {"kind": "content", "text": "Sure! Here is the JSON you asked for: {"}
UNUSABLE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("malformed", GARBLED),
    ("malformed", {"kind": "content", "text": '{"results": {}}'}),
    ("malformed", {"kind": "content", "text": "[" * 100_000}),
    ("malformed", {"kind": "cut_off"}),
    ("refused", {"kind": "content", "text": None}),
    ("refused", {"kind": "refusal"}),
    ("refused", {"kind": "finish", "text": "content_filter"}),
    ("truncated", {"kind": "finish", "text": "length"}),
    *(("unfinished", {"kind": "finish", "text": why}) for why in ("tool_calls", "function_call")),
    *(("rejected", {"kind": "status", "status": status}) for status in (400, 413, 422)),
)


async def test_one_poisonous_conversation_fails_alone(database_url: URL, grok: Grok) -> None:
    grok.misbehave(**GARBLED, marker="POISON")
    said = several(16)
    said[11] = "POISON is what this one is"
    async with running(database_url, grok, max_retries=1, start_batch=16, max_batch=16) as service:
        views = await service.all_ended(await service.post_all(said))

        assert [view["status"] for view in views] == ["completed"] * 11 + ["failed"] + ["completed"] * 4
        assert await charged(service) == 2
    # 16, 8, 4, 2 and twice alone, or sooner alone where a claim has room for no other; the good halves of each
    # split are one or two calls more.
    assert grok.sent[said[11]] in (5, 6)
    assert len(grok.calls) <= 20


async def test_whatever_makes_an_answer_unusable_fails_who_is_alone_with_it(
    database_url: URL, grok: Grok
) -> None:
    for number, (_, how) in enumerate(UNUSABLE):
        grok.misbehave(**how, marker=f"({number})")
    async with running(database_url, grok, max_retries=0) as service:
        views = await service.all_ended(await service.post_all(several(len(UNUSABLE) + 1)), 30)
        metrics = await service.metrics()

    *failed, neighbour = views
    assert [view["error"].partition(":")[0] for view in failed] == [outcome for outcome, _ in UNUSABLE]
    assert {view["status"] for view in failed} == {"failed"}
    for outcome, count in Counter(outcome for outcome, _ in UNUSABLE).items():
        assert metrics[f'conversations_failed_total{{reason="{outcome}"}}'] == count
    assert neighbour["status"] == "completed"


async def test_other_ends_of_an_answer_are_as_good_as_stop(database_url: URL, grok: Grok) -> None:
    grok.misbehave("finish", text="end_turn")
    async with running(database_url, grok, max_retries=0) as service:
        assert (await service.ended(await service.post(LATE)))["status"] == "completed"


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


# --- a row's ------------------------------------------------------------------------------------------------

LOW, SCORE, CONFIDENCE = "is outside [-1, 1]", "sentiment_score", "confidence"
ROWS: tuple[tuple[str | None, dict[str, Any]], ...] = (
    (None, {"kind": "twice"}),
    ("two different rows for the same id", {"kind": "twice_differently"}),
    ("no row in the answer", {"kind": "missing"}),
    ("no row in the answer", {"kind": "fields", "fields": {"conversation_id": None}}),
    ("no row in the answer", {"kind": "fields", "fields": {"conversation_id": "conv_1"}}),
    (f"{SCORE} is missing", {"kind": "fields", "fields": {SCORE: None}}),
    (f"{SCORE} must be a number", {"kind": "fields", "fields": {SCORE: True}}),
    (f"{SCORE} {LOW}", {"kind": "fields", "fields": {SCORE: math.nan}}),
    (f"{SCORE} {LOW}", {"kind": "fields", "fields": {SCORE: -math.inf}}),
    (f"{SCORE} {LOW}", {"kind": "fields", "fields": {SCORE: 10**400}}),
    (f"{CONFIDENCE} is missing", {"kind": "fields", "fields": {CONFIDENCE: None}}),
    (f"{CONFIDENCE} is outside [0, 1]", {"kind": "fields", "fields": {CONFIDENCE: math.nan}}),
    (f"{CONFIDENCE} is outside [0, 1]", {"kind": "fields", "fields": {CONFIDENCE: 95}}),
    ("clusters is missing", {"kind": "fields", "fields": {"clusters": None}}),
    ("clusters must be a list", {"kind": "fields", "fields": {"clusters": "delay"}}),
    ("clusters must name a topic", {"kind": "fields", "fields": {"clusters": [None, 3, ""]}}),
    ("reasoning is missing", {"kind": "fields", "fields": {"reasoning": " "}}),
    ("the row is too long", {"kind": "fields", "fields": {"reasoning": "x" * 70_000}}),
)


async def test_a_row_that_cannot_be_used_fails_alone_and_says_why(database_url: URL, grok: Grok) -> None:
    for number, (_, how) in enumerate(ROWS):
        grok.misbehave(**how, marker=f"({number})")
    for kind in ("reordered", "invented"):
        grok.misbehave(kind)
    given = {"max_retries": 0, "start_batch": 25, "max_batch": 25}
    async with running(database_url, grok, **given) as service:
        *views, good = await service.all_ended(await service.post_all(several(len(ROWS) + 1)))

    assert [view["error"] for view in views] == [error for error, _ in ROWS]
    assert [view["status"] for view in views] == ["failed" if error else "completed" for error, _ in ROWS]
    assert good["status"] == "completed"
    assert len(grok.calls) <= 3
