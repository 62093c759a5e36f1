"""What a process tells the others is gathered, split and sent with pauses; a lost connection loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from api.background import subscribe_all
from api.dependencies import Resources
from benchmarks.support.waiting import eventually
from services.notifications import (
    AGAIN_SECONDS,
    MOST_IDS,
    PACE_SECONDS,
    TRY_AGAIN_SECONDS,
    Gathered,
    Notifications,
)
from services.watcher import Watcher
from store.engine.notifications import MOST_BYTES, Channel, Heard, Ids, ids_of, payloads

MARK = "mine"
CONVERSATIONS = Channel.CONVERSATIONS
# No id has a line break; the longest have 128 characters.
IDS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1, max_size=128)
LONG = st.integers(0, 10**6).map(lambda number: f"{number}".rjust(128, "ä"))
Told = tuple[Channel, str]


@given(st.lists(st.one_of(IDS, LONG), max_size=400))
def test_ids_are_split_below_the_limit_and_come_out_as_they_went_in(ids: list[str]) -> None:
    made = list(payloads(ids))

    assert [id_ for payload in made for id_ in ids_of(payload) or ()] == ids
    assert all(0 < len(payload.encode()) <= MOST_BYTES for payload in made)
    joined = [f"{one}\n{(ids_of(other) or [''])[0]}" for one, other in pairwise(made)]
    assert all(len(each.encode()) > MOST_BYTES for each in joined), "two of them would have fitted into one"


def test_a_payload_may_be_full_to_the_last_byte() -> None:
    assert [len(payload) for payload in payloads(["a" * 3_999, "b" * 3_999, "c"])] == [MOST_BYTES, 1]
    assert ids_of("") is None


ADDED = st.tuples(
    st.sampled_from([CONVERSATIONS, Channel.JOBS]),
    st.one_of(
        st.none(),
        st.lists(st.sampled_from("abcdefg"), max_size=9),
        st.integers(0, MOST_IDS).map(lambda count: [f"{count}_{number}" for number in range(count)]),
    ),
)


@given(st.lists(ADDED, max_size=6))
def test_each_id_is_told_once_or_that_they_are_many(added: list[tuple[Channel, Ids]]) -> None:
    gathered = Gathered()
    for channel, ids in added:
        gathered.add(channel, ids)
    told = gathered.take()

    for channel in (CONVERSATIONS, Channel.JOBS):
        said = [ids for of, ids in added if of is channel]
        distinct = list(dict.fromkeys(id_ for ids in said if ids is not None for id_ in ids))
        found = [payload for of, payload in told if of is channel]
        if None in said or len(distinct) > MOST_IDS:
            assert found == [""]
        else:
            assert [id_ for payload in found for id_ in ids_of(payload) or ()] == distinct
    assert gathered.take() == []


class Server:
    """A server that listening connections are opened to, one after another, and the pauses of whoever does so."""

    def __init__(self) -> None:
        self.connections = 0
        self.sent: asyncio.Queue[list[Told]] = asyncio.Queue()
        self.swallows = False
        self.is_lost = False
        self.channels: Collection[Channel] = ()
        self.pauses: list[float] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self._heard: Heard | None = None
        self._lost: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def listen(self, channels: Collection[Channel], heard: Heard, lost: Any) -> AsyncIterator["Server"]:
        self.connections += 1
        self.channels, self._heard, self._lost, self.is_lost = channels, heard, lost, False
        try:
            yield self
        finally:
            self._heard = None

    async def send(self, told: Sequence[Told]) -> None:
        await self.check()
        self.sent.put_nowait(list(told))

    async def check(self) -> None:
        if self.is_lost:
            raise ConnectionError("lost")

    async def try_out(self, mark: str) -> None:
        if not self.swallows:
            self.tell(Channel.TRIAL, [mark])

    def tell(self, channel: Channel, ids: Ids) -> None:
        if self._heard is not None:
            self._heard(channel, ids)

    def lose(self) -> None:
        self.is_lost = True
        self._lost()

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)
        await self.may_go_on.wait()

    async def next(self) -> list[Told]:
        return await asyncio.wait_for(self.sent.get(), 30)


@asynccontextmanager
async def notifying(server: Server) -> AsyncIterator[tuple[Notifications, list[Ids]]]:
    """Notifications by that server, and what was heard of conversations."""
    heard: list[Ids] = []
    notifications = Notifications(server.listen, server.try_out, MARK, server.sleep)
    notifications.subscribe(CONVERSATIONS, heard.append)
    task = asyncio.create_task(notifications.run())
    try:
        yield notifications, heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_whoever_begins_looks_at_everything_and_has_the_others_look() -> None:
    server = Server()
    async with notifying(server) as (notifications, heard):
        assert await server.next() == [(CONVERSATIONS, "")]

        assert heard == [None]
        assert notifications.state == "heard"
        assert set(server.channels) == {CONVERSATIONS, Channel.TRIAL}


async def test_what_comes_during_a_pause_is_told_at_once_after_it() -> None:
    server = Server()
    async with notifying(server) as (notifications, heard):
        await server.next()
        server.may_go_on.clear()
        await eventually(lambda: server.pauses == [PACE_SECONDS])
        for ids in (["a"], ["b", "a"], [], ["c"]):
            notifications.notify_others(CONVERSATIONS, ids)
        server.may_go_on.set()

        assert await server.next() == [(CONVERSATIONS, "a\nb\nc")]
        assert heard == [None], "what this process did it knows already"
        notifications.notify(CONVERSATIONS)
        assert await server.next() == [(CONVERSATIONS, "")]
        assert heard == [None, None]
        assert server.sent.empty()


async def test_after_a_loss_everybody_looks_at_everything() -> None:
    server = Server()
    with capture_logs() as logged:
        async with notifying(server) as (notifications, heard):
            await server.next()
            server.tell(CONVERSATIONS, ["a"])
            server.may_go_on.clear()
            server.lose()
            server.may_go_on.set()

            assert await server.next() == [(CONVERSATIONS, "")]
            assert (server.connections, heard) == (2, [None, ["a"], None])
            assert AGAIN_SECONDS in server.pauses
            assert notifications.state == "heard"
    assert [line["event"] for line in logged] == ["notifications_unheard", "notifications_heard"]


async def test_a_pooler_that_swallows_them_is_told_once_and_tried_again() -> None:
    server = Server()
    server.swallows = True
    with capture_logs() as logged:
        async with notifying(server) as (notifications, heard):
            await eventually(lambda: server.pauses == [TRY_AGAIN_SECONDS])
            assert notifications.state == "unheard"
            notifications.notify_others(CONVERSATIONS, ["a"])
            await eventually(lambda: server.connections == 3)
            assert (heard, server.sent.empty()) == ([], True)
            server.swallows = False

            assert await server.next() == [(CONVERSATIONS, "")]
    assert [line["event"] for line in logged] == ["notifications_unheard", "notifications_heard"]
    assert "pooler" in logged[0]["because"]


def test_a_process_that_is_alone_tells_itself() -> None:
    heard: list[Ids] = []
    alone = Notifications(None)
    alone.subscribe(CONVERSATIONS, heard.append)
    alone.notify(CONVERSATIONS)
    alone.notify_others(CONVERSATIONS, ["a"])
    alone.notify(Channel.JOBS)

    assert (alone.state, heard) == (None, [None])


@pytest.mark.parametrize("channel", set(Channel) - {Channel.TRIAL})
def test_somebody_looks_whatever_is_told(channel: Channel) -> None:
    looks: list[str] = []

    def looker(name: str) -> SimpleNamespace:
        return SimpleNamespace(look=lambda: looks.append(name), wake=lambda: looks.append(name))

    notifications = Notifications(None)
    resources = SimpleNamespace(
        notifications=notifications,
        processor=looker("analysis"),
        summariser=looker("summaries"),
        jobs=looker("jobs"),
        access=SimpleNamespace(directory=looker("access")),
        capacity=looker("switches"),
        topics=looker("topics"),
    )
    watcher = SimpleNamespace(hear=lambda _: looks.append("conversations"))
    subscribe_all(cast(Resources, resources), cast(Watcher, watcher))
    notifications.notify(channel)

    assert looks == [channel.removeprefix("insights_")]
