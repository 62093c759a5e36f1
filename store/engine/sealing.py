"""`python -m database encrypt` and `rotate-key`: seal all that is stored, whether the service runs or not."""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection, Table, delete, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from stamina import retry_context

from core.complaints import complaint
from core.crypto import KeyRing
from core.errors import CannotStart, SealingRefused, WrongKeys
from core.settings import Settings
from models import encryption_keys, switches
from store.engine.conversion import KEYS, count_rows, seal_some
from store.engine.faults import database_fault
from store.engine.seal_access import DatabaseAccess, access_to
from store.engine.unlocking import unlock
from store.engine.vault import TURNING, Vault

Result = TypeVar("Result")
STEP_SECONDS = 0.02
"""What a step should take. Meanwhile no post is committed, so a post waits for one step at most."""
SMALLEST, LARGEST = 5, 1_000
"""Rows of a step."""
SHARE = 0.4
"""Of the time, beside a service; the rest is for its writer."""
SETTLING = 1.0
"""Seconds before the end is noted: pages that were being read then were read before the last value was turned over."""
ATTEMPTS = 20
NO_KEY = "set DATA_ENCRYPTION_KEY or DATA_ENCRYPTION_KEY_FILE; `openssl rand -base64 32` makes a key"


def main(arguments: Sequence[str]) -> int:
    """Run the command; return 0 on success, 1 on failure, 2 for bad settings."""
    [verb] = arguments
    console = Console(soft_wrap=True)
    try:
        settings = Settings()
        ring = settings.key_ring
        if ring is None:
            raise WrongKeys(NO_KEY)
        asyncio.run(_run(verb, settings.url, ring, console))
    except ValidationError as error:
        return _refused(verb, complaint(error), 2)
    except CannotStart as error:
        return _refused(verb, str(error), 2)
    except (SealingRefused, OSError, SQLAlchemyError, sqlite3.Error) as error:
        return _refused(verb, str(getattr(error, "orig", error)).splitlines()[0], 1)
    except KeyboardInterrupt:
        return _refused(verb, "stopped; run it again to go on", 130)
    return 0


def _refused(verb: str, why: str, code: int) -> int:
    sys.stderr.write(f"cannot {verb}: {why}\n" if code != 130 else f"{verb}: {why}\n")
    return code


async def _run(verb: str, url: URL, ring: KeyRing, console: Console) -> None:
    vault = Vault(ring)
    access = access_to(url, vault)
    is_served = await access.begin(partial(_unlock, verb, vault))
    started = time.monotonic()
    async with access.connected():
        unreadable = await Sealing(access, console, share=SHARE if is_served else 1).all()
        if unreadable:
            raise SealingRefused(f"values of {unreadable} rows do not open and are left; the log names them")
        await asyncio.sleep(SETTLING if is_served else 0)
        await access.write(partial(_end, ring=ring))
    console.print(f"Everything is sealed with the key {ring.ids[0]} ({time.monotonic() - started:.0f} s).")
    console.print(await access.clean())
    if verb == "rotate-key":
        console.print("Take the old keys out of DATA_ENCRYPTION_KEY and start the service again.")


def _unlock(verb: str, vault: Vault, connection: Connection, is_served: bool) -> None:
    known = set(connection.scalars(select(encryption_keys.c.id)))
    first = vault.ring.ids[0] if vault.ring else ""
    if verb == "rotate-key" and not known:
        raise WrongKeys("the database is plain; `python -m database encrypt` encrypts it")
    if is_served and first not in known:
        raise WrongKeys(
            "the service runs without this key; start it with the same DATA_ENCRYPTION_KEY"
            + (" and --while-plain" if not known else "")
        )
    unlock(connection, vault, while_plain=True)
    if verb == "rotate-key" and vault.is_turning:
        raise SealingRefused("`python -m database encrypt` has not finished; run that first")


def _end(connection: Connection, ring: KeyRing) -> None:
    connection.execute(delete(switches).where(switches.c.name == TURNING))
    connection.execute(delete(encryption_keys).where(encryption_keys.c.id != ring.ids[0]))


class Sealing:
    """Seals all tables, one after the other, in steps that take about STEP_SECONDS."""

    def __init__(self, access: DatabaseAccess, console: Console, share: float) -> None:
        self._access = access
        self._console = console
        self._pause = 1 / share - 1
        self._limit = SMALLEST

    async def all(self) -> int:
        """Seal everything; return how many rows have a value that does not open."""
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=self._console) as progress:
            totals = {table: await self._access.write(partial(count_rows, table=table)) for table in KEYS}
            tasks = {table: progress.add_task(table.name, total=total) for table, total in totals.items()}
            return sum([await self._table(table, progress, task) for table, task in tasks.items()])

    async def _table(self, table: Table, progress: Progress, task: TaskID) -> int:
        after, unreadable = None, 0
        while True:
            step = Timed(partial(seal_some, table=table, after=after, limit=self._limit))
            done = await _retried(self._access, step)
            taken = time.perf_counter() - step.started
            progress.advance(task, done.rows)
            unreadable += done.unreadable
            after = done.last
            if after is None:
                progress.update(task, total=progress.tasks[task].completed)
                return unreadable
            self._limit = max(SMALLEST, min(LARGEST, int(self._limit * min(2, STEP_SECONDS / taken))))
            await asyncio.sleep(taken * self._pause)


class Timed(Generic[Result]):
    """A transaction that notes when it got the database's lock: waiting for it is not its own time."""

    def __init__(self, fn: Callable[[Connection], Result]) -> None:
        self._fn = fn
        self.started = 0.0

    def __call__(self, connection: Connection) -> Result:
        """Run it."""
        self.started = time.perf_counter()
        return self._fn(connection)


async def _retried(access: DatabaseAccess, fn: Callable[[Connection], Result]) -> Result:
    """Run a step, again if the database is busy or away for a moment."""
    async for attempt in retry_context(on=_passes, attempts=ATTEMPTS, timeout=None):
        with attempt:
            return await access.write(fn)
    raise AssertionError("stamina raises the last error")


def _passes(error: Exception) -> bool:
    return database_fault(error) is not None
