"""Notices what other processes did with that for which clients of this one wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.waiters import wait_at_most
from database import Database
from store.engine.notifications import Ids

log = structlog.get_logger()
TICK = 1.0


@dataclass(frozen=True)
class Watched:
    """One kind of thing that clients wait for: their ids, what finds news of them, and what is told of it."""

    waiting: Callable[[], Collection[str]]
    find: Callable[[Connection, Sequence[str]], Any]
    tell: Callable[[Any], None]


class Watcher:
    """Looks at once when it hears of something that is waited for, and once a tick at everything.

    It looks with one statement for all that wait for the same kind of thing. What this process did itself is told at
    once, without the watcher. When each of 400 sockets and of 600 requests asked for itself, they took 40 % of a core
    each, for as long as they waited.
    """

    def __init__(
        self,
        database: Database,
        watched: Sequence[Watched],
        tick: float = TICK,
        wait: Callable[[asyncio.Event, float], Awaitable[None]] = wait_at_most,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._watched = watched
        self._tick = tick
        self._wait = wait
        self._clock = clock
        self._heard: set[str] = set()
        self._news = asyncio.Event()
        self._all_due_at = clock() + tick

    def hear(self, ids: Ids) -> None:
        """Look at these soon, as far as they are waited for; at everything if anything may have changed."""
        if ids is None:
            self._all_due_at = self._clock()
        else:
            self._heard.update(ids)
        self._news.set()

    async def run(self) -> None:
        """Look until cancelled. While the database does not answer, whoever waits goes on waiting."""
        while True:
            await self._wait(self._news, self._all_due_at - self._clock())
            try:
                await self.look(self._next())
            except (SQLAlchemyError, OSError) as error:
                log.warning("watcher_failed", exc_info=error)

    def _next(self) -> Ids:
        heard, self._heard = self._heard, set()
        self._news.clear()
        if self._clock() < self._all_due_at:
            return heard
        self._all_due_at = self._clock() + self._tick
        return None

    async def look(self, among: Ids = None) -> None:
        """Look once at everything that is waited for, or at that which is among these ids."""
        for each in self._watched:
            await self._look_at(each, among)

    async def _look_at(self, watched: Watched, among: Ids) -> None:
        waiting = watched.waiting()
        if ids := tuple(waiting if among is None else (id_ for id_ in among if id_ in waiting)):
            watched.tell(await self._database.read(lambda connection: watched.find(connection, ids)))
