"""Gateway: the interface through which the processor makes every call, and the gateway to the offline analyzer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from core.priority import BATCHES, Lane
from domain.analysis import BeforeSend, Reply
from domain.summaries import ChatAnalyzer, DraftListener, Material, Summarised
from llm.budget import Budget
from llm.circuit_breaker import CircuitState
from llm.hold import Hold
from llm.stops import Stop

POLL_SECONDS = 0.25
"""How often a waiting gateway checks whether its hold was released."""
OnSent = Callable[[], None]


class Gateway(Protocol):
    """What the processor needs of the provider: calls, and whether a call may start."""

    @property
    def analyzer(self) -> ChatAnalyzer:
        """The analyzer whose model and prompt version are part of the cache key."""
        ...

    @property
    def hold(self) -> Hold:
        """The hold that pauses analysis for an operator, a full disk or a spent budget."""
        ...

    @property
    def current(self) -> "Gateway":
        """The gateway that a call which starts now should use from its reservation to its end."""
        ...

    @property
    def circuit(self) -> CircuitState | None:
        """The circuit of the first provider; None if there is no circuit."""
        ...

    @property
    def blocked(self) -> str | None:
        """Why no call may start now, or None."""
        ...

    @property
    def stops(self) -> Sequence[Stop]:
        """Why each provider that gets no calls now gets none; apart from the hold, which concerns all."""
        ...

    @property
    def budget(self) -> Budget | None:
        """The budget that calls are charged to; None if they cost nothing."""
        ...

    @property
    def faults(self) -> int:
        """Provider faults in a row. The more there are, the longer the conversations of a failed call wait."""
        ...

    async def until_free(self) -> None:
        """Wait until calls may start, and send the probes that this takes."""
        ...

    async def call(self, texts: Sequence[str], on_sent: OnSent, lane: Lane = BATCHES) -> Reply:
        """Analyse `texts`; `on_sent` is called when the request gets its turn in its lane. Raises CallFailed."""
        ...

    async def summarise(
        self, material: Material, on_sent: OnSent, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Summarise; `on_sent` is called when the request gets its turn, `on_draft` as the answer arrives.

        Raises CallFailed.
        """
        ...

    async def canary_passes(self) -> bool:
        """Whether a canary gets through now. If so, a conversation that failed alone is itself at fault."""
        ...


class OfflineGateway:
    """The gateway to the offline analyzer: no pacer, no budget, no circuit; only the hold blocks it."""

    budget = None
    stops = ()
    circuit = None
    faults = 0

    def __init__(self, analyzer: ChatAnalyzer, hold: Hold) -> None:
        self.analyzer = analyzer
        self.hold = hold

    @property
    def current(self) -> Gateway:
        """This gateway."""
        return self

    @property
    def blocked(self) -> str | None:
        """Why no call may start now, or None."""
        return self.hold.reason

    async def until_free(self) -> None:
        """Wait until the hold is released."""
        while self.blocked is not None:  # noqa: ASYNC110  a hold is released by the clock as well as by hand
            await asyncio.sleep(POLL_SECONDS)

    async def call(self, texts: Sequence[str], on_sent: OnSent, lane: Lane = BATCHES) -> Reply:
        """Analyse at once."""
        return await self.analyzer.analyse(texts, _as_before_send(on_sent))

    async def summarise(
        self, material: Material, on_sent: OnSent, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Summarise at once."""
        return await self.analyzer.summarise(material, _as_before_send(on_sent), on_draft)

    async def canary_passes(self) -> bool:
        """Always: there is no provider that could be down."""
        return True


def _as_before_send(on_sent: OnSent) -> BeforeSend:
    async def before_send() -> None:
        on_sent()

    return before_send
