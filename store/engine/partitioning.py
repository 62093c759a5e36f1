"""`python -m database partition`: partition the big tables of a PostgreSQL database by month while it is used."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from core import clock
from core.complaints import complaint
from core.errors import CannotStart, PartitioningRefused
from core.settings import Settings
from models import conversations
from store.engine import turning_over
from store.engine.conversion import count_rows
from store.engine.faults import database_fault
from store.engine.migration import check
from store.engine.partitions import (
    FAMILIES,
    gather_statistics,
    is_partitioned,
    last_given,
    make_months,
    turn_month,
)
from store.engine.seal_access import DatabaseAccess, access_to
from store.engine.vault import Vault

Result = TypeVar("Result")
ROWS = 2_000
"""Conversations whose ids a step stores, in some 30 ms; a deletion waits for one step at most."""
SHARE = 0.4
"""Of the time, beside a service."""
PATIENCE = 900.0
"""Seconds for which a step is tried again: a long export keeps the tables from being exchanged while it reads."""
AGAIN_AFTER = 1.0
NOT_HERE = "partitions need PostgreSQL; an SQLite file has none"
LOCKS = 256
MORE_LOCKS = (
    f"Set max_locks_per_transaction of the server to {LOCKS}, which takes a restart: whatever reads many months locks"
    " each of their tables and indexes."
)
WAITING = "Waiting: others read or write these tables for longer than half a second, such as an export."


def main(arguments: Sequence[str]) -> int:
    """Run the command; return 0 on success, 1 on failure, 2 for bad settings."""
    console = Console(soft_wrap=True)
    try:
        url = Settings().url
        if not url.drivername.startswith("postgresql"):
            return _refused(NOT_HERE, 2)
        asyncio.run(_run(url, console))
    except ValidationError as error:
        return _refused(complaint(error), 2)
    except CannotStart as error:
        return _refused(str(error), 2)
    except (PartitioningRefused, OSError, SQLAlchemyError) as error:
        return _refused(str(getattr(error, "orig", error)).splitlines()[0], 1)
    except KeyboardInterrupt:
        sys.stderr.write("partition: stopped; run it again to go on\n")
        return 130
    return 0


def _refused(why: str, code: int) -> int:
    sys.stderr.write(f"cannot partition: {why}\n")
    return code


async def _run(url: URL, console: Console) -> None:
    access = access_to(url, Vault())
    is_served = await access.begin(lambda connection, _: check(connection))
    async with access.connected():
        await Partitioning(access, console, share=SHARE if is_served else 1).run()


def _locks(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SHOW max_locks_per_transaction").scalar_one())


class Partitioning:
    """Carries out what is left of the steps, and says what it does."""

    def __init__(
        self, access: DatabaseAccess, console: Console, *, share: float = 1, rows: int = ROWS
    ) -> None:
        self._access = access
        self._console = console
        self._pause = 1 / share - 1
        self._rows = rows

    async def run(self) -> None:
        """Do all that is left. Raises SQLAlchemyError, and PartitioningRefused if others keep it from going on."""
        started = time.monotonic()
        if await self._access.write(is_partitioned):
            self._console.print("The tables are partitioned already.")
        else:
            await self._turn_over()
        await self._patiently(partial(make_months, now=clock.now()))
        await self._patiently(partial(turn_month, now=clock.now()))
        self._console.print("Gathering statistics for the planner.")
        for table in (table for family in FAMILIES for table in family.tables):
            await self._patiently(partial(gather_statistics, table=table))
        if await self._access.write(_locks) < LOCKS:
            self._console.print(MORE_LOCKS)
        at = await self._access.write(partial(last_given, family=FAMILIES[0]))
        took = time.monotonic() - started
        self._console.print(f"Done in {took:.0f} s. New conversations have the numbers from {at} on.")

    async def _turn_over(self) -> None:
        await self._patiently(turning_over.keep_ids)
        await self._fill()
        for family in FAMILIES:
            for table in family.tables:
                await self._patiently(partial(turning_over.bound_numbers, family=family, table=table))
                self._console.print(f"Looking through {table}.")
                await self._patiently(partial(turning_over.look_through, table=table))
        self._console.print("Putting the partitioned tables in place.")
        await self._patiently(partial(turning_over.put_in_place, now=clock.now()))

    async def _fill(self) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        total = await self._access.write(partial(count_rows, table=conversations))
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task("ids of conversations", total=total)
            below = None
            while True:
                started = time.perf_counter()
                done = await self._patiently(partial(turning_over.fill_ids, below=below, limit=self._rows))
                progress.advance(task, done.rows)
                below = done.down_to
                if below is None:
                    progress.update(task, total=progress.tasks[task].completed)
                    return
                await asyncio.sleep((time.perf_counter() - started) * self._pause)

    async def _patiently(self, fn: Callable[[Connection], Result]) -> Result:
        """Run a step, again for a while if a lock is not to be had or the database is away for a moment."""
        end = time.monotonic() + PATIENCE
        is_said = False
        while True:
            try:
                return await self._access.write(fn)
            except (SQLAlchemyError, OSError) as error:
                if database_fault(error) is None:
                    raise
                if time.monotonic() > end:
                    raise PartitioningRefused(f"{WAITING} Run it again later; it goes on.") from error
            if not is_said:
                self._console.print(WAITING)
                is_said = True
            await asyncio.sleep(AGAIN_AFTER)
