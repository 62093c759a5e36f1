"""The gate through which every call leaves, as the processor sees it, and the one to the offline analyzer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from domain.analysis import Reply
from domain.summaries import ChatAnalyzer, DraftListener, Material, Summarised
from llm.budget import Budget
from llm.circuit_breaker import CircuitState
from llm.hold import Hold

POLL_SECONDS = 0.25
"""Seconds after which somebody may have released the brake."""
OnSent = Callable[[], None]


class Gateway(Protocol):
    """How the processor sees whoever analyses."""

    @property
    def analyzer(self) -> ChatAnalyzer:
        """Whose model and prompt an analysis is known by."""
        ...

    @property
    def hold(self) -> Hold:
        """What an operator or a spent budget holds it by."""
        ...

    @property
    def current(self) -> "Gateway":
        """Through whom a call that starts now goes, from its entry in the books to its end."""
        ...

    @property
    def circuit(self) -> CircuitState | None:
        """Of the provider that is asked first; None where there is no circuit."""
        ...

    @property
    def blocked(self) -> str | None:
        """Why no call leaves just now, or None."""
        ...

    @property
    def budget(self) -> Budget | None:
        """Where calls are booked, None where they cost nothing."""
        ...

    @property
    def faults(self) -> int:
        """How many calls in a row failed by nobody's fault; what they carried waits the longer."""
        ...

    async def until_free(self) -> None:
        """Wait until calls may leave; what it takes to find out is done here."""
        ...

    async def call(self, texts: Sequence[str], on_sent: OnSent) -> Reply:
        """Ask about `texts`; `on_sent` is called as the request leaves. Raises CallFailed."""
        ...

    async def summarise(
        self, material: Material, on_sent: OnSent, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Ask for a summary; `on_sent` is called as the request leaves, `on_draft` while it is written.

        Raises CallFailed.
        """
        ...

    async def canary_passes(self) -> bool:
        """Whether somebody else's call gets through just now: if so, a fault is the conversation's own."""
        ...


class OfflineGateway:
    """To the offline analyzer: neither paced nor billed nor behind a circuit; only an operator holds it."""

    budget = None
    circuit = None
    faults = 0

    def __init__(self, analyzer: ChatAnalyzer, hold: Hold) -> None:
        self.analyzer = analyzer
        self.hold = hold

    @property
    def current(self) -> Gateway:
        """Itself."""
        return self

    @property
    def blocked(self) -> str | None:
        """Why no call leaves just now, or None."""
        return self.hold.reason

    async def until_free(self) -> None:
        """Wait until nobody holds it."""
        while self.blocked is not None:  # noqa: ASYNC110  a brake is released by the clock as well as by hand
            await asyncio.sleep(POLL_SECONDS)

    async def call(self, texts: Sequence[str], on_sent: OnSent) -> Reply:
        """Ask at once."""
        return await self.analyzer.analyse(texts, _announcing(on_sent))

    async def summarise(
        self, material: Material, on_sent: OnSent, on_draft: DraftListener | None = None
    ) -> Summarised:
        """Ask at once."""
        return await self.analyzer.summarise(material, _announcing(on_sent), on_draft)

    async def canary_passes(self) -> bool:
        """Nobody else can be at fault here."""
        return True


def _announcing(on_sent: OnSent) -> Callable[[], Awaitable[None]]:
    async def before_send() -> None:
        on_sent()

    return before_send
