"""Fallback: calls go to a second provider while the first one's circuit is open, and back once it closes."""

import asyncio
from collections.abc import Callable, Sequence

from core.priority import BATCHES, Lane
from domain.analysis import Reply
from domain.summaries import ChatAnalyzer, DraftListener, Material, Summarised
from llm.budget import Budget
from llm.circuit_breaker import CircuitState
from llm.gateway import POLL_SECONDS, Gateway, OnSent
from llm.hold import Hold
from llm.paid_gateway import PaidGateway
from llm.stops import Stop


class Fallback:
    """A gateway over two paid gateways, each with its own pacer, circuit and prices. They share one budget.

    A pause after a 429 and a spent budget are no reasons to switch: the first is short, and the second applies to
    both. `run` probes whether the first provider answers again while the second stands in.
    """

    def __init__(self, first: PaidGateway, second: PaidGateway) -> None:
        self.first = first
        self.second = second

    @property
    def current(self) -> Gateway:
        """The gateway that a call which starts now should use from its reservation to its end."""
        return self._active

    @property
    def _active(self) -> PaidGateway:
        # If neither is available, the first is the first to be tried again.
        second_only = not self.first.breaker.may_call() and self.second.breaker.may_call()
        return self.second if second_only else self.first

    @property
    def analyzer(self) -> ChatAnalyzer:
        """The first provider's analyzer: the cache key always has its model and prompt version."""
        return self.first.analyzer

    @property
    def hold(self) -> Hold:
        """The hold that both gateways share."""
        return self.first.hold

    @property
    def circuit(self) -> CircuitState:
        """The state of the first provider's circuit."""
        return self.first.circuit

    @property
    def blocked(self) -> str | None:
        """Why no call may start now, or None."""
        return self._active.blocked

    @property
    def stops(self) -> Sequence[Stop]:
        """Why either provider gets no calls."""
        return [*self.first.stops, *self.second.stops]

    @property
    def budget(self) -> Budget | None:
        """The budget of the active gateway."""
        return self._active.budget

    @property
    def faults(self) -> int:
        """Provider faults in a row on the active gateway."""
        return self._active.faults

    async def until_free(self) -> None:
        """Wait until one of the two lets calls through; `run` sends the probes for it."""
        while self.blocked is not None:  # noqa: ASYNC110  holds and pauses are ended by the clock
            await asyncio.sleep(POLL_SECONDS)

    async def call(self, texts: Sequence[str], on_sent: OnSent, lane: Lane = BATCHES) -> Reply:
        """Analyse through the active gateway. Raises CallFailed."""
        return await self._active.call(texts, on_sent, lane)

    async def summarise(
        self, material: Material, on_sent: OnSent, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Summarise through the active gateway. Raises CallFailed."""
        return await self._active.summarise(material, on_sent, on_draft)

    async def canary_passes(self) -> bool:
        """Whether a canary through the active gateway succeeds."""
        return await self._active.canary_passes()

    async def run(self) -> None:
        """Send probes for both until cancelled; for the second only while the first is unavailable."""
        async with asyncio.TaskGroup() as probes:
            probes.create_task(_probe(self.first, lambda: True))
            probes.create_task(_probe(self.second, lambda: not self.first.breaker.may_call()))


async def _probe(gateway: PaidGateway, needed: Callable[[], bool]) -> None:
    while True:
        if needed():
            await gateway.until_free()
        await asyncio.sleep(POLL_SECONDS)
