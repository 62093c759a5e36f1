"""What every call has in common: it leaves once, it is settled though the database is busy, and it can be given up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from brake import Brake
from database import Database
from errors import from_database
from writers import Transaction

log = structlog.get_logger()

LEASE_MARGIN = 30.0
"""Seconds a lease outlives the longest call: waiting for a slot, and two transactions."""
AGAIN_AFTER = 0.5
"""Seconds after which a result that could not be stored is tried again."""
SECONDS_TO_GIVE_BACK = 2.0

Result = TypeVar("Result")


class Once:
    """Calls what it was given the first time it is called itself."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    @property
    def done(self) -> bool:
        """Whether it was called."""
        return self._action is None

    def __call__(self) -> None:
        action, self._action = self._action, None
        if action is not None:
            action()


class Trials:
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


async def persist(database: Database, brake: Brake, write: Transaction[Result]) -> Result:
    """Store what is paid for: tried until it is stored, and until then analysis is held.

    Raises what is no fault of the database's.
    """
    if (stored := await _stored(database, write)) is None:
        log.warning("result_not_stored_yet")
        with brake.until_stored():
            while stored is None:
                await asyncio.sleep(AGAIN_AFTER)
                stored = await _stored(database, write)
    return stored[0]


async def _stored(database: Database, write: Transaction[Result]) -> tuple[Result] | None:
    try:
        return (await database.write(write),)
    except (SQLAlchemyError, OSError) as error:
        if from_database(error) is None:
            raise
        return None


async def to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Await the work; who is cancelled meanwhile waits for its end all the same."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class UnderWay:
    """Work that was begun and is not waited for, until the end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel_after(self, grace: float) -> None:
        """Wait so many seconds, then cancel what is left, and say how much that was."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        if self._tasks:
            log.info("given_back", calls=len(self._tasks))
        for task in self._tasks:
            task.cancel()

    async def ended(self) -> None:
        """Wait until nothing is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def brief_goodbye() -> AsyncIterator[None]:
    """Give the block two seconds: a busy database must not hold up the end, and what is held falls due by itself."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS_TO_GIVE_BACK):
            yield
