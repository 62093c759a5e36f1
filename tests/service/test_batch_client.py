"""The client of the Batch API against the fake one on a real socket, well behaved and not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from benchmarks.support.serving import Served
from domain.analysis import Analysis, CallFailed, Denied, ProviderFault, RateLimited, Unsent
from domain.topics import BUILT_IN
from llm.batches.client import XaiBatches
from llm.batches.faults import CHANGED, CLOSED, NO_MODEL, UNKNOWN, BatchRefused
from llm.batches.progress import NOT_COUNTED, BatchCounters, BatchStage, stage_of
from llm.batches.rows import BatchRequest, BatchRow
from llm.completions import parse_reply
from llm.prices import cost_ticks
from llm.prompts import request_body, system_message
from tests.fake_grok.server import KEY, FakeGrok, judged

LATE, GREAT = "the parcel is late and the box is broken", "great support, thanks a lot"
NOBODY = httpx.Headers({"authorization": f"Bearer {KEY}"})
DAY = 20_788
SENT = (("r1", 1), ("r2", 2))


def a_request(number: str, *texts: str, model: str = "grok-4.3") -> BatchRequest:
    body = request_body(
        texts or (LATE,), system=system_message(BUILT_IN), model=model, effort=None, strict=True
    )
    return BatchRequest(number, json.loads(body))


async def at_once() -> None:
    """A pacer without a pace."""


def client_for(url: str, **how: Any) -> XaiBatches:
    given: dict[str, Any] = {"api_key": SecretStr(KEY), "before_send": at_once, "timeout": 10}
    return XaiBatches(base_url=f"{url}/v1", **(given | how))


@pytest.fixture
def fake(fake: FakeGrok) -> FakeGrok:
    fake.batches.told({"seconds": 0, "revert_seconds": 0.05, "at_once": 500, "limited": False})
    return fake


@pytest.fixture
async def client(server: Served, fake: FakeGrok) -> AsyncIterator[XaiBatches]:
    async with client_for(server.url) as opened:
        yield opened


async def a_batch(client: XaiBatches, *requests: BatchRequest, name: str = "insights-1") -> str:
    number = await client.create(name)
    await client.add(number, requests or [a_request("r1")])
    return number


async def read(client: XaiBatches, number: str) -> list[BatchRow]:
    return [row async for row in client.rows(number)]


async def refused(kind: type[CallFailed], calling: Any) -> Any:
    with pytest.raises(kind) as caught:
        await calling
    return caught.value


async def test_each_request_is_answered_as_it_would_be_live_and_costs_a_fifth_less(
    client: XaiBatches, fake: FakeGrok
) -> None:
    number = await a_batch(client, a_request("r2", LATE, GREAT), a_request("r1", GREAT))
    progress = await client.progress(number)
    rows = {row.id: row for row in await read(client, number)}

    replies = [parse_reply(rows[name].response, count=count, model="grok-4.3") for name, count in SENT]
    scores = [row.score / 10_000 for reply in replies for row in reply.rows if isinstance(row, Analysis)]
    assert stage_of(progress, sent=2, unchanged=0) is BatchStage.ENDED
    assert progress.counters == BatchCounters(2, 0, 2, 0, 0)
    assert scores == [judged(text)["sentiment_score"] for text in (GREAT, LATE, GREAT)]
    costs = [reply.usage.cost_ticks for reply in replies]
    assert sum(cost or 0 for cost in costs) == fake.batches.billed_ticks > 0
    for reply in replies:
        untold = replace(reply.usage, cost_ticks=None)
        assert reply.usage.cost_ticks == cost_ticks("grok-4.3", untold, day=DAY, in_batch=True)
    assert fake.billed_ticks == 0
    assert fake.violations == []


async def test_the_provider_says_for_how_many_days_it_keeps_a_batch_and_no_hour(client: XaiBatches) -> None:
    progress = await client.progress(await a_batch(client))

    assert progress.created is not None
    assert progress.expires is not None
    assert (progress.expires - progress.created).days == 30


async def test_a_batch_is_found_by_its_name_on_any_page(client: XaiBatches, fake: FakeGrok) -> None:
    for other in range(1_100):
        fake.batches.put(f"of another service {other}")
    number = await client.create("insights-1")

    assert await client.find("insights-1") == number
    assert await client.find("insights-2") is None


async def test_a_call_that_got_no_answer_was_done_all_the_same(client: XaiBatches, fake: FakeGrok) -> None:
    for operation in ("create", "add", "cancel"):
        fake.batches.misbehave("lost_answer", on=operation, times=1)
    fake.batches.told({"seconds": 1_000})

    await refused(ProviderFault, client.create("insights-1"))
    number = await client.find("insights-1")
    assert number is not None
    await refused(ProviderFault, client.add(number, [a_request("r1")]))
    await client.add(number, [a_request("r1")])
    assert (await client.progress(number)).counters.requests == 1
    await refused(ProviderFault, client.cancel(number))
    assert (await client.progress(number)).is_cancelled


@pytest.mark.parametrize("mishap", ["short_pages", "empty_token", "no_token", "twice"])
async def test_every_row_is_read_whatever_the_pages_look_like(
    server: Served, fake: FakeGrok, mishap: str
) -> None:
    fake.batches.misbehave(mishap)
    requests = [a_request(f"r{number}") for number in range(25)]
    async with client_for(server.url, page=4) as client:
        rows = await read(client, await a_batch(client, *requests))

    assert {row.id for row in rows} == {each.id for each in requests}
    assert len(rows) == (50 if mishap == "twice" else 25)


async def test_rows_are_read_while_the_batch_runs(client: XaiBatches, fake: FakeGrok) -> None:
    fake.batches.misbehave("stuck", marker="broken")
    number = await a_batch(client, a_request("r1", LATE), a_request("r2", GREAT))

    progress = await client.progress(number)

    assert stage_of(progress, sent=2, unchanged=10**12) is BatchStage.RUNNING
    assert [row.id for row in await read(client, number)] == ["r2"]


@pytest.mark.parametrize(
    ("mishap", "said", "outcome"),
    [
        ({"kind": "error", "text": f"Failed on: {LATE}"}, f"Failed on: {LATE}", "rejected"),
        ({"kind": "error", "text": "Timed out waiting for a worker"}, "Timed out", "server_error"),
        ({"kind": "error", "text": "Team t-1 has used all available credits"}, "Team", "credits"),
        ({"kind": "unknown"}, "unknown", "rejected"),
        ({"kind": "nothing"}, "unknown", "rejected"),
    ],
)
async def test_a_row_without_an_answer_has_a_fault_that_repeats_no_conversation(
    client: XaiBatches, fake: FakeGrok, mishap: dict[str, str], said: str, outcome: str
) -> None:
    fake.batches.misbehave(**mishap)

    [row] = await read(client, await a_batch(client))

    assert row.completion is None
    assert (row.error or "").startswith(said)
    assert row.fault.outcome == outcome
    assert "parcel" not in row.fault.detail


async def test_a_cancelled_request_may_come_and_is_paid_for(client: XaiBatches, fake: FakeGrok) -> None:
    fake.batches.told({"seconds": 1_000})
    fake.batches.misbehave("reverts", marker="great")
    number = await a_batch(client, a_request("r1", LATE), a_request("r2", GREAT))

    at_first = await client.cancel(number)
    assert at_first.counters == BatchCounters(2, 0, 0, 0, 2)
    assert stage_of(at_first, sent=2, unchanged=0) is BatchStage.SETTLING
    await came_back(client, number, BatchCounters(2, 0, 1, 0, 1))
    rows = {row.id: row for row in await read(client, number)}
    assert rows["r1"].is_cancelled
    assert rows["r1"].fault.outcome == "cancelled"
    assert rows["r2"].completion is not None
    assert fake.batches.billed_ticks > 0


async def came_back(client: XaiBatches, number: str, counters: BatchCounters) -> None:
    async with asyncio.timeout(10):
        while (await client.progress(number)).counters != counters:
            pass


@pytest.mark.parametrize("kind", ["refused", "stopped"])
async def test_the_provider_may_end_a_batch_itself(client: XaiBatches, fake: FakeGrok, kind: str) -> None:
    fake.batches.misbehave(kind)
    number = await a_batch(client, *(a_request(f"r{number}") for number in range(4)))

    progress = await client.progress(number)

    assert progress.refused
    if kind == "refused":
        assert progress.counters == NOT_COUNTED
        assert stage_of(progress, sent=4, unchanged=0) is BatchStage.REFUSED
        assert await read(client, number) == []
    else:
        assert stage_of(progress, sent=4, unchanged=0) is BatchStage.SETTLING
        assert sum(row.completion is not None for row in await read(client, number)) == 2


@pytest.mark.parametrize("kind", ["uncounted", "no_state"])
async def test_counters_that_are_not_there_yet_do_not_end_a_batch(
    client: XaiBatches, fake: FakeGrok, kind: str
) -> None:
    fake.batches.misbehave(kind, times=1)
    number = await a_batch(client)

    assert stage_of(await client.progress(number), sent=1, unchanged=10**12) is BatchStage.RUNNING
    assert stage_of(await client.progress(number), sent=1, unchanged=0) is BatchStage.ENDED


async def test_what_is_refused_about_one_batch_is_told_apart(client: XaiBatches, fake: FakeGrok) -> None:
    number = await a_batch(client)

    changed = await refused(BatchRefused, client.add(number, [a_request("r1", GREAT)]))
    no_model = await refused(
        BatchRefused, client.add(number, [a_request("r2"), a_request("r3", model="grok-4.7")])
    )
    unknown = await refused(BatchRefused, client.progress("batch/of nobody"))
    await client.cancel(number)
    closed = await refused(BatchRefused, client.add(number, [a_request("r4")]))

    assert [each.outcome for each in (changed, no_model, unknown, closed)] == [
        CHANGED,
        NO_MODEL,
        UNKNOWN,
        CLOSED,
    ]
    assert "grok-4.7" in no_model.detail
    assert (await client.progress(number)).counters.requests == 1  # all of a call or none


async def test_a_refusal_never_repeats_a_conversation(client: XaiBatches, fake: FakeGrok) -> None:
    number = await a_batch(client)
    fake.batches.misbehave("status", on="add", status=400, text=f"wrong: {LATE}", times=1)
    fake.batches.misbehave("status", on="add", status=412, text=f"wrong: {LATE}", times=1)

    faults = [await refused(CallFailed, client.add(number, [a_request("r2")])) for _ in range(2)]

    assert [fault.status for fault in faults] == [400, 412]
    assert not any("parcel" in fault.detail for fault in faults)


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"kind": "status", "status": 429, "headers": {"retry-after": "7"}}, RateLimited),
        ({"kind": "status", "status": 503}, ProviderFault),
        ({"kind": "status", "status": 403, "text": "The team has no permission"}, Denied),
        ({"kind": "garbage"}, ProviderFault),
    ],
)
@pytest.mark.parametrize("operation", ["create", "list", "add", "progress", "results", "cancel"])
async def test_the_errors_are_those_of_live_calls(
    client: XaiBatches, fake: FakeGrok, how: dict[str, Any], kind: type[CallFailed], operation: str
) -> None:
    number = await a_batch(client)
    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: client.create("insights-2"),
        "list": lambda: client.find("insights-2"),
        "add": lambda: client.add(number, [a_request("r2")]),
        "progress": lambda: client.progress(number),
        "results": lambda: read(client, number),
        "cancel": lambda: client.cancel(number),
    }
    fake.batches.misbehave(on=operation, times=1, **how)

    fault = await refused(kind, calls[operation]())

    assert not isinstance(fault, Unsent)
    if isinstance(fault, RateLimited):
        assert fault.retry_after == 7


async def test_the_documented_rates_are_kept_by_the_server(client: XaiBatches, fake: FakeGrok) -> None:
    fake.batches.told({"limited": True})
    await client.create("insights-1")
    await client.create("insights-2")

    await refused(RateLimited, client.create("insights-3"))


async def test_a_wrong_key_is_known_as_one(server: Served, fake: FakeGrok) -> None:
    async with client_for(server.url, api_key=SecretStr("xai-not-this-one")) as client:
        fault = await refused(Denied, client.create("insights-1"))

    assert fault.outcome == "credentials"
    assert "not-this-one" not in str(fault)


async def test_a_server_without_batches_is_no_fault_of_a_batch(fake: FakeGrok, server: Served) -> None:
    async with client_for(f"{server.url}/elsewhere") as client:
        await refused(Denied, client.create("insights-1"))


async def test_each_request_waits_for_its_turn(server: Served, fake: FakeGrok) -> None:
    turns: list[str] = []

    async def turn() -> Callable[[], None]:
        turns.append("sent")
        return lambda: turns.append("departed")

    async with client_for(server.url, before_send=turn, page=2) as client:
        number = await a_batch(client, *(a_request(f"r{number}") for number in range(4)))
        await read(client, number)

    assert turns.count("sent") == 4
    assert [turn for turn, _ in groupby(turns)] == ["sent", "departed"] * 4


async def test_nothing_is_sent_while_the_server_is_gone(server: Served, fake: FakeGrok) -> None:
    async with client_for("http://127.0.0.1:9") as client:
        await refused(Unsent, client.create("insights-1"))


async def test_the_list_of_requests_says_how_each_is(
    server: Served, client: XaiBatches, fake: FakeGrok
) -> None:
    """The client has no use for it; the fake has it as xAI does."""
    fake.batches.misbehave("stuck", marker="broken")
    number = await a_batch(client, a_request("r1", LATE), a_request("r2", GREAT))
    async with httpx.AsyncClient(headers=NOBODY) as plain:
        listed = await plain.get(f"{server.url}/v1/batches/{number}/requests")
        gone = await plain.delete(f"{server.url}/v1/batches/{number}")

    states = [each["state"] for each in listed.json()["batch_request_metadata"]]
    assert states == ["pending", "succeeded"]
    assert gone.status_code == 405


async def test_the_fake_tells_over_http_what_it_charged(
    server: Served, client: XaiBatches, fake: FakeGrok
) -> None:
    async with httpx.AsyncClient(base_url=server.url) as plain:
        told = {"batch": {"seconds": 0, "mishaps": [{"kind": "error", "marker": "broken"}]}}
        await plain.post("/__control", json=told)
        number = await a_batch(client, a_request("r1", LATE), a_request("r2", GREAT))
        rows = await read(client, number)
        stats = (await plain.get("/__stats", params={"bill": 1})).json()

    bill: Sequence[dict[str, Any]] = stats["bill"]
    assert [(each["id"], each["state"], each["texts"], each["served"]) for each in bill] == [
        ("r1", "failed", [LATE], 1),
        ("r2", "succeeded", [GREAT], 1),
    ]
    assert [each["ticks"] > 0 for each in bill] == [row.completion is not None for row in rows]
    assert stats["batches"]["billed_ticks"] == sum(each["ticks"] for each in bill)
    assert stats["batches"]["operations"]["add 200"] == 1
