"""Drafts are stored for listeners elsewhere: the newest of each chat, with pauses, as the database takes them."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from benchmarks.support.waiting import eventually
from database import Database
from services.notifications import Notifications
from services.shared_drafts import AGAIN_SECONDS, EVERY_SECONDS, KNOWN_SECONDS, SharedDrafts
from store.engine.notifications import Channel, Ids
from store.queue.drafts import HeldDraft


class Fake:
    """A database that notes which drafts it is given, and notifications that note what is told."""

    def __init__(self) -> None:
        self.stored: list[list[str]] = []
        self.told: list[tuple[Channel, Ids]] = []
        self.is_away = False
        self.may_go_on = asyncio.Event()
        self.pauses: list[float] = []
        self.now = 0.0

    async def write(self, fn: Callable[..., Any]) -> None:
        if self.is_away:
            raise ConnectionRefusedError
        drafts = cast("partial[None]", fn).keywords["drafts"]
        self.stored.append([f"{draft.chat}: {draft.text}" for draft in drafts])

    def notify_others(self, channel: Channel, ids: Ids = None) -> None:
        self.told.append((channel, ids))

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.may_go_on.wait()
        await asyncio.sleep(0)


def shared(fake: Fake) -> SharedDrafts:
    return SharedDrafts(cast(Database, fake), cast(Notifications, fake), fake.sleep, lambda: fake.now)


async def test_the_newest_draft_of_each_chat_is_stored_and_told_of() -> None:
    fake = Fake()
    drafts = shared(fake)
    running = asyncio.create_task(drafts.run())
    drafts.put(HeldDraft("a", "lease", "The"))
    await eventually(lambda: fake.pauses == [EVERY_SECONDS])
    for chat, text in (("a", "The parcel"), ("b", "Another"), ("a", "The parcel is")):
        drafts.put(HeldDraft(chat, "lease", text))
    assert fake.stored == [["a: The"]]
    fake.may_go_on.set()
    await eventually(lambda: len(fake.told) == 2)
    fake.is_away = True
    drafts.put(HeldDraft("a", "lease", "lost"))
    await eventually(lambda: len(fake.pauses) == 3)
    running.cancel()

    assert fake.stored == [["a: The"], ["a: The parcel is", "b: Another"]]
    assert fake.told == [(Channel.CONVERSATIONS, ["a"]), (Channel.CONVERSATIONS, ["a", "b"])]


def test_chats_are_known_that_have_listeners_elsewhere_and_others_are_told_of_those_here() -> None:
    fake = Fake()
    drafts = shared(fake)
    drafts.hear(lambda: ["mine"], ["theirs"])
    drafts.hear(lambda: ["mine"], None)

    assert [drafts.are_wanted(chat) for chat in ("theirs", "mine")] == [True, False]
    assert fake.told == [(Channel.LISTENERS, ["mine"])]


async def test_listeners_elsewhere_are_forgotten_unless_they_are_told_of_again() -> None:
    """Nobody says that the last of them has left."""
    fake = Fake()
    drafts = shared(fake)
    fake.may_go_on.set()
    chats = ["mine"]
    drafts.hear(lambda: chats, ["theirs"])
    telling = asyncio.create_task(drafts.tell(lambda: chats))
    await eventually(lambda: len(fake.told) > 1)
    telling.cancel()
    await asyncio.wait([telling])
    assert set(fake.pauses) == {AGAIN_SECONDS}
    assert fake.told[:2] == [(Channel.LISTENERS, ["mine"])] * 2

    wanted = []
    for now in (0.0, 2 * AGAIN_SECONDS, KNOWN_SECONDS):
        fake.now = now
        wanted.append(drafts.are_wanted("theirs"))
    drafts.hear(lambda: chats, ["theirs"])

    assert wanted == [True, True, False]
    assert drafts.are_wanted("theirs")
