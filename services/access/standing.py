"""Sockets outlive the moment in which their credential was checked: it is checked again when anything has changed.

Time ends credentials, too, so all are looked at every few seconds without a change.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.errors import BadCredential, NotWritable
from core.tasks import TaskSet
from domain.roles import Caller

AT_LEAST_EVERY = 5.0
"""Seconds."""
log = structlog.get_logger()


class Standing(NamedTuple):
    """One long use of a credential."""

    check: Callable[[], Coroutine[Any, Any, Caller]]
    """Gives the caller as it is now. Raises BadCredential where it may come in no more."""
    renewed: Callable[[Caller], None]
    ended: Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Standings:
    """Every long use of a credential in this process."""

    _held: set[Standing] = field(default_factory=set)
    _due: set[Standing] = field(default_factory=set)
    _any_due: asyncio.Event = field(default_factory=asyncio.Event)
    _ending: TaskSet = field(default_factory=TaskSet)

    @contextmanager
    def holding(self, standing: Standing) -> Iterator[None]:
        """Look at a use while the block runs, and at once: its credential may have ended since it was let in."""
        self._held.add(standing)
        self._look_at({standing})
        try:
            yield
        finally:
            self._held.discard(standing)

    def look(self) -> None:
        """Look at all of them soon: something has changed."""
        self._look_at(self._held)

    def _look_at(self, standings: Set[Standing]) -> None:
        self._due |= standings
        self._any_due.set()

    async def run(self) -> None:
        """Look whenever something has changed, until cancelled."""
        while True:
            await self._next()
            due, self._due = self._due & self._held, set()
            for standing in due:
                await self._check(standing)

    async def _next(self) -> None:
        try:
            await asyncio.wait_for(self._any_due.wait(), AT_LEAST_EVERY)
        except TimeoutError:
            self.look()
        self._any_due.clear()

    async def _check(self, standing: Standing) -> None:
        try:
            standing.renewed(await standing.check())
        except BadCredential:
            self._held.discard(standing)
            # Whoever does not read must not keep the others from being looked at.
            self._ending.start(standing.ended())
        except (NotWritable, SQLAlchemyError, OSError) as error:
            # Whoever was let in stays until the database says otherwise.
            log.info("standing_not_checked", error=type(error).__name__)
