"""Reading conversations from the running service and steering them, on both databases."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from domain.topics import BUILT_IN
from llm.prices import TICKS_PER_USD
from llm.prompts import prompt_version
from tests.support.service import Grok, Service, running

LATE = "My parcel is three days late and nobody answers"
SHORT = "ok then"
JSON = {"Content-Type": "application/json"}
SECONDS_OF_SLOW_CALL = 0.6


@pytest.fixture
async def service(database_url: URL, grok: Grok) -> AsyncIterator[Service]:
    async with running(database_url, grok, max_retries=0) as made:
        yield made


async def failed(service: Service, grok: Grok, said: str) -> str:
    """A conversation that Grok left out of its answer."""
    fault = grok.misbehave("missing", marker=said)
    id_ = await service.post(said)
    assert (await service.ended(id_))["status"] == "failed"
    grok.faults.remove(fault)
    return id_


# --- one ----------------------------------------------------------------------------------------------------


async def test_a_completed_conversation_shows_its_insight(service: Service, grok: Grok) -> None:
    id_ = await service.post(LATE, author="c1", metadata={"a": 1})

    view = await service.ended(id_)
    analysed_at, received_at = view["insight"].pop("analysed_at"), view["received_at"]

    assert received_at <= analysed_at <= view["finished_at"]
    assert view["insight"] == {
        "grok_analysis": {
            "sentiment_score": -0.4,
            "clusters": view["insight"]["grok_analysis"]["clusters"],
            "confidence": view["insight"]["grok_analysis"]["confidence"],
            "reasoning": "0 good words and 1 bad ones.",
        },
        "sentiment": "negative",
        "language": "en",
        "analyzer": "grok",
        "model": "grok-4.3",
        "prompt_version": prompt_version(BUILT_IN),
        "correction": None,
        "fields": None,
        "fields_version": None,
        "cached": False,
        "partial": False,
    }
    assert len(view["insight"]["grok_analysis"]["clusters"]) == 1
    assert {name: view[name] for name in ("status", "error", "skip_reason", "attempts")} == {
        "status": "completed",
        "error": None,
        "skip_reason": None,
        "attempts": 1,
    }
    assert grok.violations == []


async def test_a_wait_ends_with_the_analysis_and_not_before(service: Service, grok: Grok) -> None:
    grok.latency = SECONDS_OF_SLOW_CALL
    id_ = await service.post(LATE)

    since = time.monotonic()
    unfinished = await service.one(id_, wait=0.1)
    impatient = time.monotonic() - since
    finished = await service.one(id_, wait=60)
    patient = time.monotonic() - since

    assert unfinished["status"] in ("queued", "processing")
    assert unfinished["insight"] is None
    assert impatient >= 0.1
    assert finished["status"] == "completed"
    assert SECONDS_OF_SLOW_CALL < patient < 30


async def test_a_wait_for_what_has_ended_or_does_not_exist_takes_no_time(service: Service) -> None:
    id_ = await service.post(SHORT)
    await service.ended(id_)

    since = time.monotonic()
    await service.one(id_, wait=60)
    unknown = await service.http.get(f"{POSTS}/unknown", params={"wait": 60})

    assert unknown.status_code == 404
    assert time.monotonic() - since < 30


async def test_raw_shows_what_grok_wrote_and_what_the_call_cost(service: Service, grok: Grok) -> None:
    id_ = await service.post(LATE)

    plain = await service.ended(id_)
    raw = (await service.one(id_, include="raw"))["raw"]

    assert "raw" not in plain
    assert raw["answer"] == {"conversation_id": "1", **plain["insight"]["grok_analysis"]}
    call = raw["call"]
    assert call["cost_usd"] == pytest.approx(grok.billed_ticks / TICKS_PER_USD)
    assert call["prompt_tokens"] == grok.tokens["prompt_tokens"]
    assert call["completion_tokens"] == grok.tokens["completion_tokens"]
    assert {name: call[name] for name in ("provider", "model", "request_id", "conversations")} == {
        "provider": "grok",
        "model": "grok-4.3",
        "request_id": "call-1",
        "conversations": 1,
    }
    assert call["started_at"] < call["finished_at"]


async def test_raw_is_null_while_there_is_no_insight(service: Service) -> None:
    id_ = await service.post(SHORT)

    view = await service.ended(id_, include="raw")

    assert (view["status"], view["skip_reason"], view["raw"]) == ("skipped", "too_short", None)


async def test_the_status_of_many_is_told_in_the_order_asked(service: Service, grok: Grok) -> None:
    done = await service.post(LATE)
    await service.ended(done)
    short = await service.post(SHORT)
    await service.ended(short)
    lost = await failed(service, grok, "This text has no answer from anybody")

    asked = {"ids": [short, "unknown", done, lost, done]}
    response = await service.http.post(f"{POSTS}/status", json=asked)

    insight = (await service.one(done))["insight"]
    assert (response.status_code, response.json()) == (
        200,
        {
            "conversations": [
                {
                    "conversation_id": short,
                    "status": "skipped",
                    "error": None,
                    "skip_reason": "too_short",
                    "insight": None,
                },
                {
                    "conversation_id": done,
                    "status": "completed",
                    "error": None,
                    "skip_reason": None,
                    "insight": insight,
                },
                {
                    "conversation_id": lost,
                    "status": "failed",
                    "error": "no row in the answer",
                    "skip_reason": None,
                    "insight": None,
                },
            ],
            "unknown": ["unknown"],
        },
    )


# --- many ---------------------------------------------------------------------------------------------------


async def test_the_list_is_paged_from_the_newest_intake_to_the_oldest(service: Service) -> None:
    ids = await service.post_all(f"{LATE} {number}" for number in range(5))
    ids.append(await service.post(LATE, timestamp="1999-01-01"))

    first = await service.get(POSTS, limit=4)
    await service.post("It came in after the first page")
    second = await service.get(POSTS, limit=4, cursor=first["next_cursor"])

    shown = [item["conversation_id"] for page in (first, second) for item in page["conversations"]]
    assert shown == ids[::-1]
    assert second["next_cursor"] is None
    assert all("text" not in item and "messages" not in item for item in first["conversations"])


async def test_the_list_is_filtered(service: Service, grok: Grok) -> None:
    mine = await service.post(LATE, author="me", external_id="e-1")
    short = await service.post(SHORT, author="me")
    lost = await failed(service, grok, "This text has no answer from anybody")
    await service.all_ended([mine, short, lost])

    async def listed(**filters: str) -> list[str]:
        page = await service.get(POSTS, **filters)
        return [item["conversation_id"] for item in page["conversations"]]

    assert await listed(author="me") == [short, mine]
    assert await listed(external_id="e-1") == [mine]
    assert await listed(status="skipped") == [short]
    assert await listed(status="failed") == [lost]
    assert await listed(status="completed", author="me") == [mine]
    assert await listed(status="queued") == []


# --- retry --------------------------------------------------------------------------------------------------


async def test_what_failed_is_analysed_again_on_request(service: Service, grok: Grok) -> None:
    id_ = await failed(service, grok, LATE)

    response = await service.http.post(f"{POSTS}/{id_}/retry")

    assert (response.status_code, response.json()) == (202, {"queued": 1})
    view = await service.ended(id_)
    assert (view["status"], view["error"]) == ("completed", None)
    assert grok.sent[LATE] == 2


async def test_what_was_skipped_passes_the_prefilter_on_request(service: Service, grok: Grok) -> None:
    id_ = await service.post(SHORT)
    await service.ended(id_)
    assert grok.calls == []

    await service.http.post(f"{POSTS}/{id_}/retry")

    view = await service.ended(id_)
    assert (view["status"], view["skip_reason"]) == ("completed", None)
    assert grok.sent[SHORT] == 1


@pytest.mark.parametrize("fresh", [False, True])
async def test_a_fresh_retry_asks_although_the_answer_is_known(
    service: Service, grok: Grok, fresh: bool
) -> None:
    id_ = await failed(service, grok, LATE)
    twin = await service.post(LATE)
    await service.ended(twin)
    asked = grok.sent[LATE]

    await service.http.post(f"{POSTS}/{id_}/retry", params={"fresh": fresh})

    view = await service.ended(id_)
    assert view["insight"]["cached"] is not fresh
    assert grok.sent[LATE] == asked + fresh


async def test_what_has_not_failed_is_not_retried(service: Service, grok: Grok) -> None:
    done = await service.post(LATE)
    await service.ended(done)

    response = await service.http.post(f"{POSTS}/{done}/retry")

    assert (response.status_code, response.json()["error"]) == (409, "conflict")
    assert grok.sent[LATE] == 1


async def test_all_that_failed_are_retried_in_one_request(service: Service, grok: Grok) -> None:
    fault = grok.misbehave("missing")
    ids = await service.post_all(f"{LATE} {number}" for number in range(150))
    short = await service.post(SHORT)
    views = await service.all_ended([*ids, short])
    assert {view["status"] for view in views} == {"failed", "skipped"}
    grok.faults.remove(fault)

    response = await service.http.post(f"{POSTS}/retry", params={"status": "failed"})

    assert (response.status_code, response.json()) == (202, {"queued": 150})
    views = await service.all_ended(ids)
    assert {view["status"] for view in views} == {"completed"}
    assert (await service.one(short))["status"] == "skipped"


# --- delete -------------------------------------------------------------------------------------------------


async def count(service: Service, table: str) -> int:
    return int((await service.rows(f"SELECT count(*) FROM {table}"))[0][0])  # noqa: S608  our own tables


async def test_what_is_deleted_leaves_nothing_and_its_id_may_be_used_again(service: Service) -> None:
    await service.post(LATE, conversation_id="mine", external_id="e")
    await service.ended("mine")

    response = await service.http.delete(f"{POSTS}/mine")

    assert (response.status_code, response.content) == (204, b"")
    tables = ("conversations", "messages", "insights", "insight_topics")
    assert [await count(service, table) for table in tables] == [0, 0, 0, 0]
    assert {row[0] for row in await service.rows("SELECT n FROM counts")} <= {0}
    again = await service.http.post(
        POSTS, json={"text": "Quite another story, great", "external_id": "e", "conversation_id": "mine"}
    )
    assert again.json()["enqueued"] is True
    assert (await service.ended("mine"))["insight"]["sentiment"] == "positive"


async def test_a_result_that_comes_after_the_deletion_is_dropped_and_its_cost_kept(
    service: Service, grok: Grok
) -> None:
    grok.latency = SECONDS_OF_SLOW_CALL
    gone, stays = await service.post_all([LATE, "The invoice is wrong"])
    await eventually(lambda: grok.calls)

    response = await service.http.delete(f"{POSTS}/{gone}")

    assert response.status_code == 204
    assert (await service.ended(stays))["status"] == "completed"
    assert (await service.http.get(f"{POSTS}/{gone}")).status_code == 404
    assert await count(service, "insights") == 1
    calls = await service.rows("SELECT outcome, cost_ticks FROM grok_calls")
    assert [tuple(call) for call in calls] == [("ok", grok.billed_ticks)]
    dollars = (await service.metrics())["estimated_cost_usd_total"]
    assert dollars == pytest.approx(grok.billed_ticks / TICKS_PER_USD)


async def test_a_twin_of_what_was_deleted_in_flight_is_asked_itself(service: Service, grok: Grok) -> None:
    grok.latency = SECONDS_OF_SLOW_CALL
    first = await service.post(LATE)
    await eventually(lambda: grok.calls)
    twin = await service.post(LATE)

    await service.http.delete(f"{POSTS}/{first}")

    view = await service.ended(twin)
    assert (view["status"], view["insight"]["cached"]) == ("completed", False)
    assert await count(service, "insights") == 1


# --- what there is not --------------------------------------------------------------------------------------

UNKNOWN = [
    ("GET", f"{POSTS}/unknown"),
    ("GET", f"{POSTS}/-no-id"),
    ("GET", f"{POSTS}/{'x' * 129}"),
    ("GET", f"{POSTS}/nul%00"),
    ("POST", f"{POSTS}/unknown/retry"),
    ("DELETE", f"{POSTS}/unknown"),
    ("GET", "/api/v2"),
    ("POST", "/api/v2/conversations"),
]
BAD_QUERIES: list[tuple[str, str, dict[str, Any], str]] = [
    ("GET", POSTS, {"limit": 0}, "limit"),
    ("GET", POSTS, {"limit": 1001}, "limit"),
    ("GET", POSTS, {"limit": "swordfish"}, "limit"),
    ("GET", POSTS, {"status": "swordfish"}, "status"),
    ("GET", POSTS, {"cursor": "swordfish"}, "cursor: must be a value of next_cursor"),
    ("GET", POSTS, {"author": "\0"}, "author"),
    ("GET", POSTS, {"external_id": ""}, "external_id"),
    ("GET", POSTS, {"colour": "swordfish"}, "colour"),
    ("GET", POSTS, {"author": ["swordfish", "swordfish"]}, "author"),
    ("GET", f"{POSTS}/unknown", {"wait": -1}, "wait"),
    ("GET", f"{POSTS}/unknown", {"wait": "nan"}, "wait"),
    ("GET", f"{POSTS}/unknown", {"include": "swordfish"}, "include"),
    ("POST", f"{POSTS}/retry", {}, "status"),
    ("POST", f"{POSTS}/retry", {"status": "completed"}, "status"),
    ("POST", f"{POSTS}/unknown/retry", {"fresh": "swordfish"}, "fresh"),
    ("POST", f"{POSTS}/bulk", {"on_conflict": "swordfish"}, "on_conflict"),
    ("POST", f"{POSTS}/bulk", {"freshness": "swordfish"}, "freshness"),
    ("POST", f"{POSTS}/bulk", {"freshness": ["day", "swordfish"]}, "freshness"),
    ("POST", f"{POSTS}/bulk", {"colour": "swordfish"}, "colour"),
    ("POST", "/chats", {"freshness": "swordfish"}, "freshness"),
    ("POST", "/chats", {"freshness": ["day", "day"]}, "freshness"),
]


async def test_what_there_is_not_is_a_404(service: Service) -> None:
    found = [await service.http.request(method, path) for method, path in UNKNOWN]

    assert [response.status_code for response in found] == [404] * len(UNKNOWN)
    assert {response.json()["error"] for response in found} == {"not_found"}


async def test_a_bad_parameter_is_a_400_that_names_it_and_not_its_value(service: Service) -> None:
    sent = [{"text": LATE}]
    answers = [
        await service.http.request(method, path, params=params, json=sent if method == "POST" else None)
        for method, path, params, _ in BAD_QUERIES
    ]

    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (400, "invalid_query")
    ] * len(BAD_QUERIES)
    for answer, (_, _, _, name) in zip(answers, BAD_QUERIES, strict=True):
        assert name in answer.json()["details"]
        assert "swordfish" not in answer.text
    assert await count(service, "conversations") == 0


async def test_a_bad_status_request_is_a_400(service: Service) -> None:
    ids: list[Any] = [[], ["x"] * 501, [""], ["\0"], ["\ud800"], ["x" * 129], "x", 5]
    bodies: list[Any] = [*({"ids": each} for each in ids), {}, [], {"ids": ["x"], "colour": 1}]

    for sent in bodies:
        response = await service.http.post(f"{POSTS}/status", content=json.dumps(sent), headers=JSON)

        assert (response.status_code, response.json()["error"]) == (400, "invalid_schema"), sent


async def test_another_method_is_a_405_that_names_all_those_there_are(service: Service) -> None:
    allowed = {
        POSTS: {"GET", "HEAD", "POST"},
        f"{POSTS}/bulk": {"POST"},
        f"{POSTS}/status": {"POST"},
        f"{POSTS}/some-id": {"GET", "HEAD", "DELETE"},
        f"{POSTS}/some-id/retry": {"POST"},
        "/health": {"GET", "HEAD"},
        "/metrics": {"GET", "HEAD"},
        "/docs": {"GET"},
    }

    found = {path: await service.http.put(path) for path in allowed}

    assert {response.status_code for response in found.values()} == {405}
    assert {response.json()["error"] for response in found.values()} == {"method_not_allowed"}
    assert {path: set(response.headers["allow"].split(", ")) for path, response in found.items()} == allowed
    assert found[POSTS].json()["details"] == "This path takes GET, HEAD, POST"


async def test_reads_go_on_while_others_wait(service: Service, grok: Grok) -> None:
    grok.latency = SECONDS_OF_SLOW_CALL
    ids = await service.post_all(f"{LATE} {number}" for number in range(30))

    views = await asyncio.gather(*(service.ended(id_) for id_ in ids))

    assert {view["status"] for view in views} == {"completed"}
