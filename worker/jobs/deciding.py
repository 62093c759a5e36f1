"""Has a question answered for each of some conversations: by the model, through the gate and the budget, or offline."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from domain.analysis import CallFailed
from domain.deciding import Decider
from domain.text import Show
from llm.budget import OverBudget
from llm.gateway import Gateway
from llm.paid_gateway import PaidGateway
from worker.jobs.paid_calls import Meter, PaidCalls
from worker.outcomes import is_suspect

log = structlog.get_logger()

AT_ONCE, CALLS_AT_ONCE = 20, 4
"""Conversations in one call, and calls that are made side by side."""
LONGEST = 1_200
"""Characters of a conversation that the model is shown."""
BUDGET_SECONDS = 60.0
"""How long a call waits until it may fit the rest of the day's budget."""


@dataclass(frozen=True)
class Deciding:
    """Asks until it has an answer for each. `shown` is what a model is shown of a text.

    `backoff` gives the seconds to wait after so many faults in a row.
    """

    calls: PaidCalls
    shown: Show
    backoff: Callable[[int], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def answers(self, question: str, texts: Sequence[str]) -> tuple[list[bool], int]:
        """Yes or no for each text, and what it cost in ticks. No where the model has no answer for a text.

        It waits while no call may be made.
        """
        asked, sent = self.shown(question), [self.shown(text)[:LONGEST] for text in texts]
        parts = [sent[first : first + AT_ONCE] for first in range(0, len(sent), AT_ONCE)]
        meter = Meter()
        found = await asyncio.gather(*(self._insisted(asked, part, meter) for part in parts))
        return [bool(each) for answers in found for each in answers], meter.ticks

    async def _insisted(self, question: str, texts: Sequence[str], meter: Meter) -> Sequence[bool | None]:
        """Ask again after a fault that is not the texts' own."""
        while True:
            await self.calls.gateway.until_free()
            via = self.calls.gateway.current
            try:
                return await self._asked(via, question, texts, meter)
            except OverBudget:
                await self.sleep(BUDGET_SECONDS)
            except CallFailed as fault:
                log.warning("question_not_answered", reason=str(fault), conversations=len(texts))
                if is_suspect(fault) and len(texts) > 1:
                    return await self._halved(question, texts, meter)
                if is_suspect(fault) and await via.canary_passes():
                    return [None]
                await self.sleep(self.backoff(via.faults))

    async def _halved(self, question: str, texts: Sequence[str], meter: Meter) -> Sequence[bool | None]:
        """One of them may be to blame: whichever it is, the others get their answers."""
        half = len(texts) // 2
        first = await self._insisted(question, texts[:half], meter)
        return [*first, *await self._insisted(question, texts[half:], meter)]

    async def _asked(
        self, via: Gateway, question: str, texts: Sequence[str], meter: Meter
    ) -> Sequence[bool | None]:
        analyzer = via.analyzer
        if not isinstance(analyzer, Decider):
            raise TypeError(f"{analyzer.name} answers no questions")
        if not isinstance(via, PaidGateway):
            return (await analyzer.decide(question, texts, _at_once)).answers
        worst = analyzer.worst_decision(question, texts)
        return (await self.calls.made(via, worst, partial(via.decide, question, texts), meter)).answers


async def _at_once() -> None:
    """The offline analyzer has no pace."""
