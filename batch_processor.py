"""The loop of the analysis queue: claims conversations that are due, packs them into batches and has those sent.

Policy only: SQL is in `store`, HTTP behind the gateway, the rules in `worker/outcomes.py`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from core.clock import SECOND
from core.priority import PartOfTurns, PrioritySemaphore
from core.tasks import Once, TaskSet, grace_period
from core.waiters import wait_at_most
from database import Database
from llm.gateway import Gateway
from store.queue.clock import ProcessClock
from worker.accounting import Accounting
from worker.dispatch import Dispatch
from worker.outcomes import Policy, Work
from worker.packing import BatchSize, pack
from worker.settlement import Quarantine
from worker.sources import AnalysisSource, FreshConversations

DEPARTING = 2
"""Batches between claim and call: one waits for its slot, and one stands ready behind it, so that no slot is lost."""
POLL_SECONDS = 1.0
"""How long a row may wait that fell due without a wake-up: one given back, or stored by another process."""


@dataclass(frozen=True, slots=True)
class _Packed:
    """The next batch, packed from what waits now."""

    batch: list[Work]
    left: list[Work]
    ready: bool
    """Whether it may be sent: it is full, or its oldest conversation has waited long enough."""
    flushes_in: float


class BatchProcessor:
    """Turns the conversations of a source into insights until it is cancelled.

    Without a `source` they are those of the analysis queue, and `token` makes the token of a lease.
    """

    def __init__(
        self,
        database: Database,
        gateway: Gateway,
        size: BatchSize,
        policy: Policy,
        accounting: Accounting,
        in_flight: PrioritySemaphore | PartOfTurns,
        quarantine: Quarantine,
        *,
        clock: ProcessClock,
        token: Callable[[], str],
        source: AnalysisSource | None = None,
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._size = size
        self._policy = policy
        self._accounting = accounting
        self._source = source or FreshConversations(gateway, policy, clock, token)
        self._dispatch = Dispatch(database, gateway, size, policy, accounting, clock, self._source)
        self._quarantine = quarantine
        self._clock = clock
        self._waiting: list[Work] = []
        self._more_due = False
        self._calls = TaskSet()
        self._due = asyncio.Event()
        self._claimed = asyncio.Event()
        self._packed = asyncio.Event()
        self._departing = asyncio.Semaphore(DEPARTING)
        self._in_flight = in_flight

    @property
    def batch_size(self) -> int:
        """The conversations in a full batch at present."""
        return self._size.now

    def calls_for(self, number: int) -> int:
        """How many calls so many conversations take if all succeed."""
        return self._size.calls_for(number)

    def wake(self) -> None:
        """Something fell due: look now instead of at the next poll."""
        self._due.set()

    async def run(self) -> None:
        """Claim and send until cancelled. Calls in flight are left to `finish`."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._claim_forever())
            loops.create_task(self._send_forever())

    async def finish(self, grace: float) -> None:
        """Wait `grace` seconds for calls in flight; give back what is not answered by then."""
        await self._calls.cancel_after(grace)
        async with grace_period():
            await self._calls.ended()
            await self._return_waiting()

    async def _claim_forever(self) -> None:
        while True:
            await self._gateway.until_free()
            self._due.clear()
            self._packed.clear()
            # A batch to send and one behind it: more would keep rows from other processes.
            room = 2 * self._size.now - len(self._waiting)
            if room <= 0:
                await self._packed.wait()
            elif not await self._claim(room):
                await wait_at_most(self._due, POLL_SECONDS)

    async def _claim(self, room: int) -> int:
        if self._source.is_mostly_empty and not await self._database.read(self._source.is_due):
            # Else what is left of the claim before would wait for more until its lease ends.
            self._more_due = False
            return 0
        claimed = await self._database.write(partial(self._source.take, limit=room))
        self._waiting.extend(claimed.work)
        self._more_due = claimed.due >= room or claimed.cut_short
        self._accounting.settled(claimed.ended)
        self._claimed.set()
        if self._gateway.blocked is not None:  # since the claim began: nobody else would give them back
            await self._return_waiting()
        return claimed.due

    async def _send_forever(self) -> None:
        while True:
            await self._until_ready()
            async with AsyncExitStack() as permits:
                await permits.enter_async_context(self._departing)
                # Not before there is a batch: a summary could use a place in flight that stands idle.
                await self._in_flight.take(self._source.lane)
                permits.callback(self._in_flight.give_back)
                if not (batch := self._next_batch()):
                    continue
                # From here on the permits are the call's; until here a restarted loop must find them free.
                permits.pop_all()
            self._quarantine.begin(_is_suspect(batch[0]))
            self._calls.start(self._send(batch))

    async def _until_ready(self) -> None:
        while True:
            if self._gateway.blocked is not None:
                await self._return_waiting()
                await self._gateway.until_free()
            self._claimed.clear()
            packed = self._pack()
            self._packed.set()  # the size may have grown since claiming stopped for want of room
            if packed.ready:
                return
            await wait_at_most(self._claimed, packed.flushes_in)

    def _next_batch(self) -> list[Work]:
        """The batch that was ready, if it still is: the size may have grown, or calls may be blocked by now."""
        packed = self._pack()
        if not packed.ready or self._gateway.blocked is not None:
            return []
        self._waiting = packed.left
        self._packed.set()
        return packed.batch

    def _pack(self) -> _Packed:
        ready, barred = self._sendable()
        token_budget = self._policy.batch_tokens
        batch, rest = pack(ready, self._size.now, weight=_weight, limit=_limit, token_budget=token_budget)
        # Where more is due the next claim, which is under way, can fill the batch.
        wait = POLL_SECONDS if self._more_due and not barred else self._flushes_in(ready)
        full = bool(rest) or len(batch) >= self._size.now
        return _Packed(batch, [*barred, *rest], bool(batch) and (full or wait <= 0), wait)

    def _sendable(self) -> tuple[list[Work], list[Work]]:
        """What may be sent, and the suspects that have to wait because enough of them are being tried already."""
        if not self._quarantine.are_full:
            return self._waiting, []
        barred = [work for work in self._waiting if _is_suspect(work)]
        return [work for work in self._waiting if not _is_suspect(work)], barred

    def _flushes_in(self, ready: Sequence[Work]) -> float:
        if not ready:
            return POLL_SECONDS
        oldest = min(work.job.due_at for work in ready)
        return self._policy.flush_after - (self._clock() - oldest) / SECOND

    async def _send(self, batch: Sequence[Work]) -> None:
        try:
            await self._dispatch.send(batch, Once(self._departing.release))
        finally:
            self._quarantine.end(_is_suspect(batch[0]))
            self._in_flight.give_back()
            self.wake()

    async def _return_waiting(self) -> None:
        held, self._waiting = self._waiting, []
        self._packed.set()
        await self._dispatch.give_back(held)


def _weight(work: Work) -> int:
    return work.tokens


def _limit(work: Work) -> int | None:
    return work.job.pack_limit


def _is_suspect(work: Work) -> bool:
    return work.job.pack_limit == 1
