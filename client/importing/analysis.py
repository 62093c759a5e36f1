"""What the analysis made of the conversations: waited for, counted, and a few of them shown."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from client import AsyncClient, ClientError, NotFound
from client.answers import Status

SHOWN = 2  # of each sentiment
PAUSES_BETWEEN_LOOKS = 4
# What a person has to put right. "Connection refused" is not among it: that passes.
REFUSED = re.compile(
    r"api[_ ]key|credential|credits?\b|spending (cap|limit)|\bHTTP 40[1-4]\b|(unknown|no such) model",
    re.IGNORECASE,
)
WHAT_HELPS = "put that right in the service's settings, and run this again with --wait"


@dataclass(slots=True)
class AnalysisCounts:
    """The ended conversations in numbers."""

    statuses: Counter[str] = field(default_factory=Counter)
    """Those that were skipped with their reason."""
    errors: Counter[str] = field(default_factory=Counter)
    """Why conversations failed."""
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
        why = f" ({status.skip_reason})" if status.skip_reason else ""
        self.statuses[f"{status.status}{why}"] += 1
        if status.error:
            self.errors[f"{status.status}: {status.error}"] += 1
        if status.insight is None:
            return
        self.sentiments[status.insight.sentiment] += 1
        self.topics.update(status.insight.grok_analysis.clusters)
        if self.sentiments[status.insight.sentiment] <= SHOWN:
            self.examples.append(status)


class Stopped(ClientError):
    """The service cannot analyse until somebody acts: its key or its credit was refused."""


async def wait(
    client: AsyncClient,
    ids: Iterable[str],
    counts: AnalysisCounts,
    *,
    on_progress: Callable[[], None],
    on_reasons: Callable[[Sequence[str]], None] = lambda _reasons: None,
    pause: float = 0.5,
) -> None:
    """Adds each conversation to `counts` as it ends, until all have. No id comes twice.

    `on_reasons` hears why analysis stands still, and an empty list when it goes on. Raises ClientError; Stopped
    where it will not go on by itself.
    """
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(client, on_reasons, pause * PAUSES_BETWEEN_LOOKS))
            async for ended in client.wait_for_analysis(ids, pause=pause):
                for status in ended:
                    counts.add(status)
                on_progress()
            watching.cancel()
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _watch(client: AsyncClient, on_reasons: Callable[[Sequence[str]], None], pause: float) -> None:
    """Looks again and again at what `/health` says. Raises Stopped on the second look at the same refusal."""
    last: list[str] = []
    while True:
        await asyncio.sleep(pause)
        try:
            reasons = (await client.health()).reasons
        except ClientError:
            continue  # whoever waits finds out by its own calls
        if reasons != last:
            on_reasons(reasons)
        elif refusal := next(filter(REFUSED.search, reasons), None):
            raise Stopped(f"analysis has stopped: {refusal}. What was sent is stored and waits; {WHAT_HELPS}")
        last = reasons


async def opening(client: AsyncClient, conversation_id: str) -> str:
    """How a conversation begins; empty where it was deleted. Raises ClientError."""
    try:
        return (await client.conversation(conversation_id)).opening
    except NotFound:
        return ""
