"""A chat that somebody listens to is summarised when it has been quiet, and all who listen hear it written."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from core.debounce import Debounce
from core.waiters import wait_at_most
from database import Database
from domain.summaries import DraftListener
from llm.summary_answers import draft_text
from services.live import Hub
from store.queue import summaries
from store.queue.summaries import Stored

log = structlog.get_logger()

LONGEST = 600.0
"""Seconds after its first new message in which a chat is summarised, though it is never quiet."""
LEAST_QUIET = 1.0
"""Seconds, where `CHAT_QUIET_SECONDS` is less: chats are then analysed at once, and a summary is a call of its own."""
LOOK_EVERY = 0.5
"""Seconds; a summary may be written by another process."""

View = Callable[[Stored], Mapping[str, Any] | None]


class LiveSummaries:
    """Asks for the summaries of chats that are heard, once they are quiet, and tells who listens."""

    def __init__(self, database: Database, hub: Hub, quiet: Debounce, clock: Clock, *, view: View) -> None:
        """`view` puts a summary that is no longer being written into the words that listeners get."""
        self._database = database
        self._hub = hub
        self._quiet = quiet
        self._clock = clock
        self._view = view
        self._expected: set[str] = set()
        self._news = asyncio.Event()

    def hearing(self, chat: str) -> DraftListener | None:
        """Who is told the answer in which its summary is being written; None where nobody listens."""
        if not self._hub.is_heard(chat):
            return None
        return lambda content: self._hub.drafted(chat, draft_text(content))

    def ended(self, chats: Iterable[str]) -> None:
        """Their summaries were written, or given up."""
        self._expected.update(filter(self._hub.is_heard, chats))
        self._news.set()

    async def run(self, wake: Callable[[], None]) -> None:
        """Ask and tell until cancelled. `wake` is called where a summary is due."""
        while True:
            await wait_at_most(self._news, LOOK_EVERY)
            self._news.clear()
            for chat in filter(self._hub.is_heard, self._quiet.due()):
                await self._ask(chat)
                wake()
            for chat in list(self._expected):
                await self._look(chat)

    async def _ask(self, chat: str) -> None:
        try:
            await self._database.write(partial(summaries.ask, id_=chat, now=self._clock()))
        except (SQLAlchemyError, OSError) as error:
            log.warning("summary_not_asked_for", exc_info=error)
            self._quiet.touch(chat)
        else:
            self._expected.add(chat)

    async def _look(self, chat: str) -> None:
        try:
            stored = await self._database.read(partial(summaries.get, id_=chat))
        except (SQLAlchemyError, OSError) as error:
            log.warning("summary_not_looked_at", exc_info=error)
            return
        if stored is None or not stored.is_pending:
            self._expected.discard(chat)
        if stored is not None and not stored.is_pending and (view := self._view(stored)):
            self._hub.summarised(chat, view)
