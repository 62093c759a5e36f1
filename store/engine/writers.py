"""Writers: a single one in its own thread on SQLite, a pool on PostgreSQL.

Both run `fn(connection)` in one transaction, which this module opens and ends.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from core import cpus

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

Result = TypeVar("Result")
Transaction = Callable[[Connection], Result]
Prepare = Transaction[None]
"""What is done in the first transaction on a database, before anything is served."""
OnCommit = Callable[[float], None]
"""Called with the seconds that a commit took."""

DEADLOCK = "40P01"
CLOSING = "the database is being closed"


class Writers(Protocol):
    """Runs functions, each in a transaction, and commits."""

    async def write(self, fn: Transaction[Result], *, urgent: bool) -> Result:
        """Run `fn` in one transaction. Raises ConnectionError once the database is being closed."""
        ...


@dataclass
class PooledWriters:
    """Writers on PostgreSQL, as many as the two pools have connections. `posts` is for urgent writes alone."""

    engine: "AsyncEngine"
    posts: "AsyncEngine"
    committed: OnCommit
    _is_closing: bool = False

    async def write(self, fn: Transaction[Result], *, urgent: bool) -> Result:
        """Run `fn` in one transaction; retry once after a deadlock."""
        if self._is_closing:
            raise ConnectionError(CLOSING)
        engine = self.posts if urgent else self.engine
        try:
            return await self._commit(engine, fn)
        except DBAPIError as error:
            # Two unique keys have no common lock order, so intake may deadlock; the retry succeeds.
            if getattr(error.orig, "sqlstate", None) != DEADLOCK:
                raise
            return await self._commit(engine, fn)

    def abandon(self) -> None:
        """Refuse what comes from now on: a connection made after the pool is closed would be nobody's to close."""
        self._is_closing = True

    async def _commit(self, engine: "AsyncEngine", fn: Transaction[Result]) -> Result:
        async with engine.connect() as connection, connection.begin() as transaction:
            result = await connection.run_sync(fn)
            started = time.perf_counter()
            await transaction.commit()
            self.committed(time.perf_counter() - started)
            return result


@dataclass
class SingleWriter:
    """The single writer on SQLite. Intake and other work alternate, each job in its own transaction.

    A thread runs `fn` as a whole. With aiosqlite, where every statement and fetch is a round trip to a thread, an
    analysed conversation cost 1.3 to 1.6 times the CPU.
    """

    engine: Engine
    committed: OnCommit
    _posts: deque["_Job"] = field(default_factory=deque)
    _others: deque["_Job"] = field(default_factory=deque)
    _work: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="writer")
    )
    _connection: Connection | None = None
    """Kept open and used only in the thread: checking it out of the pool took 5 % of the engine's CPU."""
    _is_closing: bool = False

    async def write(self, fn: Transaction[Result], *, urgent: bool) -> Result:
        """Run `fn` when its turn comes."""
        if self._is_closing:
            raise ConnectionError(CLOSING)
        job: _Job = _Job(fn, asyncio.get_running_loop().create_future())
        (self._posts if urgent else self._others).append(job)
        self._work.set()
        result: Result = await job.done
        return result

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._work.wait()
            for lane in (self._posts, self._others):
                if lane:
                    await self._run(lane.popleft())
            if not (self._posts or self._others):
                self._work.clear()

    async def _run(self, job: "_Job") -> None:
        if job.done.cancelled():
            return
        waiting = len(self._posts), len(self._others)
        try:
            result, seconds = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._commit, job.fn
            )
        except asyncio.CancelledError:
            # The thread finishes the transaction, but whether it was committed cannot be known here.
            _resolve(job.done, error=ConnectionError(CLOSING))
            raise
        except Exception as error:  # noqa: BLE001  passed on to the caller that waits for the job
            _resolve(job.done, error=error)
            if is_locked(error):
                self._refuse(waiting, error)
        else:
            self.committed(seconds)
            _resolve(job.done, result)

    def _refuse(self, waiting: tuple[int, int], error: Exception) -> None:
        """Fail the jobs that were already waiting when a job met another program's lock.

        Otherwise sixty-four callers would wait for the lock's time-out one after another.
        """
        for lane, length in zip((self._posts, self._others), waiting, strict=True):
            for _ in range(length):
                _resolve(lane.popleft().done, error=error)

    async def share_cpu(self, cpu: int) -> None:
        """Bind the calling thread, which must be the event loop's, and the writer's thread to one CPU.

        They hand the GIL to each other thousands of times a second, and on two CPUs each handover wakes one that has
        just gone to sleep. While the engine ran, a post took 400 us of CPU on one CPU and 600 on two, and throughput
        was 0.69 to 0.74 of the bare endpoint's instead of 0.55 to 0.58.
        """
        cpus.spread({cpu})
        await asyncio.get_running_loop().run_in_executor(self._thread, cpus.spread, {cpu})

    def abandon(self) -> None:
        """Fail all waiting jobs and those to come, which nobody would run: the database is being closed."""
        self._is_closing = True
        for job in (*self._posts, *self._others):
            _resolve(job.done, error=ConnectionError(CLOSING))

    def _commit(self, fn: Transaction[Result]) -> tuple[Result, float]:
        """Run `fn` and commit; return its result and the seconds that the commit took."""
        connection = self._connection or self.engine.connect()
        self._connection = None
        try:
            with connection.begin() as transaction:
                result = fn(connection)
                started = time.perf_counter()
                transaction.commit()
                seconds = time.perf_counter() - started
        except BaseException:
            # The pool resets the connection after a failed commit: on a full disk SQLite rolls back by itself.
            connection.close()
            raise
        self._connection = connection
        return result, seconds

    def close(self) -> None:
        """Wait for the running transaction and close the connection."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()
        self.engine.dispose()


@dataclass(slots=True)
class _Job:
    fn: Transaction[Any]
    done: "asyncio.Future[Any]"


def _resolve(future: "asyncio.Future[Any]", result: object = None, error: Exception | None = None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def is_locked(error: Exception) -> bool:
    """Whether another program holds SQLite's lock."""
    number = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return bool(number & 0xFF == sqlite3.SQLITE_BUSY)  # the low byte is the primary code
