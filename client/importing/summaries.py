"""Summaries of the conversations: asked for, waited for, counted, and a few of them shown."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from client.answers import ChatSummary
from client.sending import Service

AT_ONCE = 16  # each is waited for; the service decides how many calls leave
SHOWN = 5


@dataclass(slots=True)
class Summaries:
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

    def add(self, summary: ChatSummary) -> None:
        """Counts one that is not being written any more."""
        self.statuses[summary.status] += 1
        if summary.error:
            self.errors[f"{summary.status}: {summary.error}"] += 1
        if summary.sentiment and summary.outcome:
            self.sentiments[summary.sentiment] += 1
            self.outcomes[summary.outcome] += 1
            self.examples += [summary] if len(self.examples) < SHOWN else []


async def summarise(
    service: Service, ids: Iterable[str], summaries: Summaries, *, on_progress: Callable[[], None]
) -> None:
    """Adds the summary of each conversation, several at a time. Raises ServiceError."""
    unasked = iter(ids)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_summarise(service, unasked, summaries, on_progress))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _summarise(
    service: Service, ids: Iterator[str], summaries: Summaries, on_progress: Callable[[], None]
) -> None:
    for id_ in ids:
        summaries.add(await service.summary(id_))
        on_progress()
