"""What one process does reaches the clients of another, and clients of the same process at once."""

import asyncio
from collections.abc import Callable, Sequence
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


class Away:
    """A database that refuses every connection."""

    async def read(self, _: object) -> None:
        raise ConnectionRefusedError


async def test_a_database_that_is_away_for_a_moment_does_not_end_the_watch() -> None:
    looks = 0

    async def counted(_: asyncio.Event, __: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise asyncio.CancelledError

    watched = Watched(lambda: ["c"], ended_among, lambda _: None)
    with pytest.raises(asyncio.CancelledError):
        await Watcher(cast(Database, Away()), [watched], tick=0, wait=counted).run()


class Looks:
    """A database in whose place it is noted which ids are looked for."""

    def __init__(self) -> None:
        self.made: asyncio.Queue[Sequence[str]] = asyncio.Queue()

    async def read(self, find: Callable[[None], Sequence[str]]) -> None:
        self.made.put_nowait(sorted(find(None)))


async def test_what_is_heard_is_looked_at_once_where_somebody_waits_for_it() -> None:
    looks, now = Looks(), 0.0
    waited_for = [Watched(lambda: {"a", "b"}, lambda _, ids: ids, lambda _: None)]
    watcher = Watcher(cast(Database, looks), waited_for, tick=600, clock=lambda: now)
    running = asyncio.create_task(watcher.run())

    watcher.hear(["b", "somebody else's"])
    assert await asyncio.wait_for(looks.made.get(), 30) == ["b"]
    watcher.hear(["somebody else's"])
    watcher.hear(["a"])
    assert await asyncio.wait_for(looks.made.get(), 30) == ["a"]
    watcher.hear(None)
    assert await asyncio.wait_for(looks.made.get(), 30) == ["a", "b"]
    now = 600
    watcher.hear(["somebody else's"])
    assert await asyncio.wait_for(looks.made.get(), 30) == ["a", "b"]

    running.cancel()
    await asyncio.wait([running])
    assert looks.made.empty()
