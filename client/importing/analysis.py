"""What the analysis made of the conversations: waited for, counted, and a few of them shown."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from client.answers import Status
from client.sending import Service

AT_ONCE = 500
PENDING = frozenset({"queued", "processing"})
SHOWN = 2  # of each sentiment


@dataclass(slots=True)
class Outcome:
    """The ended conversations in numbers."""

    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """Why conversations failed or were skipped."""
    sentiments: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    examples: list[Status] = field(default_factory=list)
    """The first few of each sentiment."""

    @property
    def ended(self) -> int:
        """How many there are."""
        return self.statuses.total()

    def add(self, status: Status) -> None:
        """Counts a conversation that has ended."""
        self.statuses[status.status] += 1
        if status.error:
            self.errors[f"{status.status}: {status.error}"] += 1
        if status.insight is None:
            return
        self.sentiments[status.insight.sentiment] += 1
        self.topics.update(status.insight.grok_analysis.clusters)
        if self.sentiments[status.insight.sentiment] <= SHOWN:
            self.examples.append(status)


async def wait(
    service: Service,
    ids: Iterable[str],
    outcome: Outcome,
    *,
    on_progress: Callable[[], None],
    pause: float = 0.5,
) -> None:
    """Adds each conversation to `outcome` as it ends, until all have. No id comes twice. Raises ServiceError.

    The service analyses in the order of intake, so only the oldest 500 that have not ended are asked about.
    """
    unasked = iter(ids)
    pending: list[str] = []
    while asked := [*pending, *islice(unasked, AT_ONCE - len(pending))]:
        statuses = await service.statuses(asked)
        for status in statuses:
            if status.status not in PENDING:
                outcome.add(status)
        outcome.statuses["deleted"] += len(asked) - len(statuses)
        pending = [status.conversation_id for status in statuses if status.status in PENDING]
        on_progress()
        if pending:
            await asyncio.sleep(pause)
