"""What all calls have in common: few suspects at a time, and a result that is stored though the database is busy."""

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
"""Seconds a lease outlives the longest call: waiting for a slot, and two transactions."""
AGAIN_AFTER = 0.5
"""Seconds after which a result that could not be stored is tried again."""

Result = TypeVar("Result")


class Quarantine:
    """How many suspects are asked about just now, of either queue.

    More of them at once than faults in a row open the circuit could open it by themselves, again and again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way = 0

    @property
    def are_full(self) -> bool:
        """Whether no further suspect may be asked about."""
        return self._under_way >= self._most

    def begin(self, is_suspect: bool) -> None:
        """Somebody is asked about, a suspect or not. Before its task is started, or two could pass at once."""
        self._under_way += is_suspect

    def end(self, is_suspect: bool) -> None:
        """The asking is over."""
        self._under_way -= is_suspect


async def persist(database: Database, hold: Hold, write: Transaction[Result]) -> Result:
    """Store what is paid for: tried until it is stored, and until then analysis is held.

    Raises what is no fault of the database's.
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
