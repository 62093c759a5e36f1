"""An analyzer whose calls end as a test orders."""

import asyncio
from collections.abc import Sequence

from benchmarks.support.waiting import eventually
from domain.analysis import BeforeSend, CallFailed, Reply, Usage
from domain.summaries import DraftListener, Material, Summarised
from tests.support.insight_data import an_analysis
from tests.support.summary_data import a_summary

WELL = Reply(rows=[an_analysis()], model="grok-4.3", usage=Usage(100, 0, 50, 0))


Ending = asyncio.Future[Reply]


class Scripted:
    """An analyzer whose calls end as the test orders; `calls` are those that left, each with its ending."""

    name, model, prompt_version, fixed_tokens, row_tokens = "grok", "grok-4.3", "1", 500, 70
    summary_version = "1"

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], Ending]] = []
        self.gone: CallFailed | None = None
        """What keeps calls from leaving at all."""

    async def analyse(self, texts: Sequence[str], before_send: BeforeSend) -> Reply:
        await before_send()
        if self.gone is not None:
            raise self.gone
        ending: Ending = asyncio.get_running_loop().create_future()
        self.calls.append((list(texts), ending))
        async with asyncio.timeout(20):
            return await ending

    def worst_case(self, texts: Sequence[str]) -> Usage:
        return Usage(prompt_tokens=5_000, completion_tokens=500)

    async def summarise(
        self,
        material: Material,
        before_send: BeforeSend,
        on_draft: DraftListener | None = None,
    ) -> Summarised:
        await before_send()
        return Summarised(summary=a_summary(), raw="{}", model=self.model)

    def worst_summary(self, material: Material) -> Usage:
        return self.worst_case([])

    async def left(self, number: int) -> Ending:
        """The ending of the call that leaves as number so and so, counted from 0."""
        await eventually(lambda: len(self.calls) > number)
        return self.calls[number][1]
