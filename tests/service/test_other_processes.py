"""What is done in one process is heard in another at once: these do not look by themselves what clients wait for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import address
from benchmarks.support.waiting import eventually
from tests.support.chat_sockets import joined, post
from tests.support.service import Grok, Service, running
from tests.support.summary_service import summary_of

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
NEVER = 100_000.0
LATE = "My parcel is three days late and nobody answers"


@asynccontextmanager
async def two(
    database_url: URL, server_url: URL, grok: Grok, **given: Any
) -> AsyncIterator[tuple[Service, Service]]:
    """Two processes that hear each other, and look at nothing else after that."""
    given |= {"tick": NEVER, "database_listen_url": address(server_url)}
    async with (
        running(database_url, grok, **given) as one,
        running(database_url, grok, **given) as other,
    ):
        await heard(one)
        await heard(other)
        yield one, other


async def heard(service: Service) -> None:
    """Wait until notifications arrive there."""

    async def arrive() -> bool:
        return bool((await service.get("/health"))["notifications"] == "heard")

    await eventually(arrive)


async def test_a_live_chat_and_what_is_waited_for(database_url: URL, server_url: URL, grok: Grok) -> None:
    async with two(database_url, server_url, grok, chat_quiet_seconds=600) as (one, other):
        await a_live_chat(one, other)
        await a_summary_that_somebody_asks_for_elsewhere(one, other)
        await a_wait(one, other)
        await what_is_said_while_nobody_hears(one, other)


async def a_live_chat(one: Service, other: Service) -> None:
    async with joined(one.url, "c1") as client:
        await post(other, "said to the other process", chat="c1")
        assert await client.texts(1) == ["said to the other process"]

        await other.http.delete("/chats/c1")
        assert await client.closed() == (4404, "the chat was deleted")


async def a_summary_that_somebody_asks_for_elsewhere(one: Service, other: Service) -> None:
    """Whichever of them writes it: three listen, of which nobody has asked."""
    async with joined(one.url, "c2") as here, joined(other.url, "c2") as there:
        await post(other, LATE, chat="c2")
        asked = await summary_of(other, "c2")

        assert (await here.next("summary"))["summary"] == asked
        assert (await there.next("summary"))["summary"] == asked
        async with joined(one.url, "c2", "?after=0") as late:
            assert (await late.next("summary"))["summary"] == asked
            await post(other, "said afterwards", chat="c2")
            assert await here.texts(2) == [LATE, "said afterwards"]
            assert await late.texts(2) == [LATE, "said afterwards"]
        assert "summary" not in [frame["type"] for frame in (*here.frames, *late.frames)]


async def a_wait(one: Service, other: Service) -> None:
    for each in (one, other):
        await each.http.post("/api/v1/analysis/pause")
    id_ = await other.post(LATE)
    waits = [asyncio.create_task(each.ended(id_, 60)) for each in (one, other)]
    await asyncio.wait(waits, timeout=0.2)
    assert not any(wait.done() for wait in waits)
    await one.http.post("/api/v1/analysis/resume")

    assert [(await wait)["status"] for wait in waits] == ["completed"] * 2


async def what_is_said_while_nobody_hears(one: Service, other: Service) -> None:
    async with joined(one.url, "c3") as client:
        await one.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'insights-platform-listening'"
        )
        await post(other, "said while nobody hears", chat="c3")

        assert await client.texts(1) == ["said while nobody hears"]
    assert "notifications_unheard" in str(other.logged)
