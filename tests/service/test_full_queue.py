"""The depth of the queue is bounded, however many conversations a request brings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from tests.support.service import Grok, Service, running


async def depth(service: Service) -> int:
    return int((await service.get("/health"))["queue_size"])


async def test_a_bulk_does_not_overrun_the_bound(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, max_queue_depth=10) as service:
        await service.http.post("/api/v1/analysis/pause")
        await service.post_all(f"My parcel number {number} is late" for number in range(9))
        await eventually(lambda: depth(service))
        items = [{"text": f"My parcel number {number} is lost"} for number in range(2)]
        refused = await service.http.post(f"{POSTS}/bulk", json=items)
        fitting = await service.taken(f"{POSTS}/bulk", items[:1])

        assert (refused.status_code, refused.json()["error"]) == (503, "queue_full")
        assert fitting.status_code == 202
        await eventually(lambda: depth_is(10, service))


async def depth_is(wanted: int, service: Service) -> bool:
    return await depth(service) == wanted


LOST = "My parcel is lost, and I have asked three times"


@asynccontextmanager
async def full(database_url: URL, grok: Grok) -> AsyncIterator[Service]:
    """A service whose queue has room for two, and holds them."""
    async with running(database_url, grok, max_queue_depth=2) as service:
        await service.http.post("/api/v1/analysis/pause")
        await service.taken(POSTS, {"text": LOST, "external_id": "known"})
        chat = {"conversation_id": "chat", "message_id": "m1", "user_id": "u", "user_type": "customer"}
        first = await service.taken("/chats", chat | {"message_content": LOST})
        second = await service.taken(POSTS, {"text": LOST, "external_id": "known too"})
        await service.http.post(POSTS, json={"text": LOST}, headers={"Idempotency-Key": "k"})

        assert (first.status_code, second.status_code) == (201, 202)
        yield service


async def test_what_is_known_is_answered_while_the_queue_is_full(database_url: URL, grok: Grok) -> None:
    async with full(database_url, grok) as service:
        again = await service.http.post(POSTS, json={"text": LOST, "external_id": "known"})
        other = await service.http.post(POSTS, json={"text": f"{LOST}!", "external_id": "known"})
        new = await service.http.post(POSTS, json={"text": LOST, "external_id": "new"})
        nameless = await service.http.post(POSTS, json={"text": LOST})

    assert (again.status_code, again.json()["enqueued"]) == (202, False)
    assert other.status_code == 409
    for refused in (new, nameless):
        assert (refused.status_code, refused.json()["error"]) == (503, "queue_full")
        assert refused.headers["Retry-After"] == "5"


async def test_a_bulk_says_what_of_it_is_new_while_the_queue_is_full(database_url: URL, grok: Grok) -> None:
    known = [{"text": LOST, "external_id": name} for name in ("known", "known too", "known")]
    async with full(database_url, grok) as service:
        again = await service.http.post(f"{POSTS}/bulk", json=known)
        mixed = await service.http.post(f"{POSTS}/bulk", json=[*known, {"text": LOST, "external_id": "new"}])
        found = await service.get(POSTS, external_id="new")

    assert (again.status_code, again.json()["duplicates"]) == (202, 3)
    assert (mixed.status_code, mixed.json()["error"]) == (503, "queue_full")
    assert mixed.json()["details"] == "1 of 4 are new, and the queue has room for 0; nothing was stored"
    assert found["conversations"] == []


async def test_a_known_message_is_answered_while_the_queue_is_full(database_url: URL, grok: Grok) -> None:
    sent = {"conversation_id": "chat", "user_id": "u", "user_type": "customer", "message_content": LOST}
    async with full(database_url, grok) as service:
        again = await service.http.post("/chats", json=sent | {"message_id": "m1"})
        mixed = [sent | {"message_id": "m1"}, sent | {"message_id": "m2"}]
        refused = [await service.http.post("/chats", json=each) for each in (mixed, sent, mixed[1])]

    assert (again.status_code, again.json()["duplicates"]) == (201, 1)
    assert {each.status_code for each in refused} == {503}
