"""Who reads from the database: SQLite by a visit to one of few threads, PostgreSQL over a pool's connections."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core import cpus

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

Result = TypeVar("Result")


class Readers(Protocol):
    """Runs functions on one consistent snapshot each."""

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn` in a transaction of its own. Raises SQLAlchemyError."""
        ...


@dataclass(frozen=True)
class PooledReaders:
    """As many readers as the pool has connections, all on the event loop."""

    engine: "AsyncEngine"

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn`; it waits for a connection as long as the pool says."""
        async with self.engine.connect() as connection:
            return await connection.run_sync(fn)


class ThreadReaders:
    """As many readers as there are threads, each with a connection of its own.

    `fn` runs in one piece. Over aiosqlite every statement and every fetch is a visit to a thread: a page took
    4.4 ms of CPU so and takes 3.3, one without rows 2.0 and 1.1, and each visit waits for its turn under load.
    """

    def __init__(self, engine: Engine, count: int, patience: float) -> None:
        """`engine` is of a pool with `count` connections; `patience` is how many seconds to wait for one."""
        self._engine = engine
        self._free = asyncio.Semaphore(count)
        self._patience = patience
        # Threads inherit where they may run; these may everywhere, though the event loop will share a CPU by then.
        self._threads = ThreadPoolExecutor(
            count, "reader", initializer=cpus.spread, initargs=(cpus.allowed(),)
        )

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn`; who gives up waiting for the answer leaves the thread to finish by itself."""
        await self._wait()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, fn)
        finally:
            self._free.release()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeout(f"all readers have been busy for {self._patience:g} s") from None

    def _run(self, fn: Callable[[Connection], Result]) -> Result:
        with self._engine.connect() as connection:
            return fn(connection)

    def close(self) -> None:
        """Wait for what is being read, and close the connections."""
        self._threads.shutdown()
        self._engine.dispose()
