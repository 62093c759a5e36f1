"""Fills a batch, some conversations at a time: claimed, packed into requests, booked and stored in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from store.queue import batch_requests, batches
from store.queue.analysis import Outcome
from store.queue.batch_requests import PackedItem
from store.queue.batches import Batch
from worker.lane.tools import LaneTools
from worker.outcomes import Work, given_back
from worker.packing import pack
from worker.sources import AnalysisSource

AT_ONCE = 100
"""Conversations of a step, which holds SQLite's only writer for some 50 ms."""
MOST_REQUESTS = 200
MOST_BYTES = 20_000_000
"""Of a batch: what it carries is kept until it is sent, and a batch that is refused as a whole should not be all."""


class Filled(NamedTuple):
    """What a step has added."""

    ended: Sequence[Outcome]
    """What became of conversations that need no call."""
    is_more: bool
    """Whether the next step may find more."""
    is_full: bool
    is_spent: bool
    """Whether there was too little money for more."""
    is_half_used: bool = False
    """Whether that was the half of a day's budget, and not the cap of a re-analysis."""


@dataclass(frozen=True)
class Filling:
    """Fills batches."""

    tools: LaneTools

    async def step(self, batch: Batch) -> Filled:
        """Add some. Raises BatchLost, SQLAlchemyError."""
        filled = await self.tools.write(batch, self._fill)
        self.tools.accounting.settled(filled.ended)
        return filled

    def _fill(self, connection: Connection, batch: Batch) -> Filled:
        if batch.prompt_version != self.tools.analyzer.prompt_version:
            # The model is told other topics by now: what comes goes into another batch.
            return Filled((), is_more=False, is_full=True, is_spent=False)
        source = self.tools.source_of(batch)
        claimed = source.take(connection, AT_ONCE)
        unpaid = self._pack_all(connection, batch, source, claimed.work)
        number, size = batch_requests.size_of(connection, batch.number)
        is_full = number >= MOST_REQUESTS or size >= MOST_BYTES
        is_more = claimed.due >= AT_ONCE or claimed.cut_short
        is_half_used = unpaid is not None and not self._is_covered(connection, unpaid)
        return Filled(claimed.ended, is_more, is_full, unpaid is not None, is_half_used)

    def _is_covered(self, connection: Connection, work: Work) -> bool:
        return self.tools.budget.of_what_can_wait().covers(connection, [work.excerpt.text])

    def _pack_all(
        self, connection: Connection, batch: Batch, source: AnalysisSource, works: Sequence[Work]
    ) -> Work | None:
        """Pack them until there is too little money; gives the first that there was none for."""
        left = list(works)
        while left:
            group, left = pack(
                left,
                self.tools.most_packed,
                weight=lambda work: work.tokens,
                limit=lambda work: work.job.pack_limit,
                token_budget=self.tools.policy.batch_tokens,
            )
            unpaid = self._pack(connection, batch, source, group)
            if unpaid is not None:
                self._give_back(connection, source, left)
                return unpaid
        return None

    def _pack(
        self, connection: Connection, batch: Batch, source: AnalysisSource, group: Sequence[Work]
    ) -> Work | None:
        """Book a request and store it; gives the first conversation that there is too little money for."""
        until = batch.deadline + self.tools.hold
        held = source.renew(connection, group, until=until)
        booked = source.reserve(connection, self.tools.budget, held)
        carried = held[: booked.fitting]
        if booked.reservation is not None:
            body = self.tools.analyzer.batched([work.excerpt.text for work in carried]).decode()
            batch_requests.store_request(
                connection,
                batch.number,
                booked.reservation.call,
                day=booked.reservation.day,
                reserved=booked.reservation.reserved,
                body=body,
                items=[_item(work) for work in carried],
            )
            batches.add_to(connection, batch.number, requests=1, conversations=len(carried))
            self._bring_forward(connection, batch, carried)
        unpaid = held[booked.fitting :]
        self._give_back(connection, source, unpaid)
        return unpaid[0] if unpaid else None

    def _bring_forward(self, connection: Connection, batch: Batch, carried: Sequence[Work]) -> None:
        """A batch has to be over when the first of its conversations has to be answered."""
        waits = [work.job.can_wait_until for work in carried if work.job.can_wait_until is not None]
        deadline = min(waits, default=batch.deadline) + self.tools.times.spills
        if deadline < batch.deadline:
            batches.put_batch(connection, batch.number, deadline=deadline)

    def _give_back(self, connection: Connection, source: AnalysisSource, works: Sequence[Work]) -> None:
        jobs = [work.job for work in works]
        source.settle(connection, given_back(jobs, at=self.tools.clock()), asked=works)


def _item(work: Work) -> PackedItem:
    job = work.job
    return PackedItem(job.number, job.revision, job.message_count, work.excerpt.partial, work.key)
