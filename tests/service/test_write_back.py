"""The way back to Chatwoot: labels after an analysis, a note after a summary, each once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.serving import Served, served
from benchmarks.support.waiting import eventually
from tests.support.fake_chatwoot import TOKEN, FakeChatwoot
from tests.support.helpdesk_webhooks import SECRET, chatwoot, signed_by_chatwoot
from tests.support.service import Service, rows, running

SIDE = "/api/v1/webhooks/wh_chatwoot"
SAID = "My parcel is two weeks late and nobody answers."


@pytest.fixture
def desk() -> FakeChatwoot:
    return FakeChatwoot()


@pytest.fixture
def where(desk: FakeChatwoot) -> Iterator[Served]:
    with served(desk, grace=0) as server:
        yield server


@asynccontextmanager
async def beside(database: URL, where: Served, token: str = TOKEN) -> AsyncIterator[Service]:
    given: dict[str, Any] = {"chatwoot_url": f"{where.url}/app/accounts/3", "chatwoot_token": token}
    async with running(database, chatwoot_secret=SECRET, chat_quiet_seconds=0, **given) as service:
        yield service


async def take(service: Service, text: str = SAID, **changed: Any) -> None:
    body = chatwoot(text, **changed)
    answer = await service.http.post("/api/v1/intake/chatwoot", **signed_by_chatwoot(body))
    assert answer.status_code == 200, answer.text


async def delivered(service: Service, number: int) -> list[dict[str, Any]]:
    """The deliveries, once so many have ended."""

    async def ended() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = (await service.get(f"{SIDE}/deliveries"))["deliveries"]
        return found if sum(each["ended_at"] is not None for each in found) >= number else None

    found: list[dict[str, Any]] = await eventually(ended)
    return found


async def test_labels_and_a_note_are_written_once(
    database_url: URL, where: Served, desk: FakeChatwoot
) -> None:
    desk.labels[42] = ["vip"]
    async with beside(database_url, where) as service:
        await take(service)
        insight = (await service.ended("chatwoot:42"))["insight"]
        # No conversation of Chatwoot's.
        await service.ended(await service.post(SAID))
        summary = await service.http.post("/chats/summarize", json={"conversation_id": "chatwoot:42"})
        assert summary.status_code == 200, summary.text
        found = await delivered(service, 2)

        topics, mood = insight["grok_analysis"]["clusters"], f"sentiment_{insight['sentiment']}"
        assert desk.labels[42] == ["vip", *topics, mood]
        [note] = desk.messages[42]
        assert note["private"] is True
        assert summary.json()["summary"] in note["content"]
        assert len(found) == 2

        # What is sent again finds itself.
        for each in found:
            await service.http.post(f"{SIDE}/deliveries/{each['id']}/resend")
        await delivered(service, 2)
        assert len(desk.messages[42]) == 1
        assert desk.labels[42] == ["vip", *topics, mood]


async def test_a_note_whose_answer_was_lost_is_not_written_twice(
    database_url: URL, where: Served, desk: FakeChatwoot
) -> None:
    desk.loses = 1
    async with beside(database_url, where) as service:
        await take(service)
        await service.ended("chatwoot:42")
        await delivered(service, 1)
        await service.http.post("/chats/summarize", json={"conversation_id": "chatwoot:42"})
        await eventually(lambda: desk.messages[42])

        async def failed_once() -> bool:
            [row] = await rows(
                database_url, "SELECT max(tries) AS n FROM webhook_deliveries WHERE ended_at IS NULL"
            )
            return bool(row.n)

        await eventually(failed_once)
        await service.http.patch(SIDE, json={"enabled": True})
        await delivered(service, 2)
        assert len(desk.messages[42]) == 1


async def test_a_conversation_that_is_gone_and_a_token_that_is_refused(
    database_url: URL, where: Served, desk: FakeChatwoot
) -> None:
    desk.gone.add(42)
    async with beside(database_url, where) as service:
        await take(service)
        [delivery] = await delivered(service, 1)
        assert (delivery["state"], delivery["answer"]) == ("delivered", 404)
    async with beside(database_url, where, token="another") as service:
        await take(service, id=6, conversation={"id": 43})

        async def refused() -> bool:
            newest = (await service.get(f"{SIDE}/deliveries"))["deliveries"][0]
            return bool(newest["outcome"] == "refused" and newest["answer"] == 401)

        await eventually(refused)


async def test_it_is_off_by_default_and_listed_where_it_is_on(database_url: URL, where: Served) -> None:
    async with beside(database_url, where) as service:
        [listed] = (await service.get("/api/v1/webhooks"))["webhooks"]
        assert (listed["id"], listed["url"], listed["enabled"]) == ("wh_chatwoot", "chatwoot:", True)
        assert listed["events"] == ["insight.completed", "summary.completed"]
        assert TOKEN not in str(listed)
        elsewhere = await service.http.patch(SIDE, json={"url": "https://example.com/"})
        assert elsewhere.status_code == 409
    async with running(database_url) as service:
        assert (await service.get("/api/v1/webhooks"))["webhooks"] == []
