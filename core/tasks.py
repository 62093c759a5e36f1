"""Tasks as the process runs them: called once, carried to their end, given up in time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()

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


async def uninterrupted(work: Coroutine[Any, Any, Result]) -> Result:
    """Await the work; who is cancelled meanwhile waits for its end all the same."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class TaskSet:
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
async def grace_period() -> AsyncIterator[None]:
    """Give the block two seconds: a busy database must not hold up the end, and what is held falls due by itself."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS_TO_GIVE_BACK):
            yield
