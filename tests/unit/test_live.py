"""Listeners of a chat hear every message once and in order, however slow they are, and nothing is queued for them."""

import asyncio
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.waiting import eventually
from services.live import Draft, Hub, Listener
from services.recent_messages import MOST, MOST_BYTES, MOST_BYTES_OF_ALL, LiveMessage
from services.room import LiveChat
from store.conversations.progress import ChatState

PAGE = 100


class Chat:
    """The stored messages of one chat, and how often they were read."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.reads = 0
        self.number: int | None = 1

    async def read(self, chat: str, after: int) -> LiveChat:
        assert chat == "c"
        self.reads += 1
        await asyncio.sleep(0)
        next_ = [
            LiveMessage(at, str(at).encode()) for at in range(after + 1, min(self.count, after + PAGE) + 1)
        ]
        return LiveChat(self.number, self.count, next_)

    def speak(self, hub: Hub, count: int = 1, *, at_hand: bool = False) -> None:
        """Say so many more; the hub is given them, or has to read them."""
        new = [LiveMessage(at, str(at).encode()) for at in range(self.count + 1, self.count + count + 1)]
        self.count += count
        hub.messages_added("c", new if at_hand else ())

    def look(self, hub: Hub) -> None:
        """Let the hub compare itself with what is stored."""
        hub.watched()
        hub.compare({"c": None if self.number is None else ChatState(self.number, self.count)})


async def heard_by(listener: Listener, last: int) -> list[int]:
    on_draft: list[int] = []
    while listener.position < last:
        on_draft += [said.position for said in (await listener.news()).messages]
    return on_draft


async def test_who_comes_late_hears_the_chat_from_where_it_left() -> None:
    chat = Chat(1_000)
    hub = Hub(chat.read)
    with hub.listening("c", 0) as new, hub.listening("c", 990) as back:
        assert await heard_by(new, 1_000) == list(range(1, 1_001))
        assert await heard_by(back, 1_000) == list(range(991, 1_001))


async def test_a_message_is_read_once_for_all_that_wait_for_it() -> None:
    chat = Chat(5)
    hub = Hub(chat.read)
    with hub.listening("c", 5) as first, hub.listening("c", 5) as second, hub.listening("c", 5) as third:
        waiting = [asyncio.create_task(each.news()) for each in (first, second, third)]
        await eventually(lambda: chat.reads > 0)
        before = chat.reads
        chat.speak(hub)
        found = await asyncio.gather(*waiting)

    assert [[said.position for said in news.messages] for news in found] == [[6]] * 3
    assert chat.reads - before == 1


async def test_what_is_at_hand_is_not_read() -> None:
    chat = Chat(5)
    hub = Hub(chat.read)
    with hub.listening("c", 5) as first, hub.listening("c", 5) as second:
        waiting = [asyncio.create_task(each.news()) for each in (first, second)]
        await eventually(lambda: chat.reads > 0)
        before = chat.reads
        chat.speak(hub, 2, at_hand=True)
        found = await asyncio.gather(*waiting)

    assert [[said.position for said in news.messages] for news in found] == [[6, 7]] * 2
    assert chat.reads == before


@given(
    after=st.lists(st.integers(0, 700), min_size=1, max_size=4),
    bursts=st.lists(st.tuples(st.integers(1, 2 * MOST), st.booleans()), min_size=1, max_size=5),
    patience=st.lists(st.integers(0, 5), min_size=4, max_size=4),
    most_bytes=st.sampled_from([0, 500, 20_000, MOST_BYTES_OF_ALL]),
)
def test_everybody_hears_every_message_once_and_in_order(
    after: list[int], bursts: list[tuple[int, bool]], patience: list[int], most_bytes: int
) -> None:
    async def listen(listener: Listener, pauses: int, last: int) -> list[int]:
        on_draft: list[int] = []
        while listener.position < last:
            on_draft += [said.position for said in (await listener.news()).messages]
            for _ in range(pauses):
                await asyncio.sleep(0)
        return on_draft

    async def run() -> None:
        chat = Chat(700)
        hub = Hub(chat.read, most_bytes=most_bytes)
        last = chat.count + sum(count for count, _ in bursts)
        async with asyncio.TaskGroup() as group:
            rooms = [hub.listening("c", at) for at in after]
            listeners = [room.__enter__() for room in rooms]
            on_draft = [
                group.create_task(listen(each, pauses, last))
                for each, pauses in zip(listeners, patience, strict=False)
            ]
            for count, at_hand in bursts:
                await asyncio.sleep(0)
                chat.speak(hub, count, at_hand=at_hand)
        assert [each.result() for each in on_draft] == [list(range(at + 1, last + 1)) for at in after]
        for room in rooms:
            room.__exit__(None, None, None)
        assert not hub.has_listeners("c")

    asyncio.run(run())


async def test_a_summary_is_heard_as_it_is_written_and_again_when_it_is_done() -> None:
    chat = Chat()
    hub = Hub(chat.read)
    with hub.listening("c", 0) as quick, hub.listening("c", 0) as slow:
        hub.draft_changed("c", "The parcel")
        first = (await quick.news()).draft
        hub.draft_changed("c", "The parcel was late")
        second = (await quick.news()).draft
        whole = (await slow.news()).draft
        hub.summary_written("c", {"summary": "The parcel was late."})
        last = await quick.news()

    assert (first, second) == (Draft("The parcel", True), Draft(" was late", False))
    assert whole == Draft("The parcel was late", True)
    assert (last.draft, last.summary) == (None, {"summary": "The parcel was late."})


async def test_a_draft_that_is_begun_anew_is_heard_from_its_start() -> None:
    hub = Hub(Chat().read)
    with hub.listening("c", 0) as listener:
        hub.draft_changed("c", "The parcel was")
        await listener.news()
        hub.draft_changed("c", "A torn box")

        assert (await listener.news()).draft == Draft("A torn box", True)


async def test_who_listens_to_what_is_deleted_is_told_and_the_room_is_gone() -> None:
    chat = Chat(3)
    hub = Hub(chat.read)
    with hub.listening("c", 3) as listener:
        waiting = asyncio.create_task(listener.news())
        await eventually(lambda: chat.reads > 0)
        hub.deleted("c")

        assert (await waiting).deleted
        assert not hub.has_listeners("c")


async def test_who_waits_reads_nothing_until_there_is_something() -> None:
    chat = Chat(3)
    hub = Hub(chat.read)
    with ExitStack() as rooms:
        listeners = [rooms.enter_context(hub.listening("c", 3)) for _ in range(20)]
        waiting = [asyncio.create_task(each.news()) for each in listeners]
        await eventually(lambda: chat.reads > 0)
        for _ in range(5):
            assert set(hub.watched()) == {"c"}
            hub.compare({"c": ChatState(1, 3)})
            await asyncio.sleep(0)
        assert chat.reads == 1
        chat.count = 4
        hub.watched()
        hub.compare({"c": ChatState(1, 4)})
        found = await asyncio.gather(*waiting)

    assert [[said.position for said in news.messages] for news in found] == [[4]] * 20
    assert chat.reads == 2


async def test_what_one_listener_found_by_itself_is_not_kept_from_the_others() -> None:
    """The second comes after another process stored a message, of which the first was not told."""
    chat = Chat(3)
    hub = Hub(chat.read)
    with hub.listening("c", 3) as first:
        waiting = asyncio.create_task(first.news())
        await eventually(lambda: chat.reads > 0)
        chat.count = 4
        with hub.listening("c", 2) as second:
            assert [said.position for said in (await second.news()).messages] == [3, 4]
            hub.watched()
            hub.compare({"c": ChatState(1, 4)})

            assert [said.position for said in (await waiting).messages] == [4]


async def test_a_chat_that_has_not_begun_or_is_another_room_by_now_is_not_deleted() -> None:
    chat = Chat(0)
    hub = Hub(chat.read)
    with hub.listening("c", 0) as listener:
        hub.watched()
        chat.speak(hub, at_hand=True)  # committed after the look
        hub.compare({})
        assert [said.position for said in (await listener.news()).messages] == [1]
        hub.watched()
        hub.compare({"c": ChatState(1, 1)})
        hub.watched()
        hub.deleted("c")
        with hub.listening("c", 0):
            hub.compare({})
            assert hub.has_listeners("c")


@pytest.mark.parametrize(
    ("number", "count"),
    [
        pytest.param(None, 0, id="is gone"),
        pytest.param(2, 1, id="has begun anew"),
        pytest.param(2, 3, id="has begun anew and is as long"),
        pytest.param(2, 5, id="has begun anew and is longer"),
    ],
)
async def test_a_chat_that_another_process_deleted_is_told_as_deleted(number: int | None, count: int) -> None:
    chat = Chat(3)
    hub = Hub(chat.read)
    with hub.listening("c", 3) as listener:
        waiting = asyncio.create_task(listener.news())
        await eventually(lambda: chat.reads > 0)
        chat.number, chat.count = number, count
        chat.look(hub)
        news = await asyncio.wait_for(waiting, 5)

        assert (news.deleted, news.messages) == (True, ())
        assert not hub.has_listeners("c")
        with hub.listening("c", 0) as anew:
            waiting = asyncio.create_task(anew.news())
            chat.number, chat.count = 2, max(1, count)
            chat.look(hub)
            assert (await asyncio.wait_for(waiting, 5)).messages[0].position == 1


async def test_a_chat_deleted_before_it_was_read_is_told_as_deleted() -> None:
    chat = Chat(0)
    chat.number = None
    with Hub(chat.read).listening("c", 3) as listener:
        assert (await asyncio.wait_for(listener.news(), 5)).deleted


async def test_a_chat_that_does_not_exist_yet_is_not_deleted() -> None:
    chat = Chat(0)
    chat.number = None
    hub = Hub(chat.read)
    with hub.listening("c", 0) as listener:
        waiting = asyncio.create_task(listener.news())
        await eventually(lambda: chat.reads > 0)
        chat.look(hub)
        chat.number, chat.count = 1, 1
        chat.look(hub)

        assert [said.position for said in (await asyncio.wait_for(waiting, 5)).messages] == [1]


async def test_who_leaves_a_chat_that_was_deleted_does_not_close_the_one_that_came_after_it() -> None:
    chat = Chat(3)
    hub = Hub(chat.read)
    with ExitStack() as old, ExitStack() as new:
        old.enter_context(hub.listening("c", 3))
        hub.deleted("c")
        listener = new.enter_context(hub.listening("c", 3))
        old.close()
        waiting = asyncio.create_task(listener.news())
        await eventually(lambda: chat.reads > 0)
        chat.speak(hub)

        assert [said.position for said in (await asyncio.wait_for(waiting, 5)).messages] == [4]


class Erased(Chat):
    """A chat that has lost messages."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.gone: set[int] = set()

    async def read(self, chat: str, after: int) -> LiveChat:
        found = await super().read(chat, after)
        left = [message for message in found.messages if message.position not in self.gone]
        return LiveChat(found.number, found.count, left)


async def test_of_erased_messages_nothing_stays_in_memory() -> None:
    chat = Erased(0)
    hub = Hub(chat.read)
    with hub.listening("c", 0) as first:
        chat.speak(hub, 6, at_hand=True)
        assert await heard_by(first, 6) == [1, 2, 3, 4, 5, 6]
        hub.draft_changed("c", "What the erased one said")
        chat.gone = {2, 3, 6}
        hub.erased("c")
        with hub.listening("c", 0) as second:
            news = await second.news()
            assert ([said.position for said in news.messages], news.draft) == ([1, 4, 5], None)
            chat.speak(hub, at_hand=True)
            assert await heard_by(first, 7) == [7]
            assert await heard_by(second, 7) == [7]
    assert chat.reads > 0


async def test_what_another_process_erased_is_forgotten_too() -> None:
    chat = Erased(0)
    hub = Hub(chat.read)
    with hub.listening("c", 0) as first:
        chat.speak(hub, 4, at_hand=True)
        assert await heard_by(first, 4) == [1, 2, 3, 4]
        chat.gone = {2}
        hub.watched()
        hub.compare({"c": ChatState(1, 4, 1)})
        with hub.listening("c", 0) as second:
            assert await heard_by(second, 4) == [1, 3, 4]


async def test_a_read_from_before_an_erasure_is_not_kept() -> None:
    chat, begun, goes_on = Chat(3), asyncio.Event(), asyncio.Event()

    async def slow(id_: str, after: int) -> LiveChat:
        found = await chat.read(id_, after)
        begun.set()
        await goes_on.wait()
        return found

    hub = Hub(slow)
    with hub.listening("c", 0) as first, hub.listening("c", 0) as second:
        waiting = asyncio.create_task(first.news())
        await begun.wait()
        hub.erased("c")
        goes_on.set()
        await waiting
        reads = chat.reads
        await second.news()

    assert chat.reads == reads + 1


async def test_a_chat_that_is_left_or_deleted_makes_room_for_the_others() -> None:
    """Two chats fill the allowance; what the third keeps need not be read, unless one of them still fills it."""
    chat = Chat()
    hub = Hub(chat.read, most_bytes=2 * MOST_BYTES)
    frame = b"x" * (MOST_BYTES // 4)
    with ExitStack() as left:
        for other in ("left", "deleted"):
            left.enter_context(hub.listening(other, 0))
            hub.messages_added(other, [LiveMessage(at, frame) for at in (1, 2, 3)])
        hub.deleted("deleted")
    with hub.listening("c", 0) as listener:
        hub.messages_added("c", [LiveMessage(at, frame) for at in (1, 2, 3)])
        positions = await heard_by(listener, 3)

    assert positions == [1, 2, 3]
    assert chat.reads == 0
    assert hub.recent_bytes == 0


async def test_messages_that_were_read_while_their_chat_was_deleted_are_not_kept() -> None:
    async def read(chat: str, after: int) -> LiveChat:
        hub.deleted(chat)
        return LiveChat(1, 1, [LiveMessage(1, b"x")])

    hub = Hub(read)
    with hub.listening("c", 0) as listener:
        assert (await listener.news()).deleted
        assert hub.recent_bytes == 0
