"""The worker's loop: claims what is due, packs what has to be asked, sends it, settles what came back.

Policy only: SQL is in `store`, HTTP behind `outbound`, the rules in `decisions`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress

import structlog

from batching import BatchSize, pack
from bookkeeping import Bookkeeping
from claims import Claim
from database import Database
from decisions import Policy, Work
from dispatch import Dispatch, Once
from endings import either
from gate import Gate
from times import SECOND, Clock

log = structlog.get_logger()

DEPARTING = 2
"""Batches between claim and wire: one waits for its slot, one stands ready behind it, so that none is lost."""
SECONDS_TO_GIVE_BACK = 2.0
POLL_SECONDS = 1.0
"""How long a row that fell due without a wake-up may wait: one given back, or another process's."""


class BatchProcessor:
    """Turns queued conversations into insights until it is cancelled.

    `token` makes a lease's name; `clock` gives UTC microseconds.
    """

    def __init__(
        self,
        database: Database,
        gate: Gate,
        size: BatchSize,
        policy: Policy,
        books: Bookkeeping,
        *,
        clock: Clock,
        token: Callable[[], str],
    ) -> None:
        self._database = database
        self._gate = gate
        self._size = size
        self._policy = policy
        self._books = books
        self._dispatch = Dispatch(database, gate, size, policy, books, clock)
        self._suspects = 0
        self._clock = clock
        self._token = token
        self._version = f"{gate.analyzer.model}/{gate.analyzer.prompt_version}"
        self._waiting: list[Work] = []
        self._more_due = False
        self._calls: set[asyncio.Task[None]] = set()
        self._due = asyncio.Event()
        self._claimed = asyncio.Event()
        self._packed = asyncio.Event()
        self._departing = asyncio.Semaphore(DEPARTING)
        self._in_flight = asyncio.Semaphore(policy.max_in_flight)

    @property
    def batch_size(self) -> int:
        """Conversations that a full batch takes at present."""
        return self._size.now

    def wake(self) -> None:
        """Something fell due: look now instead of at the next poll."""
        self._due.set()

    async def run(self) -> None:
        """Claim and send until cancelled. Calls in flight are left to `finish`."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._claim_forever())
            loops.create_task(self._send_forever())

    async def finish(self, grace: float) -> None:
        """Give calls in flight so many seconds; give back what is not answered by then."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=grace)
        log.info("stopping", calls_given_back=len(self._calls))
        for call in self._calls:
            call.cancel()
        # A database that is busy must not hold up the end: what is not given back falls due by itself.
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_TO_GIVE_BACK):
                if self._calls:
                    await asyncio.wait(self._calls)
                await self._return_waiting()

    async def _claim_forever(self) -> None:
        while True:
            await self._gate.until_free()
            self._due.clear()
            self._packed.clear()
            # A batch to send and one behind it; more would only hold rows that another process could take.
            room = 2 * self._size.now - len(self._waiting)
            if room <= 0:
                await self._packed.wait()
            elif not await self._claim(room):
                await either(self._due, POLL_SECONDS)

    async def _claim(self, room: int) -> int:
        claim = Claim(self._clock(), self._token(), self._dispatch.lease_end(), self._version, self._policy)
        claimed = await self._database.write(lambda connection: claim.take(connection, room))
        self._waiting.extend(claimed.work)
        self._more_due = claimed.due >= room
        self._books.settled(claimed.ended)
        self._claimed.set()
        if self._gate.blocked is not None:  # since a moment ago: nobody is there to give them back
            await self._return_waiting()
        return claimed.due

    async def _send_forever(self) -> None:
        while True:
            async with AsyncExitStack() as permits:
                await permits.enter_async_context(self._in_flight)
                await permits.enter_async_context(self._departing)
                batch = await self._next_batch()
                # From here on they are the call's; until here a loop that is started again must find them.
                permits.pop_all()
            call = asyncio.create_task(self._send(batch))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _next_batch(self) -> list[Work]:
        while True:
            if self._gate.blocked is not None:
                await self._return_waiting()
                await self._gate.until_free()
            self._claimed.clear()
            ready, barred = self._ready()
            batch, rest = pack(ready, self._size.now, weight=_weight, limit=_limit)
            # Where more is due the batch can be filled: the next claim is under way.
            wait = POLL_SECONDS if self._more_due and not barred else self._flushes_in(ready)
            if batch and (rest or len(batch) >= self._size.now or wait <= 0):
                self._waiting = [*barred, *rest]
                self._packed.set()
                return batch
            self._packed.set()  # the size may have grown since claiming stopped for want of room
            await either(self._claimed, wait)

    def _ready(self) -> tuple[list[Work], list[Work]]:
        """What may be sent, and what has to wait because enough suspects are being tried already.

        More of them at once could open the circuit by themselves, again and again.
        """
        if self._suspects < self._policy.suspects:
            return self._waiting, []
        barred = [work for work in self._waiting if _is_suspect(work)]
        return [work for work in self._waiting if not _is_suspect(work)], barred

    def _flushes_in(self, ready: Sequence[Work]) -> float:
        if not ready:
            return POLL_SECONDS
        oldest = min(work.job.due_at for work in ready)
        return self._policy.flush_after - (self._clock() - oldest) / SECOND

    async def _send(self, batch: Sequence[Work]) -> None:
        alone = _is_suspect(batch[0])
        self._suspects += alone
        try:
            await self._dispatch.send(batch, Once(self._departing.release))
        finally:
            self._suspects -= alone
            self._in_flight.release()
            self.wake()

    async def _return_waiting(self) -> None:
        held, self._waiting = self._waiting, []
        self._packed.set()
        await self._dispatch.give_back(held)


def _weight(work: Work) -> int:
    return len(work.excerpt.text)


def _limit(work: Work) -> int | None:
    return work.job.pack_limit


def _is_suspect(work: Work) -> bool:
    return work.job.pack_limit == 1
