"""The partitions of a PostgreSQL database that is partitioned by month: makes those to come, drops those left empty."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from database import Database
from store.engine.faults import database_fault
from store.engine.partitions import drop_emptied, is_partitioned, make_months, turn_month

log = structlog.get_logger()

IDLE_SECONDS = 60.0


@dataclass
class Months:
    """Makes this month's partitions and the next one's, has numbers go on in this month's, and drops emptied ones.

    If nobody does it for a while, rows go on into the last month that was begun; none is refused.
    """

    database: Database
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Look once a minute until cancelled."""
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                if database_fault(error) is None:
                    raise
                # A long read of a table with a partition to be dropped, or no database: the next look tries again.
                log.info("partitions_wait", error=type(getattr(error, "orig", error)).__name__)
            await self.sleep(IDLE_SECONDS)

    async def look(self) -> None:
        """Do what is due now. Raises SQLAlchemyError."""
        if not await self.database.read(is_partitioned):
            return
        now = self.clock()
        made = await self.database.write(partial(make_months, now=now))
        await self.database.write(partial(turn_month, now=now))
        dropped = await self.database.write(partial(drop_emptied, now=now))
        if made or dropped:
            log.info("partitions", made=made, dropped=dropped)
