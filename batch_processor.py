"""The worker's loop: claims what is due, packs what has to be asked, sends it, settles what came back.

Policy only: SQL is in `store`, HTTP behind `outbound`, the rules in `decisions`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from analysis import BatchFault, CallFailed, Reply
from batching import BatchSize, pack
from bookkeeping import Bookkeeping
from claims import Claim
from database import Database
from decisions import Policy, Work, Writer, after, given_back, judge
from endings import either
from outbound import Gate
from store import asking, queue
from store.queue import Completed, Outcome
from times import SECOND, Clock

log = structlog.get_logger()

DEPARTING = 2
"""Batches between claim and wire: one waits for its slot, one stands ready behind it, so that none is lost."""
LEASE_MARGIN = 30.0
"""Seconds a lease outlives the longest call: waiting for a slot, and two transactions."""
SECONDS_TO_GIVE_BACK = 1.0
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
        claim = Claim(self._clock(), self._token(), self._lease_end(), self._version, self._policy)
        claimed = await self._database.write(lambda connection: claim.take(connection, room))
        self._waiting.extend(claimed.work)
        self._more_due = claimed.due >= room
        self._books.settled(claimed.ended)
        self._claimed.set()
        return claimed.due

    def _lease_end(self) -> int:
        return self._clock() + round((self._policy.call_timeout + LEASE_MARGIN) * SECOND)

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
            batch, rest = pack(self._waiting, self._size.now, weight=_weight, limit=_limit)
            wait = self._flushes_in()
            if self._more_due:
                wait = POLL_SECONDS  # the batch can be filled: the next claim is under way
            if batch and (rest or len(batch) >= self._size.now or wait <= 0):
                self._waiting = rest
                self._packed.set()
                return batch
            await either(self._claimed, wait)

    def _flushes_in(self) -> float:
        if not self._waiting:
            return POLL_SECONDS
        oldest = min(work.job.due_at for work in self._waiting)
        return self._policy.flush_after - (self._clock() - oldest) / SECOND

    async def _send(self, batch: Sequence[Work]) -> None:
        departed = _Once(self._departing.release)
        try:
            held, call = await self._database.write(partial(self._start, batch))
            if held:
                await self._ask(held, call, departed)
        except SQLAlchemyError as error:
            # Nothing left and nothing is lost: the leases run out, and the rows are due again.
            log.error("call_not_started", exc_info=error)
        finally:
            departed()
            self._in_flight.release()

    def _start(self, batch: Sequence[Work], connection: Connection) -> tuple[list[Work], int | None]:
        until = self._lease_end()
        still = {job.number for job in queue.renew(connection, [work.job for work in batch], until=until)}
        held = [work for work in batch if work.job.number in still]
        asking.extend(connection, {work.key for work in held}, leases=_leases(held), until=until)
        return held, self._books.start(connection, self._gate, held) if held else None

    async def _ask(self, held: Sequence[Work], call: int | None, departed: "_Once") -> None:
        epoch = self._size.epoch
        try:
            answer = await self._gate.call([work.excerpt.text for work in held], departed)
        except CallFailed as fault:
            if isinstance(fault, BatchFault):
                self._size.failed(epoch)
            wait = self._policy.backoff(self._gate.faults)
            outcomes = after(fault, held, at=self._clock(), policy=self._policy, wait=wait)
            await self._settle(held, call, outcomes, fault)
        except asyncio.CancelledError:
            back = given_back([work.job for work in held], at=self._clock())
            await asyncio.shield(self._settle(held, call, back, None))
            raise
        else:
            by = Writer(self._gate.analyzer.name, answer.model, call, self._clock())
            outcomes = judge(answer, held, by, self._policy)
            if all(isinstance(outcome, Completed) for outcome in outcomes):
                self._size.succeeded()
            await self._settle(held, call, outcomes, answer)

    async def _settle(
        self,
        held: Sequence[Work],
        call: int | None,
        outcomes: Sequence[Outcome],
        end: Reply | CallFailed | None,
    ) -> None:
        """Store what a call brought. It is paid for: a database that is busy is asked until the lease ends."""

        def settle(connection: Connection) -> list[Outcome]:
            now = self._clock()
            counted = queue.settle(connection, outcomes, now=now)
            asking.release(connection, {work.key for work in held}, leases=_leases(held), now=now)
            if call is not None:
                self._books.finish(connection, call, end)
            return counted

        counted = await _persist(lambda: self._database.write(settle), LEASE_MARGIN)
        self._books.settled(counted)
        self._books.call_ended(end)
        self.wake()

    async def _return_waiting(self) -> None:
        held, self._waiting = self._waiting, []
        if held:
            await self._settle(held, None, given_back([work.job for work in held], at=self._clock()), None)


async def _persist(write: Callable[[], Coroutine[Any, Any, list[Outcome]]], seconds: float) -> list[Outcome]:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await write()
        except SQLAlchemyError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("result_not_stored_yet", exc_info=error)
            await asyncio.sleep(0.5)


class _Once:
    """Calls what it was given the first time it is called itself."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    def __call__(self) -> None:
        action, self._action = self._action, None
        if action is not None:
            action()


def _weight(work: Work) -> int:
    return len(work.excerpt.text)


def _limit(work: Work) -> int | None:
    return work.job.pack_limit


def _leases(works: Iterable[Work]) -> set[str]:
    return {work.job.lease for work in works if work.job.lease is not None}
