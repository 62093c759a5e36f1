"""Helpers for asyncio tasks: run once, run uncancelled, cancel after a grace period."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()

SECONDS_TO_GIVE_BACK = 2.0

Result = TypeVar("Result")


class Once:
    """A callable that calls `action` the first time and does nothing after that."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    @property
    def done(self) -> bool:
        """Whether `action` was called."""
        return self._action is None

    def __call__(self) -> None:
        action, self._action = self._action, None
        if action is not None:
            action()


async def uninterrupted(work: Coroutine[Any, Any, Result]) -> Result:
    """Await the work to its end even if the caller is cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class TaskSet:
    """Tasks that were started and that nobody awaits before the end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def cancel_after(self, grace: float) -> None:
        """Wait `grace` seconds, then cancel the tasks that are left and log their number."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        if self._tasks:
            log.info("given_back", calls=len(self._tasks))
        for task in self._tasks:
            task.cancel()

    async def ended(self) -> None:
        """Wait until every task has ended."""
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def grace_period() -> AsyncIterator[None]:
    """Give the block two seconds: a busy database must not delay the exit, and leases expire by themselves."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS_TO_GIVE_BACK):
            yield
