"""Chats over HTTP, on both databases: what is added is read back, and gone when it is deleted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Json
from benchmarks.support.waiting import eventually
from schemas import ROLES
from tests.support.chat_views import names
from tests.support.service import Grok, Service, running

LATE = "My parcel is three days late and nobody answers"


@pytest.fixture
async def service(database_url: URL) -> AsyncIterator[Service]:
    async with running(database_url) as made:
        yield made


@pytest.fixture(scope="module")
async def shared(shared_database_url: URL) -> AsyncIterator[Service]:
    """For tests that change nothing, or all the same."""
    async with running(shared_database_url) as made:
        yield made


def said(text: str = LATE, **fields: Any) -> Json:
    """A message as it is sent."""
    return {"user_id": "customer1", "user_type": "customer", "message_content": text, **fields}


async def send(service: Service, sent: Any, status: int = 201) -> Json:
    """What a post is answered, which has to have that status."""
    response = await service.http.post("/chats", json=sent)
    assert response.status_code == status, response.text
    body: Json = response.json()
    return body


async def texts(service: Service, chat: str, **asked: Any) -> list[str]:
    """What the messages of a chat say, in order."""
    return [each["message_content"] for each in (await service.get(f"/chats/{chat}", **asked))["messages"]]


# --- posting ------------------------------------------------------------------------------------------------


async def test_a_message_begins_a_chat_and_is_read_back(service: Service) -> None:
    sent = said(conversation_id="c1", message_id="m1", timestamp="2025-01-20T12:00:00+02:00")

    answer = await send(service, sent)

    assert answer == {
        "conversation_ids": ["c1"],
        "stored": 1,
        "duplicates": 0,
        "messages": [{"conversation_id": "c1", "message_id": "m1", "position": 1, "duplicate": False}],
    }
    chat = await service.get("/chats/c1")
    assert chat["messages"] == [{**sent, "timestamp": "2025-01-20T10:00:00.000000Z", "position": 1}]
    assert (chat["conversation_id"], chat["status"], names(chat)) == ("c1", "queued", ["customer1"])
    assert (chat["total"], chat["page"], chat["limit"], chat["pages"]) == (1, 1, 50, 1)
    assert chat["created_at"] == chat["updated_at"] < chat["due_at"]


async def test_messages_of_one_request_without_an_id_make_one_new_chat(service: Service) -> None:
    sent = [said("one"), said("elsewhere", conversation_id="c1"), said("two", user_type="support_agent")]

    answer = await send(service, sent)

    chat, other = answer["conversation_ids"]
    assert (chat[:5], other) == ("conv_", "c1")
    assert answer["messages"] == [
        {"conversation_id": chat, "message_id": "#1", "position": 1, "duplicate": False},
        {"conversation_id": "c1", "message_id": "#1", "position": 1, "duplicate": False},
        {"conversation_id": chat, "message_id": "#2", "position": 2, "duplicate": False},
    ]
    assert await texts(service, chat) == ["one", "two"]


async def test_messages_that_all_say_when_they_were_said_are_sorted_by_that(service: Service) -> None:
    def at(day: int, **fields: Any) -> Json:
        return said(f"day {day}", timestamp=f"2025-01-0{day}", **fields)

    answer = await send(
        service,
        [
            at(3, conversation_id="c"),
            at(9, conversation_id="d"),
            at(1, conversation_id="c"),
            said("no time", conversation_id="d"),
            at(2, conversation_id="c"),
            at(1, conversation_id="d"),
        ],
    )

    assert await texts(service, "c") == ["day 1", "day 2", "day 3"]
    assert await texts(service, "d") == ["day 9", "no time", "day 1"]
    assert [each["position"] for each in answer["messages"]] == [3, 1, 1, 2, 2, 3]


async def test_the_same_again_adds_nothing(service: Service) -> None:
    sent = [said(f"{at}", conversation_id="c", message_id=f"m{at}") for at in range(3)]
    first = await send(service, sent)

    again = await send(service, [*sent, said("new", conversation_id="c", message_id="m3"), sent[0]])

    assert (first["stored"], first["duplicates"]) == (3, 0)
    assert (again["stored"], again["duplicates"]) == (1, 4)
    assert again["messages"][:3] == [{**each, "duplicate": True} for each in first["messages"]]
    assert [each["duplicate"] for each in again["messages"]] == [True, True, True, False, True]
    assert await texts(service, "c") == ["0", "1", "2", "new"]


async def test_a_known_message_with_other_content_is_a_conflict_and_nothing_is_stored(
    service: Service,
) -> None:
    await send(service, said("as it was", conversation_id="c", message_id="m"))
    other = said("changed", conversation_id="c", message_id="m")

    alone = await send(service, other, 409)
    among = await send(service, [said(conversation_id="d"), other, said(conversation_id="c")], 409)

    assert alone == {"error": "conflict", "details": "message_id: m is known in this chat with other content"}
    clash = {"index": 1, "error": "conflict", "conversation_id": "c", "message_id": "m"}
    assert among["details"] == [clash]
    assert await texts(service, "c") == ["as it was"]
    assert (await service.http.get("/chats/d")).status_code == 404


async def test_many_posts_at_once_are_all_stored_in_the_order_of_each(service: Service) -> None:
    async def one(chat: int) -> None:
        for at in range(5):
            await send(
                service, [said(f"{at}", conversation_id=f"c{chat}", message_id=f"{at}")] * (1 + at % 2)
            )

    await asyncio.gather(*(one(chat) for chat in range(10)))

    for chat in range(10):
        assert await texts(service, f"c{chat}") == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("sent", "details"),
    [
        ({"user_id": "u", "user_type": "customer"}, "Missing required field: message_content"),
        (said(colour="red"), "Unknown field: colour"),
        (said(user_type="system"), f"user_type: {ROLES}"),
        (said("  \n "), "message_content: is only white space"),
        (said("x" * 20_001), "message_content: must have at most 20000 characters"),
        (said(user_id=""), "user_id: must have at least 1 character"),
        (said(conversation_id="a/b"), "conversation_id: "),
        (said(message_id="#7"), "message_id: "),
        (said(timestamp="yesterday"), "timestamp: must be an ISO 8601 time"),
        (said("a\0b"), "message_content: U+0000 is not allowed"),
        ("text", "must be a JSON object"),
        (7, "must be a JSON object"),
    ],
    ids=lambda value: str(value)[-40:],
)
@pytest.mark.parametrize("shared_database_url", ["sqlite"], indirect=True)
async def test_a_bad_message_is_refused_by_the_name_of_its_field(
    shared: Service, sent: Any, details: str
) -> None:
    alone = await send(shared, sent, 400)
    among = await send(shared, [said(), sent], 400)

    assert alone["error"] == among["error"] == "invalid_schema"
    assert alone["details"].startswith(details)
    assert [(each["index"], each["error"].startswith(details)) for each in among["details"]] == [(1, True)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_body_that_is_no_message_is_refused(service: Service) -> None:
    assert (await send(service, [], 400))["details"] == "must have at least 1 item, not 0"
    assert (await send(service, [said()] * 501, 400))["error"] == "invalid_schema"
    json = {"Content-Type": "application/json"}
    surrogate = b'{"user_id": "u", "user_type": "customer", "message_content": "\\ud800"}'
    for body, headers, status in (
        (b" [", json, 400),
        (b"", json, 400),
        (surrogate, json, 400),
        (b"[" + surrogate + b"]", json, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b'"' + b"x" * (16 * 1024 * 1024) + b'"', json, 413),
    ):
        response = await service.http.post("/chats", content=body, headers=headers)
        assert response.status_code == status, response.text


async def test_a_chat_does_not_grow_for_ever(service: Service) -> None:
    await send(service, said(conversation_id="c", message_id="m"))
    await service.rows("UPDATE conversations SET message_count = 49999, indexed = 49999")

    alone = await send(service, [said(conversation_id="c")] * 2, 409)
    await send(service, said(conversation_id="c"))
    full = await send(service, said(conversation_id="c"), 409)

    text = "A chat may have at most 50,000 messages"
    assert alone == {"error": "conflict", "details": [{"index": 1, "error": text}]}
    assert full == {"error": "conflict", "details": text}


# --- reading ------------------------------------------------------------------------------------------------


async def test_messages_come_in_pages(service: Service) -> None:
    await send(service, [said(f"{at}", conversation_id="c") for at in range(1, 8)])

    assert await texts(service, "c", limit=3) == ["1", "2", "3"]
    assert await texts(service, "c", limit=3, page=3) == ["7"]
    past = await service.get("/chats/c", limit=3, page=4)
    assert (past["messages"], past["total"], past["page"], past["pages"]) == ([], 7, 4, 3)
    assert (await service.get("/chats/c", page=10**9))["messages"] == []


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/chats/c", {"page": 0}),
        ("/chats/c", {"limit": 101}),
        ("/chats", {"limit": 0}),
        ("/chats", {"page": "x"}),
        ("/chats", {"start_date": "yesterday"}),
        ("/chats", {"end_date": "2025-13-01"}),
        ("/chats", {"start_date": "2025-01-02", "end_date": "2025-01-01"}),
        ("/chats", {"keyword": ""}),
        ("/chats", {"keyword": "x\0"}),
        ("/chats", {"user_id": "x" * 256}),
        ("/chats", {"colour": "red"}),
        ("/users/u/chats", {"user_id": "u"}),
        ("/users/u/chats", {"limit": 101}),
    ],
    ids=str,
)
@pytest.mark.parametrize("shared_database_url", ["sqlite"], indirect=True)
async def test_a_bad_parameter_is_refused_by_its_name(
    shared: Service, path: str, asked: dict[str, Any]
) -> None:
    response = await shared.http.get(path, params=asked)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_query"
    assert next(iter(asked)) in response.json()["details"]


async def test_a_chat_that_there_is_not_is_not_found(service: Service) -> None:
    for method, path in (("GET", "/chats/nobody"), ("GET", "/chats/a%20b"), ("DELETE", "/chats/nobody")):
        response = await service.http.request(method, path)
        assert (response.status_code, response.json()["error"]) == (404, "not_found")


# --- one data model, two doors ------------------------------------------------------------------------------


async def test_a_conversation_is_a_chat_of_one_message(service: Service) -> None:
    await service.post(LATE, conversation_id="c", author="someone", timestamp="2025-01-20")

    chat = await service.get("/chats/c")

    assert (names(chat), chat["message_count"]) == (["someone"], 1)
    assert chat["messages"] == [
        {
            "message_id": "#1",
            "conversation_id": "c",
            "user_id": "someone",
            "user_type": "customer",
            "message_content": LATE,
            "timestamp": "2025-01-20T00:00:00.000000Z",
            "position": 1,
        }
    ]


async def test_a_dialogue_is_a_chat_with_its_turns(service: Service) -> None:
    turns = [
        {"text": "Hi", "author": "x", "message_id": "m1", "timestamp": "2025-01-20"},
        {"text": "Hello", "author": "agent", "role": "support_agent"},
        {"text": "It is late"},
    ]
    body = {"conversation_id": "c", "messages": turns, "timestamp": "2025-01-19"}
    await service.http.post(POSTS, json=body)

    chat = await service.get("/chats/c")

    assert names(chat) == ["x", "agent"]
    assert [
        (each["message_id"], each["user_id"], each["user_type"], each["timestamp"][:10])
        for each in chat["messages"]
    ] == [
        ("m1", "x", "customer", "2025-01-20"),
        ("#2", "agent", "support_agent", "2025-01-19"),
        ("#3", None, "customer", "2025-01-19"),
    ]


async def test_a_conversation_that_is_answered_is_read_by_both_doors(service: Service) -> None:
    await service.post(LATE, conversation_id="c", author="someone", external_id="e")
    await send(service, said("Sorry!", conversation_id="c", user_id="agent", user_type="support_agent"))

    view = await service.one("c")

    assert [(each["text"], each["role"]) for each in view["messages"]] == [
        (LATE, "customer"),
        ("Sorry!", "support_agent"),
    ]
    assert (view["messages_truncated"], view["author"], view["external_id"]) == (False, "someone", "e")
    assert names(await service.get("/chats/c")) == ["someone", "agent"]
    again = await service.http.post(
        POSTS, json={"text": LATE, "conversation_id": "c", "author": "someone", "external_id": "e"}
    )
    assert (again.status_code, again.json()["enqueued"]) == (202, False)


async def test_a_long_chat_in_one_piece_says_that_it_goes_on(service: Service) -> None:
    for _ in range(3):
        await send(service, [said("x", conversation_id="c")] * 400)

    view = await service.one("c")

    assert (len(view["messages"]), view["messages_truncated"]) == (1_000, True)
    assert (await service.get("/chats/c"))["total"] == 1_200


async def test_a_chat_is_analysed_and_counts_in_insights_and_trends(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, chat_quiet_seconds=0) as service:
        await send(service, said(conversation_id="c", timestamp="2025-01-20T10:00:00Z"))
        first = await service.ended("c")
        await send(service, said("Still late, and now I am angry", conversation_id="c"))
        await service.ended("c")
        view = await eventually(lambda: _with_insight_of_two(service))

        window = {"start_time": "2025-01-20", "end_time": "2025-01-21"}
        insights = await service.get("/api/v1/insights", **window)
        trends = await service.get("/api/v1/trends", **window)
        assert first["insight"] is not None
        assert (view["status"], view["due_at"]) == ("completed", None)
        assert insights["metadata"]["total_count"] == trends["total_insights"] == 1
        assert insights["insights"][0]["text"].count("customer: ") == 2


async def _with_insight_of_two(service: Service) -> Json | None:
    found = await service.rows("SELECT revision FROM insights")
    return await service.one("c") if [tuple(row) for row in found] == [(2,)] else None


async def test_a_chat_waits_to_be_quiet_beside_the_queue(service: Service) -> None:
    await send(service, said(conversation_id="c"))

    for path in ("/chats/c", f"{POSTS}/c"):
        view = await service.get(path)
        assert view["status"] == "queued"
        assert view["due_at"] > (await service.one("c"))["received_at"]
    [item] = (await service.get("/chats"))["chats"]
    assert item["due_at"] is not None
    assert (await service.get("/health"))["queue_size"] == 0


# --- deleting -----------------------------------------------------------------------------------------------


async def test_a_chat_is_deleted_with_all_that_belongs_to_it(service: Service) -> None:
    for _ in range(2):
        await send(service, [said("searchable words", conversation_id="c")] * 125)

    response = await service.http.delete("/chats/c")

    assert response.status_code == 204
    assert (await service.http.get("/chats/c")).status_code == 404
    assert (await service.http.delete("/chats/c")).status_code == 404
    for table in ("conversations", "messages", "participants"):
        assert (await service.rows(f"SELECT count(*) FROM {table}"))[0][0] == 0  # noqa: S608  our own names
    assert (await service.get("/chats", keyword="searchable"))["total"] == 0
    assert (await send(service, said(conversation_id="c")))["messages"][0]["position"] == 1


async def test_a_chat_that_is_deleted_while_it_is_analysed_leaves_nothing(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok, chat_quiet_seconds=0) as service:
        grok.latency = 1.0
        await send(service, said(conversation_id="c"))
        await eventually(lambda: grok.recent)

        assert (await service.http.delete("/chats/c")).status_code == 204

        await eventually(lambda: _settled(service))
        for table in (
            "conversations",
            "messages",
            "insights",
            "insight_topics",
            "counts",
            "totals",
            "asking",
        ):
            assert (await service.rows(f"SELECT count(*) FROM {table}"))[0][0] == 0, table  # noqa: S608
        assert (await service.get("/api/v1/spending"))["total"]["calls"] == 1, "its cost is kept"


async def _settled(service: Service) -> bool:
    found = await service.rows("SELECT count(*) FROM grok_calls WHERE finished_at IS NOT NULL")
    return bool(found[0][0])


# --- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_chats_are_limited_as_anything_is(database_url: URL) -> None:
    async with running(database_url, rate_limit=3, rate_window=3_600) as service:
        answers = [await service.http.post("/chats", json=said()) for _ in range(2)]
        answers += [await service.http.get("/chats") for _ in range(2)]

        assert [each.status_code for each in answers] == [201, 201, 200, 429]
        assert answers[0].headers["ratelimit-remaining"] == "2"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_full_disk_is_told_to_who_chats(database_url: URL) -> None:
    async with running(database_url, max_storage_gb=1e-9) as service:
        refused = await send(service, said(), 503)

        assert refused["error"] == "storage_full"
