"""The fake Grok itself: what it refuses, how it misbehaves, what it counts, and the program."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.support.serving import Served
from domain.topics import BUILT_IN
from llm.prompts import request_body, system_message
from tests.fake_grok.server import KEY, FakeGrok, judged

HERE = Path(__file__).parents[2]
TEXTS = ["the parcel is late", "great support, thanks", "where is my seat?"]
Change = Callable[[dict[str, Any]], None]


def body(texts: list[str]) -> dict[str, Any]:
    written = request_body(
        texts, system=system_message(BUILT_IN), model="grok-4.3", effort="none", strict=True
    )
    document: dict[str, Any] = json.loads(written)
    return document


@pytest.fixture
async def http(server: Served) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as client:
        yield client


async def ask(http: httpx.AsyncClient, texts: list[str] = TEXTS, **how: Any) -> httpx.Response:
    return await http.post("/v1/chat/completions", json=body(texts), **how)


def rows_of(response: httpx.Response) -> list[dict[str, Any]]:
    content = response.json()["choices"][0]["message"]["content"]
    rows: list[dict[str, Any]] = json.loads(content)["results"]
    return rows


async def test_the_same_text_is_always_judged_the_same(http: httpx.AsyncClient, fake: FakeGrok) -> None:
    first, second = rows_of(await ask(http)), rows_of(await ask(http, TEXTS[1:]))

    assert first == [{"conversation_id": str(n)} | judged(text) for n, text in enumerate(TEXTS, 1)]
    assert [row["sentiment_score"] for row in second] == [row["sentiment_score"] for row in first[1:]]


def _without(*path: str) -> Change:
    def change(request: dict[str, Any]) -> None:
        for step in path[:-1]:
            request = request[step]
        del request[path[-1]]

    return change


def _with(**fields: Any) -> Change:
    return lambda request: request.update(fields)


def _user(content: str) -> Change:
    return lambda request: request["messages"][1].update(content=content)


def _schema_for_two(request: dict[str, Any]) -> None:
    request["response_format"] = body(TEXTS[:2])["response_format"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (_with(max_tokens=10), 422),
        (_with(reasoning_efort="none"), 422),
        (_with(temperature="0"), 422),
        (_with(temperature=3), 422),
        (_with(stop=["x"]), 422),
        (_with(messages=[]), 422),
        (_without("model"), 422),
        (_without("response_format"), 422),
        (_without("max_completion_tokens"), 422),
        (_with(model="grok-2"), 400),
        (_with(model="grok-4.20-non-reasoning"), 400),
        (_with(model="grok-4.5", reasoning_effort="none"), 400),
        (_user("Please read: {}"), 400),
        (_user('{"conversations": []}'), 400),
        (_user('{"conversations": [{"conversation_id": "2", "text": "x"}]}'), 400),
        (_user('{"conversations": [{"conversation_id": "1", "text": "x", "id": 7}]}'), 400),
        (_without("response_format", "json_schema"), 422),
        (_without("response_format", "json_schema", "schema", "properties"), 400),
        (_schema_for_two, 400),
    ],
    ids=range(19),
)
async def test_a_request_outside_the_protocol_is_refused_and_recorded(
    http: httpx.AsyncClient, fake: FakeGrok, change: Change, status: int
) -> None:
    request = body(TEXTS)
    change(request)

    response = await http.post("/v1/chat/completions", json=request)

    assert response.status_code == status
    assert set(response.json()) == {"code", "error"}
    assert len(fake.violations) == 1
    assert [call.status for call in fake.calls] == [status]
    assert not fake.sent
    assert fake.billed_ticks == 0


@pytest.mark.parametrize(
    ("headers", "status"), [({"authorization": "Bearer other"}, 400), ({"authorization": KEY}, 401)]
)
async def test_a_wrong_key_is_a_400_and_no_bearer_key_a_401(
    http: httpx.AsyncClient, fake: FakeGrok, headers: dict[str, str], status: int
) -> None:
    assert (await ask(http, headers=headers)).status_code == status


async def test_a_request_that_breaks_off_is_no_call(
    http: httpx.AsyncClient, fake: FakeGrok, server: Served
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await ask(http)

    assert [call.status for call in fake.calls] == [200]
    assert fake.violations == []


async def test_other_paths_methods_and_types_are_refused(http: httpx.AsyncClient, fake: FakeGrok) -> None:
    answers = [
        await http.post("/v1/completions", json={}),
        await http.get("/v1/chat/completions"),
        await http.post("/v1/chat/completions", content=b"{}"),
        await http.post("/v1/chat/completions", content=b"{", headers={"content-type": "application/json"}),
    ]

    assert [answer.status_code for answer in answers] == [404, 405, 415, 400]


async def test_an_answer_longer_than_its_cap_is_cut_off(http: httpx.AsyncClient, fake: FakeGrok) -> None:
    response = await http.post("/v1/chat/completions", json=body(TEXTS) | {"max_completion_tokens": 20})

    assert response.json()["choices"][0]["finish_reason"] == "length"
    assert response.json()["usage"]["completion_tokens"] == 20


async def test_a_fault_lasts_for_so_many_calls_or_until_cleared(
    http: httpx.AsyncClient, fake: FakeGrok
) -> None:
    fake.misbehave("status", status=503, calls=2)
    limited = [(await ask(http)).status_code for _ in range(3)]
    fake.misbehave("status", status=429, headers={"retry-after": "3"})
    lasting = [await ask(http) for _ in range(3)]
    fake.faults.clear()

    assert limited == [503, 503, 200]
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in lasting] == [(429, "3")] * 3
    assert (await ask(http)).status_code == 200


async def test_a_marked_text_spoils_every_call_that_it_is_in(http: httpx.AsyncClient, fake: FakeGrok) -> None:
    fake.misbehave("status", status=500, marker="late")

    assert [(await ask(http, texts)).status_code for texts in (TEXTS, TEXTS[1:], TEXTS[:1])] == [
        500,
        200,
        500,
    ]


async def test_faults_add_up(http: httpx.AsyncClient, fake: FakeGrok) -> None:
    fake.misbehave("missing", marker="late")
    fake.misbehave("fields", marker="great", fields={"confidence": None})
    fake.misbehave("twice", marker="seat")
    fake.misbehave("reordered")
    fake.misbehave("invented", text="77")

    rows = rows_of(await ask(http))

    assert [row["conversation_id"] for row in rows] == ["3", "3", "2", "77"]
    assert rows[2]["confidence"] is None


async def test_a_share_of_the_texts_comes_back_wrong_only_the_first_time(
    http: httpx.AsyncClient, fake: FakeGrok
) -> None:
    texts = [f"text number {number}" for number in range(200)]
    fake.misbehave("fields", fields={"sentiment_score": 7}, probability=0.1, first_only=True)

    first, second = rows_of(await ask(http, texts)), rows_of(await ask(http, texts))

    assert 10 <= sum(row["sentiment_score"] == 7 for row in first) <= 30
    assert all(row["sentiment_score"] != 7 for row in second)


async def test_what_was_sent_and_billed_is_counted(http: httpx.AsyncClient, fake: FakeGrok) -> None:
    served_one = await ask(http)
    fake.misbehave("status", calls=1)
    await ask(http, TEXTS[:1])

    stats = (await http.get("/__stats", params={"texts": "1"})).json()

    assert (stats["calls"], stats["texts"], stats["texts_sent"], stats["most_often_sent"]) == (2, 3, 4, 2)
    assert stats["statuses"] == {"200": 1, "500": 1}
    assert stats["sent"] == {TEXTS[0]: 2, TEXTS[1]: 1, TEXTS[2]: 1}
    assert stats["billed_ticks"] == served_one.json()["usage"]["cost_in_usd_ticks"]
    assert "sent" not in (await http.get("/__stats")).json()
    each = (await http.get("/__stats", params={"arrivals": "1"})).json()
    assert each["arrivals"] == [call.arrived for call in fake.calls]
    assert each["carried"] == [len(call.texts) for call in fake.calls]


async def test_a_call_tells_which_texts_were_answered_and_what_it_cost(
    http: httpx.AsyncClient, fake: FakeGrok
) -> None:
    whole = await ask(http)
    for kind, how in (
        ("missing", {"marker": "late"}),
        ("twice", {"marker": "late"}),
        ("fields", {"marker": "late", "fields": {"confidence": 7}}),
        ("cut_off", {}),
        ("finish", {"text": "length"}),
        ("status", {"status": 500}),
        ("drop", {}),
    ):
        fake.faults.clear()
        fake.misbehave(kind, **how)
        with suppress(httpx.TransportError):
            await ask(http)

    assert [call.answered for call in fake.calls] == [TEXTS, *[TEXTS[1:]] * 3, *[[]] * 4]
    assert fake.calls[0].billed_ticks == whole.json()["usage"]["cost_in_usd_ticks"]
    assert [call.billed_ticks > 0 for call in fake.calls] == [True] * 6 + [False, True]
    assert sum(call.billed_ticks for call in fake.calls) == fake.billed_ticks


async def test_calls_take_as_long_as_they_are_told_to(http: httpx.AsyncClient, fake: FakeGrok) -> None:
    loop = asyncio.get_running_loop()
    await http.post("/__control", json={"latency": 1})
    since = loop.time()
    await asyncio.gather(*(ask(http) for _ in range(5)))
    took = loop.time() - since
    await http.post("/__control", json={"latency": 0})

    assert 1 <= took < 4.5  # at once, not one after another


async def test_some_calls_may_take_longer_than_others(http: httpx.AsyncClient, fake: FakeGrok) -> None:
    fake.misbehave("slow", pause=0.3, marker="late")
    fake.misbehave("slow", pause=60, marker="nothing like it")
    since = asyncio.get_running_loop().time()
    answer = await ask(http)

    assert asyncio.get_running_loop().time() - since >= 0.3
    assert len(rows_of(answer)) == len(TEXTS)


async def test_it_is_steered_over_http(http: httpx.AsyncClient, fake: FakeGrok) -> None:
    fault = {"kind": "fields", "fields": {"confidence": float("nan")}, "marker": "late"}
    await http.post("/__control", content=json.dumps({"faults": [fault]}))
    spoilt = rows_of(await ask(http))
    await http.post("/__control", json={"clear": True})
    whole = rows_of(await ask(http))
    await http.post("/__control", json={"key": "another"})
    denied = await ask(http)
    await http.post("/__control", json={"key": KEY, "reset": True})

    assert spoilt[0]["confidence"] != spoilt[0]["confidence"]
    assert whole[0] == {"conversation_id": "1"} | judged(TEXTS[0])
    assert denied.status_code == 400
    assert not fake.calls
