"""Two providers: calls go to the second while the first's circuit is open, and back as soon as it closes."""

import asyncio
from collections.abc import Callable, Sequence

from domain.analysis import Reply
from domain.summaries import ChatAnalyzer, DraftListener, Material, Summarised
from llm.budget import Budget
from llm.circuit_breaker import CircuitState
from llm.gateway import POLL_SECONDS, Gateway, OnSent
from llm.hold import Hold
from llm.paid_gateway import PaidGateway


class Fallback:
    """A gate in front of two, each with a pacer, a circuit and prices of its own, and one budget.

    Neither a pause that a 429 asks for nor a spent budget is a reason to change: the first is short, and the
    second holds for both. `run` finds out whether the first answers again while the second stands in.
    """

    def __init__(self, first: PaidGateway, second: PaidGateway) -> None:
        self.first = first
        self.second = second

    @property
    def current(self) -> Gateway:
        """Through whom a call that starts now goes, from its entry in the books to its end."""
        return self._standing_in

    @property
    def _standing_in(self) -> PaidGateway:
        # Where neither answers it is the first that is asked first again.
        second_only = not self.first.breaker.may_call() and self.second.breaker.may_call()
        return self.second if second_only else self.first

    @property
    def analyzer(self) -> ChatAnalyzer:
        """Whose model and prompt an analysis is known by in the cache: the first's, whoever stands in."""
        return self.first.analyzer

    @property
    def hold(self) -> Hold:
        """What holds both."""
        return self.first.hold

    @property
    def circuit(self) -> CircuitState:
        """The first's."""
        return self.first.circuit

    @property
    def blocked(self) -> str | None:
        """Why no call leaves just now, or None."""
        return self._standing_in.blocked

    @property
    def budget(self) -> Budget | None:
        """Where a call that starts now is booked."""
        return self._standing_in.budget

    @property
    def faults(self) -> int:
        """How many calls in a row failed by nobody's fault."""
        return self._standing_in.faults

    async def until_free(self) -> None:
        """Wait until one of the two lets calls through; `run` is what finds out."""
        while self.blocked is not None:  # noqa: ASYNC110  brakes and pauses are ended by the clock
            await asyncio.sleep(POLL_SECONDS)

    async def call(self, texts: Sequence[str], on_sent: OnSent) -> Reply:
        """Ask whoever it is now. Raises CallFailed."""
        return await self._standing_in.call(texts, on_sent)

    async def summarise(
        self, material: Material, on_sent: OnSent, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Ask whoever it is now. Raises CallFailed."""
        return await self._standing_in.summarise(material, on_sent, on_draft)

    async def canary_passes(self) -> bool:
        """Whether a canary to whoever it is now comes back."""
        return await self._standing_in.canary_passes()

    async def run(self) -> None:
        """Send the probes of both, the second's only while it is needed, until cancelled."""
        async with asyncio.TaskGroup() as probes:
            probes.create_task(_probe(self.first, lambda: True))
            probes.create_task(_probe(self.second, lambda: not self.first.breaker.may_call()))


async def _probe(gateway: PaidGateway, needed: Callable[[], bool]) -> None:
    while True:
        if needed():
            await gateway.until_free()
        await asyncio.sleep(POLL_SECONDS)
