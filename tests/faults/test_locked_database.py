"""A database that somebody else locks: bounded waits, clear answers, and all goes on when the lock is gone."""

import asyncio
import time

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.locks import locked
from benchmarks.support.process import POSTS, Json, address
from benchmarks.support.waiting import eventually
from store.engine.limits import LOCK_TIMEOUT_SECONDS
from tests.support.service import Grok, Service, running
from tests.support.summary_service import a_chat, summarize

LATE = "My parcel is three days late and nobody answers"
CALLERS = 24


async def attempt(service: Service, number: int) -> httpx.Response:
    return await service.http.post(POSTS, json={"text": f"{LATE} ({number})"})


def is_refused(answer: httpx.Response) -> bool:
    """Whether a caller was told that the database is not available, and when to come again."""
    told = answer.json()
    return (
        answer.status_code == 503
        and told["error"] == "database_unavailable"
        and int(answer.headers["retry-after"]) == told["retry_after"] > 0
    )


async def callers(service: Service) -> list[httpx.Response]:
    """What many are answered who post, post in bulk and delete at once."""
    posts = [attempt(service, number) for number in range(CALLERS)]
    bulks = [service.http.post(f"{POSTS}/bulk", json=[{"text": LATE}]) for _ in range(CALLERS)]
    deletions = [service.http.delete(f"{POSTS}/unknown-{number}") for number in range(CALLERS)]
    return await asyncio.gather(*posts, *bulks, *deletions)


async def in_trouble(service: Service, why: str = "the database accepts no writes") -> Json | None:
    health: Json = (await service.http.get("/health")).json()
    return health if why in health["reasons"] else None


async def is_well(service: Service) -> bool:
    return bool((await service.http.get("/health")).json()["status"] == "ok")


async def test_a_lock_is_waited_for_once_by_all_and_everything_goes_on_after_it(
    database_url: URL, grok: Grok
) -> None:
    grok.latency = 0.5
    async with running(database_url, grok) as service:
        paid = await service.post(LATE)
        await eventually(lambda: grok.calls)
        async with locked(database_url):
            since = time.monotonic()
            refused = await callers(service)
            took = time.monotonic() - since
            health = await eventually(lambda: in_trouble(service))
            at_once = await attempt(service, 1)
            alive = await service.http.get("/healthz")
        await eventually(lambda: is_well(service))
        again = await attempt(service, 2)
        view = await service.ended(paid)

        assert all(is_refused(answer) for answer in [*refused, at_once])
        # One after the other they would wait 72 times; machines differ by less than that.
        assert took < CALLERS * LOCK_TIMEOUT_SECONDS
        assert health["status"] != "ok"
        assert alive.status_code == 200
        assert again.status_code == 202
        assert view["status"] == "completed"
    assert grok.sent[LATE] == 1


async def test_a_summary_that_cannot_be_stored_is_stored_when_the_lock_is_gone(
    database_url: URL, grok: Grok
) -> None:
    grok.latency = 1
    async with running(database_url, grok) as service:
        await a_chat(service)
        assert (await summarize(service, "chat-1", wait=0)).status_code == 202
        await eventually(lambda: any(call.kind == "summary" for call in grok.calls))
        async with locked(database_url, "summaries"):
            held = await eventually(lambda: in_trouble(service, "results are waiting to be stored"))
        found = await service.get("/chats/chat-1/summary", wait=30)

    assert held["status"] != "ok"
    assert found["status"] == "completed"
    assert [call.kind for call in grok.calls].count("summary") == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_was_paid_for_stays_held_until_it_can_be_stored(database_url: URL, grok: Grok) -> None:
    impatient = address(database_url.update_query_dict({"options": "-c lock_timeout=200ms"}))
    held = "SELECT run_at, attempts FROM conversations"
    grok.latency = 0.5
    given = {"database_url": impatient, "lease_margin_seconds": 1}
    async with running(database_url, grok, **given) as service:
        paid = await service.post(LATE)
        await eventually(lambda: grok.calls)
        async with locked(database_url, "insights"):
            await eventually(lambda: in_trouble(service, "results are waiting to be stored"))
            [first] = await service.rows(held)

            async def is_renewed() -> bool:
                [now] = await service.rows(held)
                return bool(now.run_at > first.run_at and now.attempts == 1)

            await eventually(is_renewed)
        view = await service.ended(paid)

    assert (view["status"], view["attempts"]) == ("completed", 1)
    assert grok.sent[LATE] == 1
