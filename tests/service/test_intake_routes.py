"""Posting conversations to the running service, on both databases: what is taken in, and what is refused."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL, make_url

from benchmarks.support.process import POSTS
from benchmarks.support.rapid import post_rapidly
from benchmarks.support.waiting import eventually
from schemas import ROLES
from tests.support.service import Grok, Service, running

BULK = f"{POSTS}/bulk"
LATE = "My parcel is three days late and nobody answers"
JSON = {"Content-Type": "application/json"}
MEGABYTE = 1024 * 1024


@pytest.fixture
async def service(database_url: URL, grok: Grok) -> AsyncIterator[Service]:
    async with running(database_url, grok) as made:
        yield made


@pytest.fixture
def sqlite_url(tmp_path: Path) -> URL:
    return make_url(f"sqlite+aiosqlite:///{tmp_path / 'insights.db'}")


async def how_many(service: Service) -> int:
    return int((await service.rows("SELECT count(*) FROM conversations"))[0][0])


# --- taken in -----------------------------------------------------------------------------------------------


async def test_a_post_is_answered_with_the_id_and_where_to_find_it(service: Service) -> None:
    response = await service.http.post(POSTS, json={"text": LATE})

    id_ = response.json()["conversation_id"]
    assert response.status_code == 202
    assert response.headers["location"] == f"{POSTS}/{id_}"
    assert response.json() == {
        "status": "accepted",
        "conversation_id": id_,
        "message": "Conversation queued for analysis",
        "enqueued": True,
    }
    assert id_.startswith("conv_")
    assert (await service.http.get(response.headers["location"])).json()["text"] == LATE


async def test_a_text_is_read_back_as_it_was_sent(service: Service) -> None:
    sent = {
        "text": "  Ünlaut, 漢字 and a\r\nbare \r return, late again 🙁 ",
        "author": "customer123",
        "timestamp": "2025-01-20T12:00:00+02:00",
        "external_id": "ticket 7/ä",
        "conversation_id": "chosen-1",
        "raw_data": {"tweet": {"lang": "de", "likes": [1, 2.5, None]}},
        "metadata": {"queue": "vip"},
    }

    await service.http.post(POSTS, json=sent)

    view = await service.one("chosen-1")
    assert {name: view[name] for name in sent} == {**sent, "timestamp": "2025-01-20T10:00:00.000000Z"}
    assert view["received_at"] > view["timestamp"]


async def test_a_dialogue_is_read_back_under_its_own_names(service: Service) -> None:
    turns = [
        {"author_id": "c1", "inbound": True, "text": "It never arrived", "timestamp": "2025-01-20"},
        {"user_id": "a1", "user_type": "support_agent", "message_content": "Which order?"},
        {"message_id": "m3", "text": "The blue one"},
    ]

    id_ = await post_messages(service, turns)

    view = await service.one(id_)
    first, second, third = view["messages"]
    assert view["timestamp"] == first["timestamp"] == "2025-01-20T00:00:00.000000Z"
    assert view["author"] == "c1"
    assert "text" not in view
    assert (first["author"], first["role"]) == ("c1", "customer")
    assert second == {
        "text": "Which order?",
        "author": "a1",
        "role": "support_agent",
        "timestamp": None,
        "message_id": None,
    }
    assert (third["message_id"], third["role"]) == ("m3", None)


async def post_messages(service: Service, turns: list[Any]) -> str:
    response = await service.http.post(POSTS, json={"messages": turns})
    assert response.status_code == 202, response.text
    return str(response.json()["conversation_id"])


@pytest.mark.parametrize("named", ["external_id", "conversation_id", "Idempotency-Key"])
async def test_what_was_posted_before_is_known_by_its_id(service: Service, named: str) -> None:
    headers = {named: "t-1"} if named[0].isupper() else {}
    fields = {"text": LATE, **({} if headers else {named: "t-1"})}
    first = await service.http.post(POSTS, json=fields, headers=headers)

    again = await service.http.post(POSTS, json=fields, headers=headers)
    other = await service.http.post(POSTS, json={**fields, "author": "somebody"}, headers=headers)

    assert again.status_code == 202
    assert again.json() == {
        "status": "accepted",
        "conversation_id": first.json()["conversation_id"],
        "message": "Conversation already accepted",
        "enqueued": False,
    }
    assert (other.status_code, other.json()["error"]) == (409, "conflict")
    assert await how_many(service) == 1


async def test_two_ids_that_belong_to_two_conversations_clash(service: Service) -> None:
    await service.post(LATE, external_id="one")
    await service.post(LATE, conversation_id="two")

    both = {"text": LATE, "external_id": "one", "conversation_id": "two"}
    response = await service.http.post(POSTS, json=both)

    assert (response.status_code, response.json()["error"]) == (409, "conflict")


async def test_the_same_content_under_other_accepted_names_is_the_same(service: Service) -> None:
    one = {"external_id": "x", "messages": [{"text": LATE, "author": "c", "role": "customer"}], "raw": {}}
    two = {
        "raw_data": {},
        "messages": [{"user_id": "c", "inbound": True, "message_content": LATE}],
        "external_id": "x",
    }

    answers = [(await service.http.post(POSTS, json=sent)).json() for sent in (one, two)]

    assert [answer["enqueued"] for answer in answers] == [True, False]


async def test_of_twenty_posts_of_one_id_at_once_one_is_stored(service: Service) -> None:
    sent = {"text": LATE, "external_id": "same"}

    answers = await asyncio.gather(*(service.http.post(POSTS, json=sent) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.json()["enqueued"] for answer in answers) == 1
    assert len({answer.json()["conversation_id"] for answer in answers}) == 1
    assert await how_many(service) == 1


# --- bulk ---------------------------------------------------------------------------------------------------


async def test_a_bulk_counts_what_is_new_and_gives_the_ids_in_the_order_sent(service: Service) -> None:
    known = await service.post(LATE, external_id="known")
    sent = [
        {"text": "The first of many complaints", "conversation_id": "z"},
        {"text": LATE, "external_id": "known"},
        {"text": "Another one, about the bill", "conversation_id": "a"},
        {"text": "Another one, about the bill", "conversation_id": "a"},
    ]

    response = await service.http.post(BULK, json=sent)

    assert (response.status_code, response.json()) == (
        202,
        {"ingested": 2, "enqueued": 2, "duplicates": 2, "conversation_ids": ["z", known, "a", "a"]},
    )
    listed = (await service.get(POSTS))["conversations"]
    assert {item["conversation_id"] for item in listed} == {"a", "z", known}


async def test_a_bulk_with_bad_items_names_them_all_and_stores_nothing(service: Service) -> None:
    sent: list[Any] = [{"text": LATE}, {"author": "x"}, {"text": LATE}, {"text": LATE, "colour": 1}, 5]

    response = await service.http.post(BULK, json=sent)

    assert response.status_code == 400
    assert response.json() == {
        "error": "invalid_schema",
        "details": [
            {"index": 1, "error": "Missing required field: text"},
            {"index": 3, "error": "Unknown field: colour"},
            {"index": 4, "error": "must be a JSON object"},
        ],
    }
    assert await how_many(service) == 0


async def test_a_bulk_with_a_clash_stores_nothing_unless_told_to_skip_it(service: Service) -> None:
    await service.post(LATE, external_id="one", conversation_id="first")
    sent = [{"text": "Something else entirely", "external_id": "one"}, {"text": LATE, "external_id": "two"}]
    clashes = [{"index": 0, "error": "conflict", "conversation_id": "first"}]

    refused = await service.http.post(BULK, json=sent)
    stored = await how_many(service)
    skipped = await service.http.post(BULK, json=sent, params={"on_conflict": "skip"})

    assert (refused.status_code, refused.json()) == (409, {"error": "conflict", "details": clashes})
    assert stored == 1
    body = skipped.json()
    assert (skipped.status_code, body["ingested"], body["conflicts"]) == (202, 1, clashes)
    assert body["conversation_ids"][0] is None
    assert (await service.one(body["conversation_ids"][1]))["external_id"] == "two"


async def test_what_can_wait_is_analysed_where_nothing_else_waits(service: Service) -> None:
    sent = [{"text": LATE, "external_id": "one"}, {"text": "And the invoice is wrong too"}]

    stored = await service.http.post(BULK, json=sent, params={"freshness": "day"})
    again = await service.http.post(BULK, json=sent[:1], params={"freshness": "now"})
    ended = await service.all_ended(stored.json()["conversation_ids"])

    assert (stored.status_code, stored.json()["ingested"], again.json()["duplicates"]) == (202, 2, 1)
    assert [each["status"] for each in ended] == ["completed", "completed"]


async def test_a_bulk_under_one_idempotency_key_is_stored_once(service: Service) -> None:
    sent = [{"text": LATE}, {"text": "And the invoice is wrong too"}]

    answers = [await service.http.post(BULK, json=sent, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert [answer.json()["ingested"] for answer in answers] == [2, 0]
    assert await how_many(service) == 2


# --- refused ------------------------------------------------------------------------------------------------

TURN = {"text": LATE}
SECRET = "swordfish"
BAD_BODIES: dict[str, Any] = {
    "Missing required field: text": {"author": "x"},
    "give either text or messages, not both": {"text": LATE, "messages": [TURN]},
    "text is only white space": {"text": " \n\t "},
    "text: must": {"text": "x" * 20_001},
    "Unknown field: colour": {"text": LATE, "colour": SECRET},
    "messages: must": {"messages": []},
    "messages[1].text": {"messages": [TURN, {"text": ""}]},
    "messages[0].role: disagrees with inbound": {
        "messages": [{**TURN, "inbound": True, "role": "support_agent"}]
    },
    f"messages[0].role: {ROLES}": {"messages": [{**TURN, "role": SECRET}]},
    "a message_id appears twice": {"messages": [{**TURN, "message_id": "m"}] * 2},
    "author goes with text only": {"messages": [TURN], "author": "x"},
    "author: must": {"text": LATE, "author": "x" * 256},
    "timestamp: must be an ISO 8601 time": {"text": LATE, "timestamp": SECRET},
    "timestamp: must be in the years": {"text": LATE, "timestamp": "1969-12-31"},
    "external_id: must": {"text": LATE, "external_id": ""},
    "conversation_id: must": {"text": LATE, "conversation_id": f"/{SECRET}"},
    "raw_data: is over 64 KB": {"text": LATE, "raw_data": {"x": "y" * 65_536}},
    "metadata: is over 16 KB": {"text": LATE, "metadata": {"x": "y" * 16_384}},
    "metadata: must be a JSON object": {"text": LATE, "metadata": [SECRET]},
    "must be a JSON object": [TURN],
    "text: U+0000 is not allowed": {"text": "a\0b"},
    "raw_data.a[0].b: U+0000 is not allowed": {"text": LATE, "raw_data": {"a": [{"b": "\0"}]}},
    "U+0000 is not allowed": {"text": LATE, "metadata": {"\0": 1}},
    "author: lone surrogates are not allowed": {"text": LATE, "author": "\ud800"},
    "raw_data.x: lone surrogates are not allowed": {"text": LATE, "raw_data": {"x": "\udfff"}},
}


async def test_every_bad_body_is_a_400_that_names_the_field_and_not_the_value(service: Service) -> None:
    found = {}
    for words, sent in BAD_BODIES.items():
        response = await service.http.post(POSTS, content=json.dumps(sent), headers=JSON)
        envelope = response.json()
        assert (response.status_code, envelope["error"]) == (400, "invalid_schema"), words
        found[words] = envelope["details"]

    assert {words: words in details for words, details in found.items()} == dict.fromkeys(found, True), found
    assert SECRET not in json.dumps(found)
    assert await how_many(service) == 0


async def test_a_body_that_is_no_json_is_a_400(service: Service) -> None:
    for body in (b"", b"text", b'{"text": ', b'{"text": "\xff"}', b"[" * 100_000):
        for path in (POSTS, BULK, f"{POSTS}/status"):
            response = await service.http.post(path, content=body, headers=JSON)

            assert (response.status_code, response.json()["error"]) == (400, "invalid_schema"), body[:20]


async def test_an_idempotency_key_may_not_be_too_long(service: Service) -> None:
    for path, sent in ((POSTS, {"text": LATE}), (BULK, [{"text": LATE}])):
        response = await service.http.post(path, json=sent, headers={"Idempotency-Key": "k" * 256})

        assert (response.status_code, response.json()["error"]) == (400, "invalid_schema")


async def test_what_is_not_said_to_be_json_is_a_415(service: Service) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        for path in (POSTS, BULK, f"{POSTS}/status"):
            headers = {"Content-Type": media_type}
            response = await service.http.post(path, content=json.dumps({"text": LATE}), headers=headers)

            assert (response.status_code, response.json()["error"]) == (415, "unsupported_media_type")


async def test_a_bulk_takes_one_to_five_hundred(service: Service) -> None:
    for sent in ([], [{"text": LATE}] * 501):
        response = await service.http.post(BULK, json=sent)

        assert (response.status_code, response.json()["error"]) == (400, "invalid_schema")


async def test_a_body_may_have_one_megabyte_and_a_bulk_sixteen(service: Service) -> None:
    def padded(body: bytes, size: int) -> bytes:
        return body + b" " * (size - len(body))

    text = json.dumps({"text": LATE}).encode()
    cases = {(POSTS, MEGABYTE): 202, (POSTS, MEGABYTE + 1): 413, (BULK, 16 * MEGABYTE): 202}
    cases[BULK, 16 * MEGABYTE + 1] = 413

    found: dict[tuple[str, int], int] = {}
    for path, size in cases:
        body = padded(text if path == POSTS else b"[" + text + b"]", size)
        response = await service.http.post(path, content=body, headers=JSON)
        found[path, size] = response.status_code
        assert response.status_code == 202 or response.json()["error"] == "payload_too_large"

    assert found == cases


async def test_a_body_without_a_length_is_cut_off_where_it_is_too_large(service: Service) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(32):
            yield b" " * 65_536

    response = await service.http.post(POSTS, content=endless(), headers=JSON)

    assert (response.status_code, response.json()["error"]) == (413, "payload_too_large")


# --- not now ------------------------------------------------------------------------------------------------


async def test_of_three_hundred_posts_in_a_second_at_most_two_hundred_pass(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok, inbound_rps=100) as service:
        since = time.monotonic()
        answers = await post_rapidly(service.url, [{"text": f"{LATE} {number}"} for number in range(300)], 60)

        passed = sorted(answer.at - since for answer in answers if answer.status == 202)
        refused = [answer for answer in answers if answer.status == 429]
        assert len(passed) + len(refused) == 300
        # A busy machine may take longer than the second, and then more of them pass.
        assert all(number <= 100 + 100 * after for number, after in enumerate(passed, 1))
        for answer in refused:
            assert answer.body == {"error": "rate_limit_exceeded", "retry_after": 1}
            assert answer.headers["retry-after"] == "1"
            assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("100", "0")
        assert await how_many(service) == sum(answer.status == 202 for answer in answers)
        assert (await service.metrics())["rate_limited_total"] == len(refused)


async def test_a_flood_of_posts_does_not_lock_the_readers_out(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, inbound_rps=3) as service:
        posts = await asyncio.gather(*(service.http.post(POSTS, json={"text": LATE}) for _ in range(10)))
        reads = [
            await service.http.get(POSTS),
            await service.http.post(f"{POSTS}/status", json={"ids": ["x"]}),
        ]
        free = [await service.http.get(path) for path in ("/health", "/healthz", "/metrics") * 3]

        assert 429 in {response.status_code for response in posts}
        assert 429 not in {response.status_code for response in reads}
        assert {response.status_code for response in free} == {200}


async def test_a_client_has_a_limit_of_its_own_where_one_is_set(sqlite_url: URL, grok: Grok) -> None:
    async with running(sqlite_url, grok, rate_limit=2, rate_window=30) as service:
        bulk = await service.http.post(BULK, json=[{"text": LATE}] * 10)
        read = await service.http.get(POSTS)
        over = await service.http.get(POSTS)

        assert (bulk.status_code, read.status_code, over.status_code) == (202, 200, 429)
        assert bulk.headers["ratelimit-remaining"] == "1"
        assert 28 <= int(over.headers["retry-after"]) <= 30
        assert over.json() == {
            "error": "rate_limit_exceeded",
            "retry_after": int(over.headers["retry-after"]),
        }


async def test_a_full_queue_refuses_posts_and_takes_them_again_later(database_url: URL, grok: Grok) -> None:
    grok.misbehave("status", status=503)
    async with running(database_url, grok, max_queue_depth=1) as service:
        id_ = await service.post(LATE)

        single = await service.http.post(POSTS, json={"text": LATE})
        bulk = await service.http.post(BULK, json=[{"text": LATE}])
        grok.faults.clear()
        await service.ended(id_)

        for response in (single, bulk):
            assert response.status_code == 503
            assert response.json()["error"] == "queue_full"
            assert response.json()["retry_after"] == int(response.headers["retry-after"])
        await eventually(lambda: taken(service))


async def taken(service: Service) -> bool:
    return (await service.http.post(POSTS, json={"text": LATE})).status_code == 202


async def test_a_foreign_lock_on_the_file_is_a_503_until_it_is_gone(sqlite_url: URL, grok: Grok) -> None:
    async with running(sqlite_url, grok) as service:
        first = await service.post(LATE)
        await service.ended(first)
        with closing(sqlite3.connect(str(sqlite_url.database), isolation_level=None)) as foreign:
            foreign.execute("BEGIN EXCLUSIVE")
            posts = [service.http.post(POSTS, json={"text": f"{LATE} {n}"}) for n in range(3)]
            refused = await asyncio.gather(*posts, service.http.delete(f"{POSTS}/{first}"))
            read = await service.http.get(f"{POSTS}/{first}")
            foreign.execute("ROLLBACK")

        for response in refused:
            told = response.json()
            assert (response.status_code, told["error"]) == (503, "database_unavailable")
            assert int(response.headers["retry-after"]) == told["retry_after"] > 0
        assert read.status_code == 200
        assert await how_many(service) == 1
        await eventually(lambda: taken(service))
        again = await service.post("And now it is broken as well, terrible")
        assert (await service.ended(again))["status"] == "completed"
