"""What the analysis made of the conversations: waited for, counted, and a few of them shown."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from client import AsyncClient, NotFound
from client.answers import Status

SHOWN = 2  # of each sentiment


@dataclass(slots=True)
class AnalysisCounts:
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
    client: AsyncClient,
    ids: Iterable[str],
    counts: AnalysisCounts,
    *,
    on_progress: Callable[[], None],
    pause: float = 0.5,
) -> None:
    """Adds each conversation to `counts` as it ends, until all have. No id comes twice. Raises ClientError."""
    async for ended in client.wait_for_analysis(ids, pause=pause):
        for status in ended:
            counts.add(status)
        on_progress()


async def opening(client: AsyncClient, conversation_id: str) -> str:
    """How a conversation begins; empty where it was deleted. Raises ClientError."""
    try:
        return (await client.conversation(conversation_id)).opening
    except NotFound:
        return ""
