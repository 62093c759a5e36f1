"""Conversations on their way: several requests at once, each of them timed and accounted for."""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from client import AsyncClient, Busy, Refused, Unexpected, Unreachable
from client.answers import Accepted, BulkAccepted
from client.load.plan import Batch

PAUSE = 1.0
"""Seconds before the next attempt where the service does not say how many."""
BUSY = frozenset({429, 503})


@dataclass(slots=True)
class Tally:
    """What became of the requests, true at any moment."""

    accepted: int = 0
    duplicates: int = 0
    """Sent again because an answer was lost, and known by then."""
    given_up: int = 0
    """Conversations that the service will not take."""
    refused: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds of each request that was answered 202."""
    seconds: float = 0.0
    """From the first request to the last 202."""

    @property
    def settled(self) -> int:
        """Conversations that will not be sent again."""
        return self.accepted + self.duplicates + self.given_up


class Posting:
    """Sends batches and counts in `tally`. What may pass (429, 5xx, a lost connection) is sent again.

    `on_settled` is called when a batch need not be sent again, `on_pause` with the reason and the seconds.
    """

    def __init__(
        self,
        tally: Tally,
        *,
        on_settled: Callable[[], None],
        on_pause: Callable[[str, float], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._tally = tally
        self._on_settled = on_settled
        self._on_pause = on_pause
        self._clock = clock

    async def send(self, batches: Iterator[Batch], clients: Iterable[AsyncClient]) -> None:
        """Send all of them; each client has one request under way."""
        started_at = self._clock()
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(self._send_each(batches, client, started_at))

    async def _send_each(self, batches: Iterator[Batch], client: AsyncClient, started_at: float) -> None:
        for batch in batches:
            pause = await self._attempt(batch, client, started_at)
            while pause is not None:
                await asyncio.sleep(pause)
                pause = await self._attempt(batch, client, started_at)
            self._on_settled()

    async def _attempt(self, batch: Batch, client: AsyncClient, started_at: float) -> float | None:
        """Seconds after which to send it again, or None."""
        sent_at = self._clock()
        try:
            taken = await client.send_once(batch.call)
        except Unreachable as error:
            self._tally.errors[error.kind] += 1
            return PAUSE
        except Refused as error:
            return self._count_refusal(error, batch)
        except Unexpected as error:
            self._tally.errors[f"{error.status} of another API"] += 1
            self._tally.given_up += batch.size
            return None
        now = self._clock()
        self._count_taken(taken, batch)
        self._tally.latencies.append(now - sent_at)
        self._tally.seconds = now - started_at
        return None

    def _count_taken(self, taken: Accepted | BulkAccepted, batch: Batch) -> None:
        accepted = int(taken.enqueued)
        self._tally.accepted += accepted
        self._tally.duplicates += batch.size - accepted

    def _count_refusal(self, error: Refused, batch: Batch) -> float | None:
        if error.status in BUSY:
            self._tally.refused[str(error.status)] += 1
            pause = pause_of(error)
            self._on_pause(str(error.status), pause)
            return pause
        self._tally.errors[f"HTTP {error.status}"] += 1
        if error.status >= 500:
            return PAUSE
        self._tally.given_up += batch.size
        return None


def pause_of(error: Refused) -> float:
    """Seconds until the service wants to be asked again."""
    wanted = error.retry_after if isinstance(error, Busy) else None
    return PAUSE if wanted is None else wanted
