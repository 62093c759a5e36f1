"""Who listens to a chat hears its summary: written once it is quiet, as it is written, and by all alike."""

import asyncio
import time
from functools import partial
from typing import Any, cast

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import Json
from benchmarks.support.waiting import eventually
from core.clock import now
from core.debounce import Debounce
from database import Database
from services.live import Hub
from services.live_summaries import LiveSummaries
from services.notifications import Notifications
from services.room import LiveChat
from services.shared_drafts import SharedDrafts
from store.queue import summaries as summaries_store
from tests.support.chat_data import added, said
from tests.support.chat_sockets import Client, joined, post
from tests.support.service import Grok, running
from tests.support.summary_service import summary_of


def summaries(grok: Grok) -> int:
    return sum(call.kind == "summary" for call in grok.calls)


async def drafted(client: Client) -> tuple[str, Json]:
    """What all drafts come to, and the summary after them."""
    text = ""
    while True:
        frame = await client.wait_at_most("summary.draft", "summary")
        if frame["type"] == "summary":
            return text, frame["summary"]
        text = frame["text"] if frame["starts"] else text + frame["text"]


async def test_a_chat_that_is_quiet_is_summarised_once_and_everybody_hears_it_written(
    database_url: URL, grok: Grok
) -> None:
    grok.misbehave("drip", pause=0.005)
    async with (
        # A busy machine may take more than a second from one message to the next.
        running(database_url, grok, chat_quiet_seconds=3) as service,
        joined(service.url, "c1") as a,
        joined(service.url, "c1") as b,
    ):
        for number in range(10):
            await a.say(f"My parcel is late, {number}")
            await a.next("ack")
        on_draft = await asyncio.gather(drafted(a), drafted(b))
        stored = await service.get("/chats/c1/summary")

    assert summaries(grok) == 1
    assert [*on_draft] == [(stored["summary"], stored)] * 2
    assert stored["message_count"] == 10
    assert stored["analyzer"] == "grok"
    assert grok.violations == []


async def test_it_is_written_anew_when_the_chat_goes_on(database_url: URL, grok: Grok) -> None:
    async with (
        running(database_url, grok, chat_quiet_seconds=1) as service,
        joined(service.url, "c1") as client,
    ):
        await client.say("My parcel is late")
        first = (await client.next("summary"))["summary"]
        await post(service, "It arrives today")
        second = (await client.next("summary"))["summary"]

    assert [first["message_count"], second["message_count"]] == [1, 2]
    assert summaries(grok) == 2


async def test_who_joins_is_given_the_summary_there_is_and_nothing_is_asked_for(
    database_url: URL, grok: Grok
) -> None:
    async with running(database_url, grok, chat_quiet_seconds=1) as service:
        await post(service, "My parcel is late", "It arrives today")
        stored = await summary_of(service, "c1")
        async with joined(service.url, "c1", "?after=0") as client:
            assert (await client.next("summary"))["summary"] == stored
            assert len(await client.texts(2)) == 2
            await eventually(lambda: any(call.kind == "analysis" for call in grok.calls))

    assert summaries(grok) == 1


async def test_a_chat_to_which_nobody_listens_is_not_summarised(database_url: URL, grok: Grok) -> None:
    async with (
        running(database_url, grok, chat_quiet_seconds=1) as service,
        joined(service.url, "heard") as client,
    ):
        await post(service, "My parcel is late", chat="unheard")
        await post(service, "My parcel is late", chat="heard")
        await client.next("summary")

    assert summaries(grok) == 1


async def test_a_summary_that_somebody_asks_for_is_heard_too(database_url: URL, grok: Grok) -> None:
    async with (
        running(database_url, grok, chat_quiet_seconds=600) as service,
        joined(service.url, "c1") as client,
    ):
        await post(service, "My parcel is late")
        asked = await summary_of(service, "c1")

        assert (await client.next("summary"))["summary"] == asked


async def test_a_summary_whose_stream_is_cut_is_asked_for_in_one_piece(database_url: URL, grok: Grok) -> None:
    grok.misbehave("cut_stream")
    async with (
        running(database_url, grok, chat_quiet_seconds=0.2) as service,
        joined(service.url, "c1") as client,
    ):
        await client.say("My parcel is late")
        told = (await client.next("summary"))["summary"]

    assert told["summary"] == "Messages 1 to 1."
    assert summaries(grok) == 2
    streamed = [call.body for call in grok.recent if b'"stream":true' in call.body]
    assert len(streamed) == 1


async def test_a_summary_that_cannot_be_written_is_told(database_url: URL, grok: Grok) -> None:
    grok.misbehave("content", text="{", marker="My parcel is late")
    given = {"chat_quiet_seconds": 1, "max_retries": 0}
    async with running(database_url, grok, **given) as service, joined(service.url, "c1") as client:
        await post(service, "My parcel is late")
        told = (await client.next("summary"))["summary"]

    assert (told["status"], told["conversation_id"]) == ("failed", "c1")
    assert told["error"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_it_is_heard_from_whichever_process_the_messages_went_to(database_url: URL, grok: Grok) -> None:
    async with (
        running(database_url, grok, chat_quiet_seconds=1) as one,
        running(database_url, grok, chat_quiet_seconds=1) as other,
        joined(one.url, "c1") as client,
    ):
        await post(other, "said to the other process")

        assert (await client.next("summary"))["summary"]["message_count"] == 1


class Away:
    """What a database does that refuses connections; after that it is another one."""

    def __init__(self, db: Database) -> None:
        self.refusals = 2
        self._db = db

    async def write(self, write: Any) -> Any:
        return await self._through(self._db.write, write)

    async def read(self, read: Any) -> Any:
        return await self._through(self._db.read, read)

    async def _through(self, way: Any, transaction: Any) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError("nobody listens there")
        return await way(transaction)


async def test_a_database_that_is_away_for_a_moment_delays_a_summary(db: Database) -> None:
    async def nothing(*_: object) -> LiveChat:
        return LiveChat(None, 0)

    await db.write(lambda connection: added(connection, said("c1")))
    away, hub, woken = Away(db), Hub(nothing), asyncio.Event()
    quiet = Debounce(0, 0, time.monotonic)
    shared = SharedDrafts(db, Notifications(None))
    live = LiveSummaries(cast(Database, away), hub, quiet, now, view=lambda _: None, shared=shared)
    running = asyncio.create_task(live.run(woken.set))
    with hub.listening("c1", 0):
        quiet.touch("c1")

        async def asked() -> bool:
            stored = await db.read(partial(summaries_store.get, id_="c1"))
            assert not running.done()
            return stored is not None and stored.is_pending

        await eventually(asked)
    running.cancel()
    await asyncio.wait([running])

    assert away.refusals == 0
    assert woken.is_set()
