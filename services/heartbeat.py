"""The processes that share the database: this one says that it is there, and hears of the others."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.clock import SECOND
from core.role_settings import ProcessRole
from core.version import VERSION
from database import Database
from store.queue import duties, heartbeats
from store.queue.clock import ProcessClock
from store.queue.heartbeats import Json, ProcessSeen

log = structlog.get_logger()

BEAT_SECONDS = 2.0
ALIVE_SECONDS = 10.0
"""A process that was not heard of for so long counts as dead: five beats, because a busy machine may miss some."""
SECONDS_TO_LEAVE = 1.0


@dataclass
class Heartbeat:
    """This process among those on the database. `state` gives what it says of itself.

    With each beat it takes the duties of `wanted` that nobody else holds. On SQLite there are no others, and nobody
    runs it.
    """

    database: Database
    clock: ProcessClock
    id: str
    role: ProcessRole
    host: str
    wanted: Sequence[str] = ()
    state: Callable[[], Json] = dict
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    others: Sequence[ProcessSeen] = ()
    """Those that are alive, as far as this process knows."""
    held: Collection[str] = ()
    """The duties that are this process's."""
    _started_at: int = field(default=0)

    @property
    def workers(self) -> Sequence[ProcessSeen]:
        """The others that analyse."""
        return [each for each in self.others if ProcessRole(each.role).works]

    async def run(self) -> None:
        """Beat and listen until cancelled."""
        while True:
            await self.sleep(BEAT_SECONDS)
            await self.try_beat()

    async def try_beat(self) -> None:
        """Beat, unless the database does not answer: what is known then stays, and it is said elsewhere."""
        try:
            await self.beat()
        except (SQLAlchemyError, OSError) as error:
            log.info("no_heartbeat", error=type(error).__name__)

    async def beat(self) -> None:
        """Say that this process is there, and hear of the others. Raises SQLAlchemyError."""
        before = {each.id for each in self.others}
        self.others, self.held = await self.database.write(self._beaten, urgent=True)
        for each in self.others:
            if each.id not in before:
                log.info("process_met", role=each.role, host=each.host, version=each.version)

    def _beaten(self, connection: Connection) -> tuple[Sequence[ProcessSeen], Collection[str]]:
        now = self.clock.now(connection)
        self._started_at = self._started_at or now
        own = ProcessSeen(self.id, self.role, self.host, VERSION, self._started_at, now, self.state())
        heartbeats.beat(connection, own)
        until = now + round(ALIVE_SECONDS * SECOND)
        take = partial(duties.take_duty, connection, holder=self.id, now=now, until=until)
        held = {name for name in self.wanted if take(name)}
        seen = heartbeats.seen_since(connection, now - round(ALIVE_SECONDS * SECOND))
        return [each for each in seen if each.id != self.id], held

    async def leave(self) -> None:
        """Say that this process ends, and lay down its duties; if the database does not answer, both run out."""
        with suppress(SQLAlchemyError, OSError, TimeoutError):
            async with asyncio.timeout(SECONDS_TO_LEAVE):
                await self.database.write(self._left)

    def _left(self, connection: Connection) -> None:
        heartbeats.sign_off(connection, self.id, now=self.clock.now(connection))
        duties.lay_down(connection, self.id)


@dataclass
class Duty:
    """Work in the background that one process at a time does. `work` runs until it is cancelled."""

    name: str
    work: Callable[[], Awaitable[None]]
    heartbeat: Heartbeat
    every: float = BEAT_SECONDS

    async def run(self) -> None:
        """Do it while it is this process's, until cancelled. Raises what the work does."""
        while True:
            while self.name not in self.heartbeat.held:
                await self.heartbeat.sleep(self.every)
            work = asyncio.ensure_future(self.work())
            try:
                while self.name in self.heartbeat.held and not work.done():
                    await asyncio.wait([work], timeout=self.every)
                if work.done():
                    return await work
                log.warning("duty_lost", duty=self.name)
            finally:
                work.cancel()
                await asyncio.wait([work])
