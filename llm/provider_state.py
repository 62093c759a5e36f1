"""What a process knows of a provider, its circuit and its pause: by itself, or with all processes on a database."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core.changes import Changing
from core.clock import SECOND
from core.pause import Pause
from database import Database
from llm.circuit_breaker import Circuit, CircuitBreaker, CircuitState
from store.queue import outbound
from store.queue.outbound import ProviderState

log = structlog.get_logger()

Result = TypeVar("Result")
EVERY_SECONDS = 0.5
"""How often a process looks what others have found out. Each call that leaves looks as well."""
PROBE_LEASE = 10.0
"""Seconds after which a probe is lost with its process, unless that says that it is still at it."""


class Knowledge(Protocol):
    """Where what is learned of a provider goes."""

    async def learn(self, act: Callable[[], Result]) -> Result:
        """Do `act`, which changes the circuit or the pause and nothing else; give what it gives."""
        ...


class OwnKnowledge:
    """What one process by itself knows."""

    async def learn(self, act: Callable[[], Result]) -> Result:
        """Do it."""
        return act()


class SharedKnowledge:
    """What all processes on a PostgreSQL server know: each change is made in a row, in a transaction.

    Breaker and pause follow the row; both go by the server's clock. While the database is away the process goes by
    what it knows itself: no call leaves then anyway.
    """

    def __init__(
        self, provider: str, database: Database, breaker: CircuitBreaker, pause: Pause, changing: Changing
    ) -> None:
        self._provider = provider
        self._database = database
        self._breaker = breaker
        self._pause = pause
        self._changing = changing
        self._version = -1
        self._probe: int | None = None
        """The newest probe that this process has begun."""
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Look twice a second until cancelled, and say that a probe of this process is not lost."""
        while True:
            await self.look()
            if self._breaker.state is CircuitState.HALF_OPEN and self._breaker.probe == self._probe:
                await self.learn(self._breaker.extend_probe)
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Find out what others have found out. A database that does not answer is somebody else's concern."""
        try:
            self._adopt(await self._database.read(partial(outbound.provider_state, provider=self._provider)))
        except (SQLAlchemyError, OSError):
            return

    def refresh(self, connection: Connection) -> None:
        """Find out in a transaction what others have found out. Raises SQLAlchemyError."""
        self._adopt(outbound.provider_state(connection, self._provider))

    async def learn(self, act: Callable[[], Result]) -> Result:
        """Do `act` on what all know at this moment, and let all know what has become of it."""
        done: list[Result] = []
        async with self._one_at_a_time:
            try:
                return await self._database.write(partial(self._learned, act, done))
            except BaseException as error:
                self._version = -1  # what was done may not be in the row
                if not isinstance(error, SQLAlchemyError | OSError):
                    raise
                log.warning("provider_state_not_shared", provider=self._provider, exc_info=error)
                return done[0] if done else act()

    def _learned(self, act: Callable[[], Result], done: list[Result], connection: Connection) -> Result:
        self._version = -1
        self._adopt(outbound.provider_state(connection, self._provider, lock=True))
        probe = self._breaker.probe
        done[:] = [act()]
        self._version += 1
        if self._breaker.probe != probe:
            self._probe = self._breaker.probe
        outbound.keep_provider_state(connection, self._provider, self._known())
        return done[0]

    def _adopt(self, row: ProviderState) -> None:
        # What was read before a change may arrive after it.
        if row.version <= self._version:
            return
        self._version = row.version
        self._breaker.adopt(_circuit(row))
        paused = row.paused_until / SECOND, row.pause_reason or ""
        if (self._pause.until, self._pause.reason) != paused:
            with self._changing():
                self._pause.until, self._pause.reason = paused

    def _known(self) -> ProviderState:
        circuit = self._breaker.circuit
        times: Any = circuit.probe_at, circuit.doubted_at, self._pause.until
        probe_at, doubted_at, paused_until = (None if at is None else round(at * SECOND) for at in times)
        return ProviderState(
            self._version,
            circuit.state.value,
            circuit.reason,
            circuit.faults,
            circuit.closings,
            circuit.probes,
            probe_at or 0,
            doubted_at,
            paused_until or 0,
            self._pause.reason,
        )


def _circuit(row: ProviderState) -> Circuit:
    return Circuit(
        CircuitState(row.circuit),
        row.reason,
        row.faults,
        row.closings,
        row.probes,
        row.probe_at / SECOND,
        None if row.doubted_at is None else row.doubted_at / SECOND,
    )
