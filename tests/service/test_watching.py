"""What one process does reaches the clients of another, and clients of the same process at once."""

import asyncio
from typing import cast

import pytest
from sqlalchemy.engine import URL

from benchmarks.support import databases
from core.waiters import Waiters
from database import Database
from services.watcher import Watched, Watcher
from store.conversations.progress import ended_among
from tests.support.chat_data import added, said
from tests.support.chat_sockets import joined, post
from tests.support.service import running


async def test_who_waits_for_what_is_deleted_is_answered(database_url: URL) -> None:
    async with running(database_url, chat_quiet_seconds=600) as service:
        await post(service, "My parcel is late")
        waiting = asyncio.create_task(service.http.get("/api/v1/conversations/c1", params={"wait": 60}))
        await asyncio.wait([waiting], timeout=0.5)
        assert not waiting.done()
        await service.http.delete("/chats/c1")

        assert (await asyncio.wait_for(waiting, 30)).status_code == 404


@pytest.mark.parametrize("database_url", [databases.POSTGRESQL], indirect=True)
async def test_a_deletion_by_another_process_is_told(database_url: URL) -> None:
    async with running(database_url) as one, running(database_url) as other, joined(one.url, "c1") as client:
        await post(other, "said to the other process")
        await client.texts(1)
        await other.http.delete("/chats/c1")

        assert await client.closed() == (4404, "the chat was deleted")


async def test_one_look_wakes_those_whose_wait_is_over_and_nobody_else(db: Database) -> None:
    waiters = Waiters()
    watcher = Watcher(db, [Watched(waiters.ids, ended_among, waiters.notify)])
    await db.write(lambda connection: added(connection, said("open")))
    async with waiters.listening("gone") as gone, waiters.listening("open") as open_one:
        waiting = [asyncio.create_task(each(60)) for each in (gone, open_one)]
        await watcher.look()
        await asyncio.wait_for(waiting[0], 30)

        assert not waiting[1].done()
        waiting[1].cancel()


async def test_a_database_that_is_away_for_a_moment_does_not_end_the_watch() -> None:
    class Away:
        async def read(self, _: object) -> None:
            raise ConnectionRefusedError

    looks = 0

    async def counted(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise asyncio.CancelledError

    watched = Watched(lambda: ["c"], ended_among, lambda _: None)
    with pytest.raises(asyncio.CancelledError):
        await Watcher(cast(Database, Away()), [watched], counted).run()
