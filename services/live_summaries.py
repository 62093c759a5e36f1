"""Live summaries: a chat with listeners is summarised once it is quiet, and they receive the drafts."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
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
from store.conversations.progress import summary_version
from store.queue import summaries
from store.queue.summaries import Stored

log = structlog.get_logger()

MAX_WAIT = 600.0
"""Seconds after its first new message at which a chat is summarised although it is never quiet."""
MIN_QUIET = 1.0
"""Seconds, a lower bound for `CHAT_QUIET_SECONDS`: with 0, every message would cost a call for a summary."""
TICK = 0.5
"""Seconds between looks for chats that have become quiet; they cost no statement."""

View = Callable[[Stored], Mapping[str, Any] | None]


def version_of(stored: Stored | None) -> str:
    """The version of a stored summary, as `summary_version` gives it."""
    row = None if stored is None else stored.row
    return "" if row is None else summary_version(row.status, row.run_at, row.updated_at)


class LiveSummaries:
    """Requests summaries of quiet chats that have listeners, and passes them to the hub."""

    def __init__(self, database: Database, hub: Hub, quiet: Debounce, clock: Clock, *, view: View) -> None:
        """`view` gives the JSON of a summary that is no longer being written, as listeners receive it."""
        self._database = database
        self._hub = hub
        self._quiet = quiet
        self._clock = clock
        self._view = view
        self._expected: set[str] = set()
        self._ended: set[str] = set()
        self._news = asyncio.Event()

    def draft_listener(self, chat: str) -> DraftListener | None:
        """Receives the drafts of the chat's summary; None if the chat has no listeners."""
        if not self._hub.has_listeners(chat):
            return None
        return lambda content: self._hub.draft_changed(chat, draft_text(content))

    def expected(self) -> Collection[str]:
        """The chats with listeners whose summary this process requested, and has not seen written yet."""
        self._expected = set(filter(self._hub.has_listeners, self._expected))
        return self._expected

    def ended(self, chats: Iterable[str]) -> None:
        """The summaries of these chats were written, or failed."""
        self._ended.update(filter(self._hub.has_listeners, chats))
        self._news.set()

    async def run(self, wake: Callable[[], None]) -> None:
        """Request and publish summaries until cancelled. `wake` is called after each request."""
        while True:
            await wait_at_most(self._news, TICK)
            self._news.clear()
            for chat in filter(self._hub.has_listeners, self._quiet.due()):
                await self._request(chat)
                wake()
            for chat in list(self._ended):
                await self._publish(chat)

    async def _request(self, chat: str) -> None:
        try:
            await self._database.write(partial(summaries.ask, id_=chat, now=self._clock()))
        except (SQLAlchemyError, OSError) as error:
            log.warning("summary_request_failed", exc_info=error)
            self._quiet.touch(chat)
        else:
            self._expected.add(chat)

    async def _publish(self, chat: str) -> None:
        try:
            stored = await self._database.read(partial(summaries.get, id_=chat))
        except (SQLAlchemyError, OSError) as error:
            log.warning("summary_read_failed", exc_info=error)
            return
        self._ended.discard(chat)
        if stored is not None and stored.is_pending:  # it was asked for again; the next end will be told
            return
        self._expected.discard(chat)
        if stored is not None and (view := self._view(stored)):
            self._hub.summary_written(chat, view, version_of(stored))
