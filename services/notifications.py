"""What one process does is heard in all others on the database, without waiting for their next look.

A notification says only where to look, by ids. Nobody relies on it: whoever is told looks once a second anyway, and so
finds what was told while a connection was lost, or where a pooler swallows notifications.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.waiters import wait_at_most
from store.engine.notifications import Channel, Heard, Ids, payloads

log = structlog.get_logger()

PACE_SECONDS = 0.03
"""Between two transactions, each of which tells what has gathered since the last one."""
MOST_IDS = 1_000
"""Of a channel in one transaction. Where there are more, all that is told is to look at everything."""
CHECK_SECONDS = 10.0
"""Of silence, after which the server is asked whether it is still there."""
TRIAL_SECONDS = 1.0
"""How long the first notification may take: a process that hears nothing does not know that by itself."""
AGAIN_SECONDS = 1.0
TRY_AGAIN_SECONDS = 30.0
"""Until the next trial, where notifications do not arrive."""
SWALLOWED = (
    "a notification did not arrive: a pooler swallows them, or DATABASE_LISTEN_URL leads to another database"
)
MEANING = "what other processes do is noticed by looking, up to a second later"
Handler = Callable[[Ids], None]


class Speaker(Protocol):
    """A connection that tells other processes."""

    async def send(self, told: Sequence[tuple[Channel, str]]) -> None:
        """Tell all payloads at once. Raises ConnectionError."""
        ...

    async def check(self) -> None:
        """Raises ConnectionError if the connection is lost."""
        ...


Listen = Callable[[Collection[Channel], Heard, Callable[[], None]], AbstractAsyncContextManager[Speaker]]
"""Listens to channels on a connection. It calls the first function with what it hears, the second when it is lost.

Raises ConnectionError.
"""


async def _nobody(_: str) -> None:
    """There is nobody to tell."""


class Gathered:
    """What is to be told next: the ids of each channel, each once, or that they are too many to name."""

    def __init__(self) -> None:
        self._ids: defaultdict[Channel, dict[str, None]] = defaultdict(dict)
        self._many: set[Channel] = set()

    def add(self, channel: Channel, ids: Ids) -> None:
        """Add ids, or that anything may have changed."""
        if ids is not None:
            self._ids[channel].update(dict.fromkeys(ids))
        if ids is None or len(self._ids[channel]) > MOST_IDS:
            self._many.add(channel)
        if channel in self._many:
            self._ids.pop(channel, None)

    def take(self) -> list[tuple[Channel, str]]:
        """All of it, as payloads; it is forgotten here."""
        told = [(channel, "") for channel in sorted(self._many)]
        told += [(channel, payload) for channel, ids in self._ids.items() for payload in payloads(ids)]
        self._ids.clear()
        self._many.clear()
        return told


class Notifications:
    """Tells the other processes what this one did, and has this one look at what they tell.

    `listen` opens the connection; None where there is no other process. `try_out` tells all processes a `mark` of this
    one by another connection. It raises SQLAlchemyError and OSError.
    """

    def __init__(
        self,
        listen: Listen | None,
        try_out: Callable[[str], Awaitable[None]] = _nobody,
        mark: str = "",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._listen = listen
        self._try_out = try_out
        self._mark = mark
        self._sleep = sleep
        self._handlers: dict[Channel, Handler] = {Channel.TRIAL: self._tried}
        self._gathered = Gathered()
        self._news = asyncio.Event()
        self._arrived = asyncio.Event()
        self._problem: str | None = None
        self.are_heard = False
        """Whether notifications arrive at present."""

    @property
    def state(self) -> str | None:
        """`heard`, or `unheard` while other processes' doings are noticed by looking; None if there are no others."""
        if self._listen is None:
            return None
        return "heard" if self.are_heard else "unheard"

    def subscribe(self, channel: Channel, handler: Handler) -> None:
        """Have `handler` called with what is told of a channel; before `run`."""
        self._handlers[channel] = handler

    def notify(self, channel: Channel) -> None:
        """Have all processes look, this one included."""
        if (handler := self._handlers.get(channel)) is not None:
            handler(None)
        self.notify_others(channel)

    def notify_others(self, channel: Channel, ids: Ids = None) -> None:
        """Have the others look: this one knows already, and more than ids."""
        # What is told to nobody need not be kept: once they are heard again, everybody looks at everything.
        if self.are_heard and (ids is None or ids):
            self._gathered.add(channel, ids)
            self._news.set()

    async def run(self) -> None:
        """Listen and tell until cancelled, on a new connection whenever one is lost."""
        if self._listen is None:
            return
        while True:
            problem = await self._use(self._listen)
            if problem != self._problem:
                log.warning("notifications_unheard", because=problem, meaning=MEANING)
            self._problem = problem
            await self._sleep(TRY_AGAIN_SECONDS if problem == SWALLOWED else AGAIN_SECONDS)

    async def _use(self, listen: Listen) -> str:
        """Listen and tell as long as a connection lasts; gives why it did not last longer."""
        try:
            async with listen([*self._handlers], self._hear, self._news.set) as speaker:
                if not await self._arrive():
                    return SWALLOWED
                self._begin()
                while True:
                    await self._round(speaker)
        except (SQLAlchemyError, OSError) as error:
            return logs.named(logs.root(error))
        finally:
            self.are_heard = False

    async def _arrive(self) -> bool:
        self._arrived.clear()
        await self._try_out(self._mark)
        await wait_at_most(self._arrived, TRIAL_SECONDS)
        return self._arrived.is_set()

    def _tried(self, marks: Ids) -> None:
        if self._mark in (marks or ()):
            self._arrived.set()

    def _begin(self) -> None:
        """Everybody looks at everything once: nobody knows what was told until now, or what could not be."""
        if self._problem is not None:
            log.info("notifications_heard")
        self._problem = None
        self.are_heard = True
        for channel in self._handlers.keys() - {Channel.TRIAL}:
            self.notify(channel)

    async def _round(self, speaker: Speaker) -> None:
        await wait_at_most(self._news, CHECK_SECONDS)
        self._news.clear()
        if told := self._gathered.take():
            await speaker.send(told)
        else:
            await speaker.check()
        await self._sleep(PACE_SECONDS)

    def _hear(self, channel: Channel, ids: Ids) -> None:
        self._handlers[channel](ids)
