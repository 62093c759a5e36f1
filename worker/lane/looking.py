"""Looks at batches that were sent: settles the rows that are there, and ends what is over."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from domain.analysis import ProviderFault
from llm.batches.limits import SETTLING
from llm.batches.progress import BatchProgress, BatchStage, stage_of
from models import CANCELLING, LATE
from store.queue import batch_requests
from store.queue.batches import Batch
from worker.lane.settling import Settling
from worker.lane.tools import LaneTools

log = structlog.get_logger()

GIVEN_UP = "cancelled", "the batch was given up before it was answered"


@dataclass(frozen=True)
class Looking:
    """Looks at batches. Every method raises CallFailed, BatchLost, SQLAlchemyError."""

    tools: LaneTools

    async def look(self, batch: Batch) -> int | None:
        progress = await self._progress(batch)
        stage = self._stage(batch, progress)
        if stage is BatchStage.REFUSED:
            await self._refused_whole(batch)
            return None
        if progress.is_cancelled or progress.refused is not None or progress.counters.cancelled:
            by = batch.cancelled_by or "the provider"
            await self._note(await self.tools.change(batch, stage=CANCELLING, cancelled_by=by), progress)
            return self.tools.clock() + self.tools.times.settling
        if stage is BatchStage.ENDED or batch.seen != _seen(progress):
            is_whole = await self._read_rows(batch, with_cancelled=False) >= progress.counters.rows
            if is_whole and stage is BatchStage.ENDED:
                await self._end_unless_late(batch)
                return None
            if is_whole:
                # Not before they are stored: whoever takes over would wait for other counters to read them.
                batch = await self._note(batch, progress)
        return self._next_look(batch)

    async def _progress(self, batch: Batch) -> BatchProgress:
        await self.tools.change(batch)
        return await self.tools.client.progress(batch.provider_id or "")

    async def _note(self, batch: Batch, progress: BatchProgress) -> Batch:
        seen = _seen(progress)
        if seen == batch.seen:
            return batch
        return await self.tools.change(batch, seen=seen, seen_at=self.tools.clock())

    def _stage(self, batch: Batch, progress: BatchProgress) -> BatchStage:
        now, times = self.tools.clock(), self.tools.times
        is_same = batch.seen == _seen(progress) and batch.seen_at is not None
        is_settled = is_same and now - (batch.seen_at or now) >= times.settling
        return stage_of(progress, sent=batch.requests, unchanged=SETTLING if is_settled else 0)

    async def _read_rows(self, batch: Batch, *, with_cancelled: bool) -> int:
        """Settle what is there; gives how many rows there were, apart from those of cancelled requests."""
        settling, left = Settling(self.tools), {str(call) for call in await self._calls(batch)}
        read: set[str] = set()
        async for row in self.tools.client.rows(batch.provider_id or ""):
            if row.is_cancelled and not with_cancelled:
                continue
            read.add(row.id)
            if row.id in left:
                await settling.row(batch, row)
                left.discard(row.id)
        return len(read)

    async def _end_unless_late(self, batch: Batch) -> None:
        await Settling(self.tools).end(batch)
        log.info("batch_ended", batch=batch.id, requests=batch.requests)

    async def _refused_whole(self, batch: Batch) -> None:
        """What the provider says of it may repeat what was sent, so that it is not kept."""
        await self.tools.change(batch, error="the provider refused it as a whole")
        log.warning("batch_refused", batch=batch.id, requests=batch.requests)
        await self._close_all(batch)

    async def _close_all(self, batch: Batch) -> None:
        settling = Settling(self.tools)
        await settling.close_unanswered(batch, await self._calls(batch), ProviderFault(*GIVEN_UP))
        await settling.end(batch)

    async def give_up(self, batch: Batch) -> None:
        """The provider knows nothing of it any more. What it was charged for is not known, and stays reserved."""
        await self.tools.change(batch, error="the provider does not know it any more")
        log.error("batch_lost", batch=batch.id, requests=batch.requests)
        await Settling(self.tools).end(batch)

    def _next_look(self, batch: Batch) -> int:
        now, times = self.tools.clock(), self.tools.times
        wait = min(times.longest_look, max(times.first_look, (now - batch.created_at) // 10))
        return max(now, min(now + wait, batch.deadline))

    async def look_after_cancel(self, batch: Batch) -> int | None:
        settling = Settling(self.tools)
        if batch.provider_id is None or not await self._calls(batch):
            await settling.end(batch)
            return None
        progress = await self._progress(batch)
        batch = await self._note(batch, progress)
        stage = self._stage(batch, progress)
        if stage is BatchStage.REFUSED:
            await self._refused_whole(batch)
            return None
        await self._read_rows(batch, with_cancelled=False)
        if stage is BatchStage.SETTLING or stage is BatchStage.RUNNING:
            return self.tools.clock() + self.tools.times.settling // 3
        left = await self._calls(batch)
        if not left:
            await settling.end(batch)
            return None
        await settling.free(batch, left)
        await self.tools.change(batch, stage=LATE, seen_at=self.tools.clock())
        return self.tools.clock() + self.tools.times.settling

    async def look_late(self, batch: Batch) -> int | None:
        """Answers may still come that nobody waits for, and are paid for."""
        tools, since = self.tools, batch.seen_at or 0
        await tools.change(batch)
        progress = await tools.client.progress(batch.provider_id or "")
        is_last = tools.clock() >= since + tools.times.late
        await self._read_rows(batch, with_cancelled=is_last)
        if not is_last:
            return tools.clock() + tools.times.settling
        if progress.counters.pending and tools.clock() < batch.deadline + tools.times.deadline:
            return tools.clock() + tools.times.longest_look
        if progress.counters.pending:
            await Settling(tools).end(batch)
        else:
            await self._close_all(batch)
        return None

    async def _calls(self, batch: Batch, *states: str) -> Sequence[int]:
        return await self.tools.database.read(
            lambda connection: batch_requests.open_calls(connection, batch.number, *states)
        )


def _seen(progress: BatchProgress) -> str:
    return json.dumps([*progress.counters, progress.is_cancelled, progress.refused is not None])
