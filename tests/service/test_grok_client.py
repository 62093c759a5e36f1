"""The Grok client against a server on a real socket, well behaved and not."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from email.utils import formatdate
from typing import Any

import pytest
from pydantic import SecretStr

from benchmarks.support.serving import Served
from benchmarks.support.waiting import eventually
from domain.analysis import (
    Analysis,
    BatchFault,
    CallFailed,
    Denied,
    Invalid,
    ProviderFault,
    RateLimited,
    Usage,
)
from domain.row_validation import validate_row
from domain.topics import BUILT_IN
from grok_client import GrokClient
from llm.canary import CANARY
from tests.fake_grok.server import KEY, FakeGrok, judged

TEXTS = (
    "the parcel is late and the box is broken",
    "great support, thanks a lot",
    "how do I change my seat?",
)
NOW = 1_795_000_000.0


def client_for(url: str, **how: Any) -> GrokClient:
    given: dict[str, Any] = {"api_key": SecretStr(KEY), "model": "grok-4.3", "timeout": 10}
    return GrokClient(base_url=f"{url}/v1", topics=BUILT_IN, now=lambda: NOW, **(given | how))


@pytest.fixture
async def client(server: Served) -> AsyncIterator[GrokClient]:
    async with client_for(server.url) as opened:
        yield opened


async def at_once() -> None:
    """A pacer without a pace."""


async def failure(client: GrokClient, texts: Sequence[str] = TEXTS) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await client.analyse(texts, at_once)
    return caught.value


async def test_what_is_answered_to_the_canary_is_quoted_and_what_is_answered_to_texts_is_not(
    client: GrokClient, fake: FakeGrok
) -> None:
    said = {"error": {"message": "We store nothing.", "type": "policy", "code": "400"}}
    fake.misbehave("status", status=400, text=json.dumps(said))

    of_canary, of_texts = await failure(client, [CANARY]), await failure(client)

    assert of_canary.detail == "HTTP 400 Bad Request: policy We store nothing."
    assert of_texts.detail == "HTTP 400 Bad Request: policy"


async def test_each_text_gets_its_own_row_in_the_order_asked(client: GrokClient, fake: FakeGrok) -> None:
    reply = await client.analyse(TEXTS, at_once)

    found = [(row.score, row.clusters, row.confidence) for row in reply.rows if isinstance(row, Analysis)]
    expected = [validate_row(judged(text)) for text in TEXTS]
    assert found == [
        (row.score, row.clusters, row.confidence) for row in expected if isinstance(row, Analysis)
    ]
    assert len(found) == 3
    assert fake.violations == []


async def test_a_reply_has_the_envelope_of_its_call(client: GrokClient, fake: FakeGrok) -> None:
    reply = await client.analyse(TEXTS, at_once)

    assert (reply.model, reply.status, reply.request_id) == ("grok-4.3", 200, "call-1")
    assert reply.usage.prompt_tokens == fake.tokens["prompt_tokens"]
    assert reply.usage.completion_tokens == fake.tokens["completion_tokens"]
    assert reply.usage.cost_ticks == fake.billed_ticks > 0


async def test_calls_share_prefix_and_cache_even_after_a_restart(server: Served, fake: FakeGrok) -> None:
    cached = []
    for texts in (TEXTS, TEXTS[:1]):
        async with client_for(server.url) as client:
            cached.append((await client.analyse(texts, at_once)).usage.cached_tokens)

    assert cached[0] == 0
    assert cached[1] > 0
    assert len({received.headers["x-grok-conv-id"] for received in fake.recent}) == 1


async def test_a_request_carries_the_key_and_nothing_undocumented(client: GrokClient, fake: FakeGrok) -> None:
    await client.analyse(TEXTS, at_once)

    received = fake.recent[-1]
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert set(json.loads(received.body)) == {
        "model",
        "messages",
        "response_format",
        "temperature",
        "max_completion_tokens",
        "reasoning_effort",
    }
    assert fake.violations == []


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("grok-4.3", "none"),
        ("grok-4.5", "low"),
        ("grok-4.6", "low"),
        ("grok-4.7", "low"),
        ("grok-4.20-non-reasoning", None),
        ("grok-4.20-0309-non-reasoning", None),
        ("grok-4.20-0309-reasoning", None),
    ],
)
async def test_every_model_is_sent_an_effort_that_it_takes(
    server: Served, fake: FakeGrok, model: str, effort: str | None
) -> None:
    async with client_for(server.url, model=model) as client:
        await client.analyse(TEXTS, at_once)

    assert json.loads(fake.recent[-1].body).get("reasoning_effort") == effort
    assert fake.violations == []


async def test_the_worst_case_is_no_less_than_what_is_billed(client: GrokClient, fake: FakeGrok) -> None:
    texts = ["Ça ne marche pas du tout 😡" * 20] * 50

    worst = client.worst_case(texts)

    reply = await client.analyse(texts, at_once)
    assert reply.usage.prompt_tokens <= worst.prompt_tokens
    assert reply.usage.completion_tokens <= worst.completion_tokens
    assert worst.prompt_tokens == len(fake.recent[-1].body) + 1_024


NESTED = "[" * 100_000
FAULTS = [
    ("status", {"status": 429}, RateLimited, "rate_limited"),
    ("out_of_credits", {}, Denied, "credits"),
    ("status", {"status": 401}, Denied, "credentials"),
    ("status", {"status": 403}, Denied, "credentials"),
    ("status", {"status": 403, "text": "The new team has no credits yet."}, Denied, "credits"),
    ("status", {"status": 403, "text": "Content violates usage guidelines."}, BatchFault, "refused"),
    ("status", {"status": 404}, Denied, "model"),
    ("status", {"status": 400}, BatchFault, "rejected"),
    ("status", {"status": 413}, BatchFault, "rejected"),
    ("status", {"status": 422, "text": "Failed to read the body."}, BatchFault, "rejected"),
    ("status", {"status": 410}, Denied, "rejected"),
    ("status", {"status": 301, "headers": {"location": "/"}}, Denied, "rejected"),
    ("status", {"status": 500}, ProviderFault, "server_error"),
    ("status", {"status": 503, "text": ""}, ProviderFault, "server_error"),
    ("status", {"status": 202, "text": ""}, ProviderFault, "no_completion"),
    ("error_under_200", {}, ProviderFault, "no_completion"),
    ("plain_text", {}, ProviderFault, "no_completion"),
    ("plain_text", {"text": '{"choices": []}'}, ProviderFault, "no_completion"),
    ("plain_text", {"text": NESTED}, ProviderFault, "no_completion"),
    ("drop", {}, ProviderFault, "cut_off"),
    ("status", {"status": 200, "headers": {"content-encoding": "gzip"}}, ProviderFault, "no_completion"),
    ("huge", {}, ProviderFault, "too_large"),
    ("endless", {}, ProviderFault, "too_large"),
    ("content", {"text": '{"results": [{"conv'}, BatchFault, "malformed"),
    ("content", {"text": "Here are the results: []"}, BatchFault, "malformed"),
    ("content", {"text": '{"results": null}'}, BatchFault, "malformed"),
    ("content", {"text": NESTED}, BatchFault, "malformed"),
    ("content", {"text": None}, BatchFault, "refused"),
    ("refusal", {}, BatchFault, "refused"),
    ("cut_off", {}, BatchFault, "malformed"),
    ("finish", {"text": "length"}, BatchFault, "truncated"),
    ("finish", {"text": "content_filter"}, BatchFault, "refused"),
    ("finish", {"text": "tool_calls"}, BatchFault, "unfinished"),
]


@pytest.mark.parametrize(("kind", "how", "fault", "outcome"), FAULTS)
async def test_every_bad_answer_is_a_fault_of_its_kind(
    client: GrokClient, fake: FakeGrok, kind: str, how: dict[str, Any], fault: type[CallFailed], outcome: str
) -> None:
    fake.misbehave(kind, calls=1, **how)

    error = await failure(client)

    assert (type(error), error.outcome) == (fault, outcome)
    assert len(error.detail) <= 300
    assert error.detail.isprintable()
    assert len((await client.analyse(TEXTS, at_once)).rows) == 3  # and the connection is as good as new


async def test_end_turn_is_as_good_as_stop(client: GrokClient, fake: FakeGrok) -> None:
    fake.misbehave("finish", text="end_turn")

    assert len((await client.analyse(TEXTS, at_once)).rows) == 3


async def test_a_small_packed_answer_is_unpacked(client: GrokClient, fake: FakeGrok) -> None:
    fake.misbehave("packed")

    assert len((await client.analyse(TEXTS, at_once)).rows) == 3


async def test_a_packed_answer_is_cut_off_by_its_unpacked_size(client: GrokClient, fake: FakeGrok) -> None:
    fake.misbehave("huge", size=50_000_000)
    fake.misbehave("packed")

    error = await failure(client)

    assert (type(error), error.outcome) == (ProviderFault, "too_large")


async def test_a_wrong_key_and_no_key_are_told_from_a_bad_batch(server: Served, fake: FakeGrok) -> None:
    async with client_for(server.url, api_key=SecretStr("xai-wrong-key-1234567890")) as client:
        error = await failure(client)

    assert (type(error), error.outcome, error.status) == (Denied, "credentials", 400)
    assert "xai-" not in str(error)


async def test_an_unknown_model_is_told_from_a_bad_batch(server: Served, fake: FakeGrok) -> None:
    async with client_for(server.url, model="grok-9") as client:
        error = await failure(client)

    assert (type(error), error.outcome, error.status) == (Denied, "model", 400)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("2.5", 2.5),
        ("7200", 3_600.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        (formatdate(NOW + 86_400, usegmt=True), 3_600.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
async def test_retry_after_is_read_as_seconds_or_as_a_date(
    client: GrokClient, fake: FakeGrok, header: str, seconds: float | None
) -> None:
    fake.misbehave("status", status=429, headers={"retry-after": header})

    error = await failure(client)

    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


async def test_a_fault_of_the_content_keeps_usage_and_what_was_written(
    client: GrokClient, fake: FakeGrok
) -> None:
    fake.misbehave("content", text="no JSON \0 but " + "x" * 100_000)

    error = await failure(client)

    assert error.usage is not None
    assert error.usage.cost_ticks == fake.billed_ticks
    assert error.request_id == "call-1"
    assert error.body is not None
    assert error.body.startswith("no JSON \ufffd but ")
    assert len(error.body) == 65_536


async def test_no_fault_repeats_a_conversation_or_the_key(client: GrokClient, fake: FakeGrok) -> None:
    secret = "my card number is 4111 1111"
    for status in (400, 413, 422, 500, 503):
        echo = {"code": "invalid", "error": f"cannot read {secret} sent with {KEY}"}
        fake.misbehave("status", calls=1, status=status, text=json.dumps(echo))

        error = await failure(client, [secret])

        assert secret not in str(error)
        assert KEY not in str(error)
        assert "invalid" in error.detail


@pytest.mark.parametrize(
    ("kind", "how", "reason"),
    [
        ("missing", {}, "no row in the answer"),
        ("twice_differently", {}, "two different rows for the same id"),
        ("fields", {"fields": {"sentiment_score": None}}, "sentiment_score is missing"),
        ("fields", {"fields": {"sentiment_score": float("nan")}}, "sentiment_score is outside [-1, 1]"),
        ("fields", {"fields": {"sentiment_score": 5}}, "sentiment_score is outside [-1, 1]"),
        ("fields", {"fields": {"confidence": "high"}}, "confidence must be a number"),
        ("fields", {"fields": {"confidence": float("inf")}}, "confidence is outside [0, 1]"),
        ("fields", {"fields": {"clusters": []}}, "clusters must name a topic"),
        ("fields", {"fields": {"reasoning": " "}}, "reasoning is missing"),
    ],
)
async def test_a_bad_row_is_invalid_and_its_neighbours_are_not(
    client: GrokClient, fake: FakeGrok, kind: str, how: dict[str, Any], reason: str
) -> None:
    fake.misbehave(kind, marker="great", **how)

    reply = await client.analyse(TEXTS, at_once)

    first, second, third = reply.rows
    assert isinstance(first, Analysis)
    assert isinstance(second, Invalid)
    assert isinstance(third, Analysis)
    assert second.reason == reason


async def test_rows_in_another_order_and_twice_alike_are_matched_by_id(
    client: GrokClient, fake: FakeGrok
) -> None:
    straight = await client.analyse(TEXTS, at_once)
    fake.misbehave("twice")
    fake.misbehave("reordered")

    reply = await client.analyse(TEXTS, at_once)

    assert reply.rows == straight.rows
    assert reply.ignored_ids == 0


async def test_rows_for_ids_not_asked_for_are_ignored_and_counted(client: GrokClient, fake: FakeGrok) -> None:
    straight = await client.analyse(TEXTS, at_once)
    fake.misbehave("invented")
    fake.misbehave("invented", text="4")

    reply = await client.analyse(TEXTS, at_once)

    assert reply.rows == straight.rows
    assert reply.ignored_ids == 2


async def test_a_completion_without_usage_or_cost_is_still_a_reply(
    client: GrokClient, fake: FakeGrok
) -> None:
    fake.misbehave("no_ticks", calls=1)
    fake.misbehave("no_usage", calls=2)

    without_usage = [(await client.analyse(TEXTS, at_once)).usage for _ in range(2)]
    fake.misbehave("no_ticks")
    without_ticks = (await client.analyse(TEXTS, at_once)).usage

    assert without_usage == [Usage(), Usage()]
    assert without_ticks.cost_ticks is None
    assert without_ticks.prompt_tokens > 0


async def test_a_server_without_json_schema_is_asked_for_any_object_from_then_on(
    client: GrokClient, fake: FakeGrok
) -> None:
    fake.misbehave("no_json_schema")
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1

    first = await client.analyse(TEXTS, turn)
    second = await client.analyse(TEXTS, turn)

    assert first.rows == second.rows
    assert [call.status for call in fake.calls] == [400, 200, 200]
    assert turns == 3
    assert fake.violations == []


async def test_a_batch_that_fails_with_and_without_schema_is_no_reason_to_drop_the_schema(
    client: GrokClient, fake: FakeGrok
) -> None:
    fake.misbehave("status", calls=2, status=400, text="the json_schema in my text is broken")

    error = await failure(client)
    await client.analyse(TEXTS, at_once)

    assert (type(error).__mro__[1], error.outcome) == (BatchFault, "rejected")
    assert json.loads(fake.recent[-1].body)["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("key", ["", " ", "two\nlines", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as caught:
        client_for("http://127.0.0.1:9", api_key=SecretStr(key))

    assert key.strip() == "" or key not in str(caught.value)


async def test_white_space_around_the_key_is_no_part_of_it(server: Served, fake: FakeGrok) -> None:
    async with client_for(server.url, api_key=SecretStr(f" {KEY}\n")) as client:
        await client.analyse(TEXTS, at_once)

    assert fake.violations == []


async def test_as_many_calls_are_in_flight_as_are_allowed(server: Served, fake: FakeGrok) -> None:
    fake.misbehave("hang")
    async with client_for(server.url, max_in_flight=16) as client, asyncio.TaskGroup() as group:
        calls = [group.create_task(client.analyse(TEXTS[:1], at_once)) for _ in range(16)]
        await eventually(lambda: len(fake.calls) == 16)
        for call in calls:
            call.cancel()

    assert time.monotonic() - fake.calls[0].arrived < 10
