"""Summaries of the conversations: asked for, waited for, counted, and a few of them shown."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from client import AsyncClient, NotFound
from client.answers import ChatSummary, SummaryFailed

AT_ONCE = 16  # each is waited for; the service decides how many calls leave
SHOWN = 5


@dataclass(slots=True)
class SummaryCounts:
    """The summaries in numbers."""

    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """Why they could not be written."""
    sentiments: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    examples: list[ChatSummary] = field(default_factory=list)
    """The first few."""

    @property
    def ended(self) -> int:
        """How many there are."""
        return self.statuses.total()

    def add(self, summary: ChatSummary | SummaryFailed) -> None:
        """Counts one that is not being written any more."""
        self.statuses[summary.status] += 1
        if isinstance(summary, SummaryFailed):
            self.errors[f"{summary.status}: {summary.error}"] += 1
            return
        self.sentiments[summary.sentiment] += 1
        self.outcomes[summary.outcome] += 1
        if len(self.examples) < SHOWN:
            self.examples.append(summary)


async def summarise(
    client: AsyncClient, ids: Iterable[str], counts: SummaryCounts, *, on_progress: Callable[[], None]
) -> None:
    """Adds the summary of each conversation, several at a time. Raises ClientError."""
    unasked = iter(ids)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_summarise(client, unasked, counts, on_progress))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _summarise(
    client: AsyncClient, ids: Iterator[str], counts: SummaryCounts, on_progress: Callable[[], None]
) -> None:
    for id_ in ids:
        try:
            counts.add(await client.wait_for_summary(id_))
        except NotFound:
            counts.statuses["deleted"] += 1
        on_progress()
