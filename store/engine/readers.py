"""Readers: SQLite is read in a few threads, PostgreSQL over a pool of connections on the event loop."""

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
    """Runs functions, each on a consistent snapshot."""

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn` in a transaction of its own. Raises SQLAlchemyError."""
        ...


@dataclass(frozen=True)
class PooledReaders:
    """Readers on the event loop, as many as the pool has connections."""

    engine: "AsyncEngine"

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn`; waits for a connection as long as the pool's time-out."""
        async with self.engine.connect() as connection:
            return await connection.run_sync(fn)


class OnDemandReaders:
    """Readers over aiosqlite for long jobs such as exports and retention; opened at the first read.

    They are separate from the readers of requests, because four exports occupied all of those threads. An export of
    30,000 insights, a thousand at a time, took 0.81 s of CPU this way and 0.75 s in those threads.
    """

    def __init__(self, make: "Callable[[], AsyncEngine]") -> None:
        self._make = make
        self._engine: AsyncEngine | None = None

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn`; waits for a connection as long as the pool's time-out."""
        if self._engine is None:
            self._engine = self._make()
        return await PooledReaders(self._engine).read(fn)

    async def close(self) -> None:
        """Close the connections, if there are any."""
        if self._engine is not None:
            await self._engine.dispose()


class ThreadReaders:
    """Readers in threads, each with its own connection.

    A thread runs `fn` as a whole. With aiosqlite every statement and fetch is a round trip to a thread: a page took
    4.4 ms of CPU instead of 3.3, one without rows 2.0 instead of 1.1, and every round trip has to wait under load.
    """

    def __init__(self, engine: Engine, count: int, patience: float) -> None:
        """`engine` has a pool of `count` connections; a caller waits `patience` seconds for a free one."""
        self._engine = engine
        self._free = asyncio.Semaphore(count)
        self._patience = patience
        # Threads inherit their CPU affinity. These may use all CPUs, though the event loop is later bound to one.
        self._threads = ThreadPoolExecutor(
            count, "reader", initializer=cpus.spread, initargs=(cpus.allowed(),)
        )

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        """Run `fn`. If the caller is cancelled, the thread still finishes."""
        await self._wait_for_reader()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, fn)
        finally:
            self._free.release()

    async def _wait_for_reader(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeout(f"all readers have been busy for {self._patience:g} s") from None

    def _run(self, fn: Callable[[Connection], Result]) -> Result:
        with self._engine.connect() as connection:
            return fn(connection)

    def close(self) -> None:
        """Wait for running reads and close the connections."""
        self._threads.shutdown()
        self._engine.dispose()
