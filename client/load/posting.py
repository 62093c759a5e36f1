"""Conversations on their way: several requests at once, each of them timed and accounted for."""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import httpx
from pydantic import BaseModel, ValidationError

from client.load.plan import Batch

PAUSE = 1.0
"""Seconds before the next attempt where the service does not say how many."""
BUSY = frozenset({"429", "503"})
JSON = {"content-type": "application/json"}


class Taken(BaseModel):
    """A 202: how many are newly stored; of a single conversation true or false, which are 1 and 0."""

    enqueued: int


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

    async def send(self, batches: Iterator[Batch], clients: Iterable[httpx.AsyncClient]) -> None:
        """Send all of them; each client has one request under way."""
        started_at = self._clock()
        async with asyncio.TaskGroup() as group:
            for http in clients:
                group.create_task(self._send_each(batches, http, started_at))

    async def _send_each(self, batches: Iterator[Batch], http: httpx.AsyncClient, started_at: float) -> None:
        for batch in batches:
            pause = await self._attempt(batch, http, started_at)
            while pause is not None:
                await asyncio.sleep(pause)
                pause = await self._attempt(batch, http, started_at)
            self._on_settled()

    async def _attempt(self, batch: Batch, http: httpx.AsyncClient, started_at: float) -> float | None:
        """Seconds after which to send it again, or None."""
        sent_at = self._clock()
        try:
            answer = await http.post(batch.path, content=batch.body, headers=JSON)
        except httpx.RequestError as error:
            self._tally.errors[type(error).__name__] += 1
            return PAUSE
        now = self._clock()
        if answer.status_code != httpx.codes.ACCEPTED:
            return self._count_refusal(answer, batch)
        if self._count_taken(answer, batch):
            self._tally.latencies.append(now - sent_at)
            self._tally.seconds = now - started_at
        return None

    def _count_taken(self, answer: httpx.Response, batch: Batch) -> bool:
        try:
            accepted = Taken.model_validate_json(answer.content).enqueued
        except ValidationError:
            self._tally.errors["202 of another API"] += 1
            self._tally.given_up += batch.size
            return False
        self._tally.accepted += accepted
        self._tally.duplicates += batch.size - accepted
        return True

    def _count_refusal(self, answer: httpx.Response, batch: Batch) -> float | None:
        status = str(answer.status_code)
        if status in BUSY:
            self._tally.refused[status] += 1
            pause = retry_after(answer)
            self._on_pause(status, pause)
            return pause
        self._tally.errors[f"HTTP {status}"] += 1
        if answer.is_server_error:
            return PAUSE
        self._tally.given_up += batch.size
        return None


def retry_after(answer: httpx.Response) -> float:
    """Seconds until the service wants to be asked again."""
    header = answer.headers.get("retry-after", "")
    return float(header) if header.isdecimal() else PAUSE
