"""A service with a key: what comes in comes out again, and nothing of it is readable where it is kept."""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Column, literal_column, select, text
from sqlalchemy.engine import URL

import database
import models
from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from core.crypto import DIGEST_MARK, MARK, KeyRing
from store.discovery.proposals import GroupRow, Run, store_run
from tests.support.service import Grok, Service, rows, running

KEY, OTHER = (b64encode(bytes([number]) * 32).decode() for number in (1, 2))
SAID = "The zeppelin never arrived, and the quokka is furious about it."
CHAT = [
    ("customer", "ana.example", "My saxophone arrived broken in two places."),
    ("support_agent", "agent.seven", "I am sorry. We send a new saxophone by Thursday, not a tuba."),
]
AUTHOR = "zara.example"
SECRETS = [
    "zeppelin",
    "quokka",
    "saxophone",
    "tuba",
    AUTHOR,
    "ana.example",
    "agent.seven",
    "wombat",
    "platypus",
]
COLUMNS = [column for table in models.metadata.sorted_tables for column in table.c]
SEALED = [column for column in COLUMNS if column.info.get("encrypted")]
DIGESTS = [column for column in COLUMNS if column.info.get("digest")]


@pytest.fixture
async def service(database_url: URL, grok: Grok) -> AsyncIterator[Service]:
    given = {"data_encryption_key": KEY, "metadata_keys": "animal", "chat_quiet_seconds": 0}
    async with running(database_url, grok, **given) as service:
        webhook = {"url": "https://quokka.invalid/hook", "events": ["insight.completed"]}
        assert (await service.http.post("/api/v1/webhooks", json=webhook)).status_code == 201
        yield service


async def fill(service: Service) -> tuple[str, str]:
    """A conversation and a chat with a summary, all of them finished; their ids."""
    one = await service.post(
        SAID, author=AUTHOR, metadata={"animal": "wombat"}, raw_data={"kept": "platypus"}, external_id="x1"
    )
    turns = [
        {
            "conversation_id": "c1",
            "user_type": role,
            "user_id": who,
            "message_content": said,
            "message_id": f"m{at}",
        }
        for at, (role, who, said) in enumerate(CHAT)
    ]
    posted = await service.http.post("/chats", json=turns)
    assert posted.status_code == 201, posted.text
    await service.ended(one)
    await service.ended("c1")
    summary = await service.http.post("/chats/summarize", json={"conversation_id": "c1"}, params={"wait": 30})
    assert summary.status_code == 200, summary.text
    return one, "c1"


async def stored(database: URL, column: Column[Any]) -> list[Any]:
    found = await rows(database, str(select(column).where(column.is_not(None))))
    return [row[0] for row in found]


async def test_what_came_in_comes_out_again(service: Service) -> None:
    one, chat = await fill(service)

    view = await service.one(one, include="raw")

    assert (view["text"], view["author"]) == (SAID, AUTHOR)
    assert (view["metadata"], view["raw_data"]) == ({"animal": "wombat"}, {"kept": "platypus"})
    assert view["insight"]["grok_analysis"]["reasoning"]
    assert view["raw"]["answer"]
    whole = await service.get(f"/chats/{chat}")
    assert [each["message_content"] for each in whole["messages"]] == [said for _, _, said in CHAT]
    assert [each["user_id"] for each in whole["messages"]] == [who for _, who, _ in CHAT]
    listed = await service.get(POSTS, author=AUTHOR)
    assert [each["conversation_id"] for each in listed["conversations"]] == [one]
    theirs = await service.get("/users/agent.seven/chats")
    assert [each["conversation_id"] for each in theirs["chats"]] == [chat]


async def test_insights_are_found_by_what_is_sealed(service: Service) -> None:
    one, chat = await fill(service)
    window = {"start_time": "2020-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}

    async def found(**filters: str) -> set[str]:
        answer = await service.get("/api/v1/insights", **window, **filters)
        return {each["conversation_id"] for each in answer["insights"]}

    assert await found() == {one, chat}
    assert await found(author=AUTHOR) == {one}
    assert await found(**{"metadata.animal": "wombat"}) == {one}
    assert await found(**{"metadata.animal": "quokka"}) == set()


async def test_a_repeated_post_is_known_and_another_is_a_conflict(service: Service) -> None:
    sent = {"text": SAID, "author": AUTHOR, "external_id": "x1"}
    first = await service.http.post(POSTS, json=sent)
    again = await service.http.post(POSTS, json=sent)
    other = await service.http.post(POSTS, json={**sent, "author": "someone.else"})

    assert first.json()["conversation_id"] == again.json()["conversation_id"]
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)


async def test_the_same_text_is_answered_from_the_cache(service: Service) -> None:
    await service.ended(await service.post(SAID))

    second = await service.ended(await service.post(SAID))

    assert second["insight"]["cached"]
    keys = await stored(service.database, models.insights.c.cache_key)
    assert [len(bytes(key)) for key in keys] == [33, 33]


async def has_ended(service: Service, job: str) -> bool:
    return (await service.get(job))["status"] in {"completed", "failed"}


async def test_every_value_that_must_be_sealed_is(service: Service) -> None:
    await fill(service)
    await service.ended(await service.post("ok"))
    window = {"start_time": "2020-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}
    discovery = await service.http.post("/api/v1/topics/discover", json={"window": window})
    assert discovery.status_code == 202, discovery.text
    # A child that is killed as the service stops takes seconds to die on a busy machine, and is nobody's by then.
    await eventually(partial(has_ended, service, discovery.headers["Location"]), 60)

    for column in SEALED:
        values = await stored(service.database, column)
        assert [each for each in values if not each.startswith(MARK)] == [], column
    for column in DIGESTS:
        values = await stored(service.database, column)
        assert [each for each in values if not each.startswith(DIGEST_MARK)] == [], column
    assert {str(column) for column in SEALED if not await stored(service.database, column)} <= {
        *("grok_calls.error", "grok_calls.body", "summaries.error", "summaries.draft"),
        *("summary_parts.content", "summary_parts.raw", "erasures.sealed_person"),
        *("jobs.state", "jobs.error", *(str(column) for column in OF_GROUPS)),
        *("provider_states.reason", "provider_states.pause_reason"),
        *("insight_versions.reasoning", "insight_versions.fields", "insights.fields"),
        *("corrections.fields", "corrections.model_fields"),
        "batch_requests.body",
    }


OF_GROUPS = [column for column in SEALED if column.table is models.topic_proposals]


async def test_what_is_known_of_a_group_is_sealed(database_url: URL) -> None:
    group = GroupRow(
        id="prop_1",
        is_shown=True,
        language="en",
        name="quokka",
        description="Of a quokka.",
        named_by="grok",
        words=["quokka"],
        centroid="AAAA",
        members=b"",
        examples=[],
        **dict.fromkeys(("size", "people", "now", "before"), 5),
        p=0.5,
        grew=False,
        part_of=None,
        came_from=[],
    )
    async with database.opened(database_url, ring=KeyRing([b64decode(KEY)])) as db:
        await db.write(partial(store_run, run=Run("", 0, 1, 5), groups=[group], gone={}, now=1))

    for column in OF_GROUPS:
        (value,) = await stored(database_url, column)
        assert value.startswith(MARK), column


async def test_nothing_readable_is_in_any_table(service: Service) -> None:
    await fill(service)

    index = "search_data" if service.database.get_backend_name() == "sqlite" else "search"
    for table in [*models.metadata.tables, index]:
        found = await rows(service.database, str(select(literal_column("*")).select_from(text(table))))
        whole = " ".join(str(value) for row in found for value in row).lower()
        assert [each for each in SECRETS if each in whole] == [], table
    assert [each for each in SECRETS if each in str(service.logged).lower()] == []


async def swap_texts(database: URL, one: str, other: str) -> None:
    """Move the first text of a conversation to another one."""
    moved = (
        "UPDATE messages SET text = (SELECT text FROM messages JOIN conversations ON number = conversation"
        " WHERE id = :other AND position = 1)"
        " WHERE conversation = (SELECT number FROM conversations WHERE id = :one) AND position = 1"
    )
    await rows(database, moved, one=one, other=other)


async def test_a_value_that_was_moved_does_not_open_and_the_log_says_which(service: Service) -> None:
    one, other = await service.post(SAID), await service.post(f"{SAID} Again.")
    await service.ended(one)
    await service.ended(other)
    await swap_texts(service.database, one, other)

    moved = await service.http.get(f"{POSTS}/{one}")

    assert (moved.status_code, moved.json()) == (500, {"error": "internal_error"})
    assert (await service.one(other))["text"] == f"{SAID} Again."
    [row] = await rows(service.database, "SELECT number FROM conversations WHERE id = :one", one=one)
    lines = [each for each in service.logged.events() if each["event"] == "value_does_not_open"]
    # The index of words may have met it as well.
    assert {(line["table"], line["column"], line["id"]) for line in lines} == {
        ("messages", "text", f"{row.number},1")
    }


async def test_a_conversation_that_does_not_open_fails_alone(service: Service) -> None:
    ids = [await service.post(said) for said in ("ok", "no", "hm")]
    for id_ in ids:
        assert (await service.ended(id_))["status"] == "skipped"
    await swap_texts(service.database, ids[0], ids[1])

    await service.http.post(f"{POSTS}/retry", params={"status": "skipped"})
    views = await service.all_ended(ids)

    assert {each["conversation_id"]: each["status"] for each in views} == {
        ids[0]: "failed",
        ids[1]: "completed",
        ids[2]: "completed",
    }
    assert "does not open" in next(each["error"] for each in views if each["conversation_id"] == ids[0])


async def test_a_summary_that_does_not_open_fails_alone(service: Service) -> None:
    await fill(service)
    turns = [{"conversation_id": "c2", "user_type": "customer", "message_content": SAID, "user_id": "me"}]
    await service.http.post("/chats", json=turns)
    await service.ended("c2")
    await swap_texts(service.database, "c2", "c1")

    answer = await service.http.post("/chats/summarize", json={"conversation_id": "c2"}, params={"wait": 30})

    assert "does not open" in answer.text
    assert (await service.get("/chats/c1"))["messages"]
