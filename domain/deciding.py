"""A question about conversations that an analyzer answers with yes or no for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from domain.analysis import BeforeSend, Envelope, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Envelope):
    """A completed call: yes or no for each text, in their order; None where there is no answer."""

    answers: Sequence[bool | None]


@runtime_checkable
class Decider(Protocol):
    """An analyzer that also answers questions about conversations."""

    async def decide(self, question: str, texts: Sequence[str], before_send: BeforeSend) -> Decided:
        """Answer for each text in one call; `before_send` is awaited before the request is sent. Raises CallFailed."""
        ...

    def worst_decision(self, question: str, texts: Sequence[str]) -> Usage:
        """The most that such a call can consume, apart from reasoning."""
        ...
