"""Reads on a standby what is as new as the primary, so that no client ever sees less than it has written or seen.

How new is measured in positions of the write-ahead log. What a commit has made visible on the primary is flushed there,
so a standby that has replayed as far shows all of it. Asked for at each read, this holds for every client, through any
number of processes, and needs neither a cookie nor a header.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from core.errors import CannotStart
from store.engine.faults import database_fault
from store.engine.readers import Readers, Result

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

log = structlog.get_logger()

PATIENCE = 1.0
"""Seconds that a read waits for the standby, then it goes to the primary. On loopback 99 of 100 waited under 6 ms."""
HANGS = 3 * PATIENCE
"""Seconds until a server that says nothing is given up."""
FIRST_POLL, LONGEST_POLL = 0.002, 0.05
LOOK_SECONDS = 1.0
KEPT = 3_600
"""Positions of the primary that are kept: an hour."""
# The flushed position, because that of insertion may be of a transaction that is not committed and not sent yet. On a
# standby it is an error, so a primary that was demoted is not taken for the newest.
FLUSHED = text("SELECT CAST(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0') AS bigint)")
REPLAYED = text("""
SELECT CAST(pg_wal_lsn_diff(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END, '0/0'
) AS bigint), pg_postmaster_start_time()
""")
IDENTITY = text("SELECT concat(system_identifier, ' ', current_database()) FROM pg_control_system()")
"""The same on the primary and its standbys, and nowhere else."""
OTHER = "READ_DATABASE_URL: leads to another database than DATABASE_URL"


class _Seen(NamedTuple):
    """A server, known by when it was started, and the position that it shows."""

    position: int
    server: object


@dataclass
class Replica:
    """A standby's readers, and the primary's for whenever it is away or behind."""

    primary: Readers
    engine: "AsyncEngine"
    is_pooled: bool
    """Whether two transactions of one connection may run on different servers."""
    noted: Callable[[float], None] = lambda _: None
    """Called with the lag once a second; with NaN while it does not answer."""
    lag: float | None = None
    """By how many seconds the standby is behind; None while it does not answer."""
    _told: str | None = ""
    """Why it was away at the last look; None if it answered."""
    _positions: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=KEPT))

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn` in a transaction of its own on the standby, or else on the primary. Raises SQLAlchemyError.

        A read that the standby cancels, because what it reads is being removed, is tried once on the primary.
        """
        if self.lag is not None and self.lag < PATIENCE:
            try:
                async with self._caught_up() as connection:
                    if connection is not None:
                        return await connection.run_sync(fn)
            except (SQLAlchemyError, OSError) as error:
                if database_fault(error) is None:
                    raise
        return await self.primary.read(fn)

    async def run(self) -> None:
        """Measure the lag once a second until cancelled."""
        while True:
            try:
                async with asyncio.timeout(HANGS):
                    self._note(await self._measured())
            except (SQLAlchemyError, OSError, TimeoutError, CannotStart) as error:
                self._note(None, error)
            await asyncio.sleep(LOOK_SECONDS)

    async def check(self) -> None:
        """Raises CannotStart if it is no standby of the primary; SQLAlchemyError or OSError if it does not answer."""
        ours = await self.primary.read(lambda connection: connection.execute(IDENTITY).scalar_one())
        async with self.engine.connect() as connection:
            if (await connection.execute(IDENTITY)).scalar_one() != ours:
                raise CannotStart(OTHER)

    def _note(self, lag: float | None, error: Exception | None = None) -> None:
        reason = (
            None if error is None else str(error) if isinstance(error, CannotStart) else type(error).__name__
        )
        if reason != self._told:
            told = {} if reason is None else {"reason": reason}
            log.warning("read_replica", state="away" if told else "answers", **told)
        self.lag, self._told = lag, reason
        self.noted(math.nan if lag is None else lag)

    async def _measured(self) -> float:
        """How long the standby takes to show what there is now; if that is too long, since when it has not.

        `now() - pg_last_xact_replay_timestamp()` grows while nothing is written, and `replay_lag` stays small while
        replay is paused.
        """
        if self.lag is None:
            await self.check()
        # Not the event loop's clock, which tests may set.
        asked, newest = time.monotonic(), await self._flushed()
        self._keep(asked, newest)
        async with self.engine.connect() as connection:
            shown = (await _reached(connection, newest)).position
        if shown >= newest:
            return time.monotonic() - asked
        while len(self._positions) > 1 and self._positions[1][1] <= shown:
            self._positions.popleft()
        return time.monotonic() - self._positions[0][0]

    def _keep(self, asked: float, newest: int) -> None:
        if self._positions and newest < self._positions[-1][1]:
            self._positions.clear()  # another primary, whose log is shorter
        self._positions.append((asked, newest))

    async def _flushed(self) -> int:
        position: int = await self.primary.read(lambda connection: connection.execute(FLUSHED).scalar_one())
        return position

    @asynccontextmanager
    async def _caught_up(self) -> "AsyncIterator[AsyncConnection | None]":
        """A connection to the standby, once it shows what the primary shows now; None if that takes too long.

        Raises SQLAlchemyError, OSError.
        """
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(HANGS):
                least = await self._flushed()
                connection = await stack.enter_async_context(self.engine.connect())
                seen = await _reached(connection, least)
                has_caught_up = seen.position >= least
                if has_caught_up and self.is_pooled:
                    has_caught_up = (await _seen(connection, ends=False)).server == seen.server
            yield connection if has_caught_up else None


async def _reached(connection: "AsyncConnection", least: int) -> _Seen:
    """What its server shows once that is `least`, or after PATIENCE.

    Each look is a transaction of its own: in one that is REPEATABLE READ the position would be reached, and the
    snapshot still be the one of the first look.
    """
    poll, end = FIRST_POLL, time.monotonic() + PATIENCE
    while (seen := await _seen(connection)).position < least and time.monotonic() < end:
        await asyncio.sleep(poll)
        poll = min(2 * poll, LONGEST_POLL)
    return seen


async def _seen(connection: "AsyncConnection", *, ends: bool = True) -> _Seen:
    found = (await connection.execute(REPLAYED)).one()
    if ends:
        await connection.rollback()
    return _Seen(found[0] or 0, found[1])
