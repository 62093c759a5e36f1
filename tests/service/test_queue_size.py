"""`queue_size` from the moment of a 202 on: whoever waits for 0 must not stop before the work is done."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from core.metrics import Metrics
from llm.hold import Hold
from services.capacity import Capacity
from tests.support.service import Grok, Service, running

LATE = "My parcel is three days late and nobody answers"


async def size(service: Service) -> int:
    return int((await service.get("/health"))["queue_size"])


async def test_a_bulk_is_in_the_queue_when_it_is_answered(database_url: URL, grok: Grok) -> None:
    grok.latency = 3
    async with running(database_url, grok) as service:
        seen = []
        for number in range(4):
            await service.post_all(f"{LATE} {number} {each}" for each in range(100))
            seen.append(await size(service))
            metrics = await service.metrics()
            assert metrics["processing_queue_depth"] >= 100 * (number + 1)

        assert [each >= 100 * (number + 1) for number, each in enumerate(seen)] == [True] * 4


async def test_a_single_post_and_a_chat_are_in_the_queue_when_they_are_answered(
    database_url: URL, grok: Grok
) -> None:
    grok.latency = 3
    async with running(database_url, grok, chat_quiet_seconds=0) as service:
        await service.post(LATE)
        assert await size(service) >= 1

        message = {"user_id": "u", "user_type": "customer", "message_content": LATE}
        assert (await service.http.post("/chats", json=message)).status_code == 201
        assert await size(service) >= 2


async def test_a_retry_is_in_the_queue_when_it_is_answered(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok) as service:
        skipped = [await service.post("ok then"), await service.post("thanks a lot")]
        await service.all_ended(skipped)
        await eventually(lambda: is_empty(service))
        grok.latency = 3

        assert (await service.http.post(f"{POSTS}/{skipped[0]}/retry")).status_code == 202
        assert await size(service) >= 1
        everyone = await service.http.post(f"{POSTS}/retry", params={"status": "skipped"})
        assert everyone.json()["queued"] == 1
        assert await size(service) >= 2


async def is_empty(service: Service) -> bool:
    return await size(service) == 0


async def test_a_queue_that_was_never_seen_empty_is_done_when_it_is(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok) as service:
        ids = await service.post_all(f"{LATE} {number}" for number in range(50))
        await eventually(lambda: is_empty(service))

        assert {each["status"] for each in await service.all_of(ids)} == {"completed"}


EVENTS = st.lists(st.tuples(st.sampled_from(("accept", "end", "count")), st.integers(0, 5)), max_size=40)


@pytest.mark.parametrize("number", [1, 3])
def test_two_endings_of_one_chat_count_once_each(number: int) -> None:
    watching = bare()
    watching.count_accepted(["chat"] * number)
    watching.count_ended(["chat"])

    assert watching.depth == number - 1


@given(EVENTS)
def test_depth_is_never_less_than_what_was_accepted_and_has_not_ended(
    events: Sequence[tuple[str, int]],
) -> None:
    watching, unended = bare(), set[str]()
    for number, (what, which) in enumerate(events):
        if what == "accept":
            unended.add(f"{number}")
            watching.count_accepted([f"{number}"])
        elif what == "end" and unended:
            ended = sorted(unended)[which % len(unended)]
            unended.remove(ended)
            watching.count_ended([ended])
        elif what == "count":
            watching.counted = len(unended)
            watching._accepted.clear()
        assert watching.depth >= len(unended)


def bare() -> Capacity:
    """A capacity that is never asked to count."""
    clock = lambda: 0  # noqa: E731
    return Capacity(None, Metrics(), Hold(clock), clock, max_bytes=1)  # type: ignore[arg-type]


async def test_what_is_accepted_while_a_count_runs_is_not_lost(database_url: URL, grok: Grok) -> None:
    grok.latency = 3
    async with running(database_url, grok) as service:
        accepted = 0
        for _ in range(12):
            ids = await service.post_all(f"{LATE} {accepted + each}" for each in range(20))
            accepted += len(ids)
            assert await size(service) >= accepted
