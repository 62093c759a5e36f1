"""Drafts of summaries for listeners that other processes have."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.bounded import Bounded
from database import Database
from services.notifications import Notifications
from store.engine.notifications import Channel, Ids
from store.queue.drafts import HeldDraft, store_drafts

log = structlog.get_logger()

EVERY_SECONDS = 0.25
"""Between two writes of the same draft: people read no faster."""
REMEMBERED = 10_000
AGAIN_SECONDS = 30.0
"""Between two times that a process tells which chats have listeners here."""
KNOWN_SECONDS = 2.5 * AGAIN_SECONDS
"""How long others go by that. A process that dies or loses its last listener says nothing."""


class SharedDrafts:
    """Knows which chats have listeners elsewhere, and stores the drafts of their summaries."""

    def __init__(
        self,
        database: Database,
        notifications: Notifications,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._sleep = sleep
        self._clock = clock
        # Until when: a draft that nobody reads costs four writes a second.
        self._listened_to: Bounded[str, float] = Bounded(REMEMBERED)
        self._drafts: dict[str, HeldDraft] = {}
        self._news = asyncio.Event()

    def hear(self, own: Callable[[], Collection[str]], chats: Ids) -> None:
        """Another process has listeners in these chats; or it has just begun, and is told of `own`."""
        if chats is None:
            self._notifications.notify_others(Channel.LISTENERS, list(own()))
        for chat in chats or ():
            self._listened_to[chat] = self._clock() + KNOWN_SECONDS

    def are_wanted(self, chat: str) -> bool:
        """Whether another process has listeners in a chat, or had some a minute ago."""
        until = self._listened_to.get(chat)
        return until is not None and self._clock() < until

    async def tell(self, own: Callable[[], Collection[str]]) -> None:
        """Tell the others again and again which chats have listeners here, until cancelled."""
        while True:
            await self._sleep(AGAIN_SECONDS)
            self._notifications.notify_others(Channel.LISTENERS, list(own()))

    def put(self, draft: HeldDraft) -> None:
        """Store a draft soon, in place of the one before."""
        self._drafts[draft.chat] = draft
        self._news.set()

    async def run(self) -> None:
        """Store drafts until cancelled. One that cannot be stored is left out: the next one has more."""
        while True:
            await self._news.wait()
            self._news.clear()
            drafts, self._drafts = self._drafts, {}
            try:
                await self._database.write(partial(store_drafts, drafts=drafts.values()))
            except (SQLAlchemyError, OSError) as error:
                log.info("drafts_not_stored", error=type(error).__name__)
            else:
                self._notifications.notify_others(Channel.CONVERSATIONS, list(drafts))
            await self._sleep(EVERY_SECONDS)
