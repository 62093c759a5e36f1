"""What all calls share: a limit on suspects, and results that are stored even while the database is busy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.waiters import wait_at_most
from database import Database
from llm.hold import Hold
from store.engine.faults import database_fault
from store.engine.writers import Transaction

log = structlog.get_logger()

LEASE_MARGIN = 30.0
"""Seconds by which a lease outlives the longest call: time to wait for a slot, and for two transactions.

`LEASE_MARGIN_SECONDS` changes it.
"""
RENEWALS = 3
"""How often a lease is renewed within its margin."""
AGAIN_AFTER = 0.5
"""Seconds between two attempts to store a result."""

Result = TypeVar("Result")


class Quarantine:
    """Limits how many suspects are asked about at a time, over all queues.

    As many at once as the circuit takes faults could open it by themselves, again and again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way = 0

    @property
    def are_full(self) -> bool:
        """Whether no further suspect may be asked about."""
        return self._under_way >= self._most

    def begin(self, is_suspect: bool) -> None:
        """A call begins, for a suspect or not. Call this before its task starts, or two could pass at once."""
        self._under_way += is_suspect

    def end(self, is_suspect: bool) -> None:
        """The call is over."""
        self._under_way -= is_suspect


@dataclass(frozen=True, slots=True)
class Renewal:
    """Holds jobs for longer; `every` is the seconds between two renewals."""

    write: Transaction[object]
    every: float

    @asynccontextmanager
    async def going_on(self, database: Database) -> AsyncIterator[None]:
        """Renew again and again inside the block."""
        over = asyncio.Event()
        renewing = asyncio.create_task(self._until(over, database))
        try:
            yield
        finally:
            over.set()
            await renewing

    async def _until(self, over: asyncio.Event, database: Database) -> None:
        while True:
            await wait_at_most(over, self.every)
            if over.is_set():
                return
            try:
                # By a connection that those who settle cannot fill: they are why it takes so long.
                await database.write(self.write, urgent=True)
            except (SQLAlchemyError, OSError) as error:
                log.warning("lease_not_renewed", exc_info=error)


async def persist(
    database: Database, hold: Hold, write: Transaction[Result], renewal: Renewal | None = None
) -> Result:
    """Store what is paid for. The write is repeated until it succeeds; until then no further call starts.

    `renewal` keeps the leases meanwhile: whoever claimed the jobs anew would pay for them again. Raises any error that
    is not the database's fault.
    """
    if (stored := await _stored(database, write)) is None:
        log.warning("result_not_stored_yet")
        async with AsyncExitStack() as waiting:
            waiting.enter_context(hold.until_stored())
            if renewal is not None:
                await waiting.enter_async_context(renewal.going_on(database))
            while stored is None:
                await asyncio.sleep(AGAIN_AFTER)
                stored = await _stored(database, write)
    return stored[0]


async def _stored(database: Database, write: Transaction[Result]) -> tuple[Result] | None:
    try:
        return (await database.write(write),)
    except (SQLAlchemyError, OSError) as error:
        if database_fault(error) is None:
            raise
        return None
