"""What all calls share: a limit on suspects, and results that are stored even while the database is busy."""

import asyncio
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from database import Database
from llm.hold import Hold
from store.engine.faults import database_fault
from store.engine.writers import Transaction

log = structlog.get_logger()

LEASE_MARGIN = 30.0
"""Seconds by which a lease outlives the longest call: time to wait for a slot, and for two transactions."""
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


async def persist(database: Database, hold: Hold, write: Transaction[Result]) -> Result:
    """Store what is paid for. The write is repeated until it succeeds; until then no further call starts.

    Raises any error that is not the database's fault.
    """
    if (stored := await _stored(database, write)) is None:
        log.warning("result_not_stored_yet")
        with hold.until_stored():
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
