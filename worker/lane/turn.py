"""One turn with a batch: whatever can be done for it now, and when it has to be looked at next.

What is about to be sent is stored before, and what came of it after: so whoever takes over, after a crash at any
moment, repeats the last call as it was, and makes no other twice.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection

from domain.analysis import BatchFault, CallFailed, Denied, ProviderFault, RateLimited
from llm.batches.faults import CHANGED, CLOSED, NO_MODEL, UNKNOWN, BatchRefused
from llm.batches.limits import CALL_BYTES
from llm.batches.rows import BatchRequest
from models import CANCELLING, FILLING, PACKED, RUNNING, SENDING, SENT, TRIED
from store.queue import batch_requests
from store.queue.batch_requests import PackedRequest
from store.queue.batches import Batch, add_to
from store.reanalysis import runs
from worker.lane.filling import Filled, Filling
from worker.lane.looking import GIVEN_UP, Looking
from worker.lane.settling import Settling
from worker.lane.tools import LaneTools
from worker.lane.waiting import BUDGET_AGAIN_AFTER

log = structlog.get_logger()

GONE_AFTER = 6
"""How often in a row a batch must be unknown to the provider to be given up."""


@dataclass(frozen=True)
class BatchTurn:
    """Does what can be done for a batch."""

    tools: LaneTools

    async def take(self, batch: Batch) -> int | None:
        """Do it; gives when it has to be looked at next, UTC microseconds, or None if it is over.

        Raises CallFailed, BatchLost, SQLAlchemyError.
        """
        if await self._is_unwanted(batch):
            batch = await self._unwanted(batch)
        match batch.stage:
            case "filling":
                return await self._fill(batch)
            case "sending":
                return await self._send(batch)
            case "running":
                return await Looking(self.tools).look(batch)
            case "cancelling":
                return await Looking(self.tools).look_after_cancel(batch)
        return await Looking(self.tools).look_late(batch)

    async def refused(self, batch: Batch, fault: CallFailed) -> int | None:
        """What follows from a call that failed; like `take`. Gives 0 where nothing but trying again later does."""
        if isinstance(fault, Denied | BatchFault) and not batch.provider_id:
            await self._not_begun(batch, fault)
            return None
        if not isinstance(fault, BatchFault):
            return 0
        if fault.outcome == CLOSED:
            await self.tools.change(batch, stage=CANCELLING, cancelled_by="the provider")
            return self.tools.clock()
        if fault.outcome == UNKNOWN:
            if batch.failures < GONE_AFTER:
                return 0
            await Looking(self.tools).give_up(batch)
            return None
        if batch.stage != SENDING:
            return 0
        return await self._not_taken(batch, fault)

    async def _not_begun(self, batch: Batch, fault: CallFailed) -> None:
        """The provider has refused to create it, or to say whether it has: nothing was ever added to it."""
        self.tools.gate.close(fault)
        await self.tools.change(batch, error="the provider refused to begin it")
        settling = Settling(self.tools)
        await settling.close_unanswered(batch, await self._calls(batch), fault)
        await settling.end(batch)

    async def _not_taken(self, batch: Batch, fault: BatchFault) -> int | None:
        """A call that adds requests was refused, so that none of them was taken."""
        tried = await self._calls(batch, TRIED)
        if fault.outcome == CHANGED:  # which the provider has already
            await self._mark(batch, tried, SENT)
            return self.tools.clock()
        if fault.outcome == NO_MODEL or not isinstance(fault, BatchRefused):
            self.tools.gate.close(fault)
            tried = await self._calls(batch, TRIED, PACKED)
        await Settling(self.tools).close_unanswered(batch, tried, fault)
        return self.tools.clock()

    # --- filling and sending --------------------------------------------------------------------------------

    async def _fill(self, batch: Batch) -> int | None:
        filling = Filling(self.tools)
        while True:
            filled = await filling.step(batch)
            self._note_money(filled)
            if filled.is_full or filled.is_spent:
                break
            if not filled.is_more:
                if self.tools.clock() < batch.created_at + self.tools.times.fill:
                    return self.tools.clock() + self.tools.times.fill // 10
                break
        return await self._send(await self.tools.change(batch, stage=SENDING))

    def _note_money(self, filled: Filled) -> None:
        again = self.tools.clock() + BUDGET_AGAIN_AFTER
        if filled.is_spent:
            self.tools.spent_until[0] = again
        self.tools.gate.wait_for_money(again if filled.is_half_used else 0)

    async def _send(self, batch: Batch) -> int | None:
        settling = Settling(self.tools)
        while requests := await self.tools.write(batch, self._next):
            batch = await self._created(batch)
            calls = [each.call for each in requests]
            await self._mark(batch, calls, TRIED)
            sent = [BatchRequest(str(each.call), json.loads(each.body or "{}")) for each in requests]
            await self.tools.client.add(batch.provider_id or "", sent)
            await self._mark(batch, calls, SENT)
        if not await self._calls(batch):
            await settling.end(batch)
            return None
        await self.tools.change(batch, stage=RUNNING, seen=None, seen_at=None)
        return self.tools.clock() + self.tools.times.first_look

    async def _mark(self, batch: Batch, calls: Sequence[int], state: str) -> None:
        await self.tools.write(
            batch, lambda connection, _: batch_requests.mark_requests(connection, calls, state)
        )

    def _next(self, connection: Connection, batch: Batch) -> Sequence[PackedRequest]:
        """What is sent next. What was deleted meanwhile is not sent; what it came with waits for another batch."""
        while found := batch_requests.next_to_send(connection, batch.number, most_bytes=CALL_BYTES):
            calls = [each.call for each in found]
            if found[0].state == TRIED:
                lost = [each.call for each in found if each.body is None]
                batch_requests.mark_requests(connection, lost, SENT)
            else:
                lost = [each.call for each in found if each.body is None]
                lost = sorted({*lost, *batch_requests.broken_among(connection, batch, calls)})
                self._unpack(connection, batch, lost)
            if whole := [each for each in found if each.call not in lost]:
                return whole
        return ()

    def _unpack(self, connection: Connection, batch: Batch, calls: Sequence[int]) -> None:
        settling = Settling(self.tools)
        for call in calls:
            settling.unpack(connection, batch, call)
        add_to(connection, batch.number, requests=-len(calls))

    async def _created(self, batch: Batch) -> Batch:
        """The batch, with its id at the provider. One that may have been created is looked for by its name."""
        client = self.tools.client
        if batch.provider_id is not None:
            return batch
        found = await client.find(batch.id) if batch.is_tried else None
        if found is None:
            batch = await self.tools.change(batch, is_tried=True)
            found = await client.create(batch.id)
        return await self.tools.change(batch, provider_id=found)

    # --- cancelling -----------------------------------------------------------------------------------------

    async def _is_unwanted(self, batch: Batch) -> bool:
        if batch.stage not in (FILLING, SENDING, RUNNING):
            return False
        if batch.cancelled_by is not None or self.tools.clock() >= batch.deadline:
            return True
        if batch.reanalysis is None:
            return False
        return not await self.tools.database.read(partial(runs.is_open, job=batch.reanalysis))

    async def _unwanted(self, batch: Batch) -> Batch:
        """Cancel it: what it has not been answered goes live once what it says has settled."""
        by = batch.cancelled_by or ("the deadline" if self.tools.clock() >= batch.deadline else "its job")
        batch = await self.tools.change(batch, cancelled_by=by)
        log.info("batch_cancelled", batch=batch.id, by=by)
        if batch.provider_id is None and batch.is_tried:
            found = await self.tools.client.find(batch.id)
            batch = batch if found is None else await self.tools.change(batch, provider_id=found)
        if batch.provider_id is not None:
            await self.tools.client.cancel(batch.provider_id)
        never = await self._calls(batch, PACKED) if batch.provider_id else await self._calls(batch)
        await Settling(self.tools).close_unanswered(batch, never, ProviderFault(*GIVEN_UP))
        return await self.tools.change(batch, stage=CANCELLING, seen=None, seen_at=None)

    async def _calls(self, batch: Batch, *states: str) -> Sequence[int]:
        return await self.tools.database.read(
            lambda connection: batch_requests.open_calls(connection, batch.number, *states)
        )


def pause_after(fault: CallFailed, failures: int, first: int, longest: int) -> int:
    """How long to wait after a call about a batch has failed, in microseconds."""
    asked_for = fault.retry_after if isinstance(fault, RateLimited) else None
    if asked_for is not None:
        return round(asked_for * 1_000_000)
    return int(min(longest, first * 2 ** min(failures, 20)))
