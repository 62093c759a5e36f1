"""Supervision: restarts background tasks that die, because uvicorn goes on serving without them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

import structlog

from core.changes import Changing
from core.clock import SECOND, Clock

log = structlog.get_logger()
FIRST_WAIT, MAX_WAIT = 0.5, 30.0
"""Seconds before a dead task is restarted; doubled with each death in a row."""
HEALTHY_AFTER = 60.0
"""Seconds after which a death counts as the first again."""


@dataclass
class Supervised:
    """A background task that is restarted with backoff whenever it ends."""

    name: str
    work: Callable[[], Awaitable[None]]
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    running: bool = False
    restarts: int = 0
    last_death: str | None = None
    """Class name of the exception that ended it last."""
    started_at: int = 0
    changing: Changing = nullcontext
    """Gives the block in which it dies or is started again."""
    died: Callable[[str], None] = lambda _: None
    """Called with its name each time that it has died."""

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Run the task during the block, and cancel it at the end."""
        task = asyncio.create_task(self._restart_forever(), name=self.name)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            self.running = False

    async def _restart_forever(self) -> None:
        wait = FIRST_WAIT
        while True:
            with self.changing():
                self.running, self.started_at = True, self.clock()
            death = await self._death()
            with self.changing():
                self.running, self.last_death = False, death
            self.restarts += 1
            self.died(self.name)
            if self.clock() - self.started_at > HEALTHY_AFTER * SECOND:
                wait = FIRST_WAIT
            await self.sleep(wait)
            wait = min(wait * 2, MAX_WAIT)

    async def _death(self) -> str:
        try:
            await self.work()
        except Exception as error:
            log.error("task_died", task=self.name, exc_info=error)
            return type(_cause(error)).__name__
        return "ended"


def _cause(error: Exception) -> Exception:
    """The first error inside an exception group: the class of the group itself says nothing."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
