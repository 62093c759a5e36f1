"""Settles the rows of a batch as they come: like the answer of any call, and each request once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from domain.analysis import CallFailed, Denied, ProviderFault, Reply
from domain.jobs import Requeued
from domain.text import excerpt_of, excerpt_sent
from llm.batches.rows import BatchRow
from llm.budget import Reservation, usage_of
from llm.languages import with_languages
from models import SETTLED
from store.money.spending import CallKind
from store.queue import batch_requests, batches, single_flight
from store.queue.analysis import Completed, Outcome
from store.queue.batch_requests import BatchedConversation, SentRequest
from store.queue.batches import Batch
from store.reanalysis import runs
from worker.lane.tools import LaneTools
from worker.outcomes import Provenance, Work, given_back, outcomes_after, outcomes_of

UNSENT = "given_back", "a conversation of it was deleted or changed before it was sent"
FREED_AT_ONCE = 4
"""Requests whose conversations one transaction gives back."""


class Row(NamedTuple):
    """A row as it was read: what it brought, and for whom. `end` is None if it brought nothing that is paid for."""

    call: int
    end: Reply | CallFailed
    waiting: Sequence[BatchedConversation]
    is_paid: bool


class Settled(NamedTuple):
    """The outcomes that counted, and what the request cost in ticks; None if it was settled before."""

    counted: Sequence[Outcome]
    cost: int | None


@dataclass(frozen=True)
class Settling:
    """Settles rows, and what has none."""

    tools: LaneTools

    async def row(self, batch: Batch, row: BatchRow) -> None:
        """Store what a row brought, unless it was stored before. Raises BatchLost, SQLAlchemyError."""
        read = await self.tools.database.read(lambda connection: self._read(connection, batch, row))
        if read is None:
            return
        if isinstance(read.end, Reply):
            read = read._replace(end=await self._with_languages(read.end, read.waiting))
        settled = await self.tools.write(batch, lambda connection, held: self._settle(connection, held, read))
        self.tools.accounting.settled(settled.counted)
        if settled.cost is None:
            return
        is_answered = isinstance(read.end, Reply)
        self.tools.accounting.batched_requests_ended("answered" if is_answered else "failed")
        if is_answered:
            self.tools.accounting.call_ended(usage_of(read.end), settled.cost)

    def _read(self, connection: Connection, batch: Batch, row: BatchRow) -> Row | None:
        call = int(row.id) if row.id.isdecimal() and len(row.id) < 19 else 0
        request = batch_requests.request_of(connection, batch.number, call)
        if request is None:
            return None
        waiting = batch_requests.conversations_of(connection, batch, call, with_texts=True)
        if row.completion is None:
            # It has no usage. One that failed costs nothing; one that says nothing at all may have been charged.
            return Row(call, row.fault, waiting, is_paid=row.is_untold)
        end = self._parsed(batch, row, request)
        if isinstance(end, Reply):
            end = replace(end, rows=[end.rows[each.position - 1] for each in waiting])
        return Row(call, end, waiting, is_paid=True)

    def _parsed(self, batch: Batch, row: BatchRow, request: SentRequest) -> Reply | CallFailed:
        try:
            version = batch.prompt_version
            return self.tools.analyzer.read_batched(row.response, request.conversations, version)
        except CallFailed as fault:
            return fault

    async def _with_languages(self, reply: Reply, waiting: Sequence[BatchedConversation]) -> Reply:
        find = self.tools.gateway.languages
        if find is None or not waiting:
            return reply
        shown = self.tools.policy.shown
        texts = [excerpt_of(each.job.turns, shown, is_chat=each.job.is_chat).text for each in waiting]
        return with_languages(reply, await find(texts))

    def _settle(self, connection: Connection, batch: Batch, row: Row) -> Settled:
        request = batch_requests.request_of(connection, batch.number, row.call)
        if request is None:
            return Settled((), None)
        works = [self._work(batch, each) for each in row.waiting]
        source = self.tools.source_of(batch)
        counted = source.settle(connection, self._outcomes(batch, row, works), asked=works)
        self._leave(connection, batch, counted)
        cost = self._close(connection, batch, request, row.end, is_paid=row.is_paid, is_whole=bool(works))
        stored = sum(isinstance(each, Completed) for each in counted)
        dropped = request.conversations - len(counted)
        self._note(connection, batch, [row.call], stored=stored, dropped=dropped, cost_ticks=cost)
        return Settled(counted, cost)

    def _outcomes(self, batch: Batch, row: Row, works: Sequence[Work]) -> Sequence[Outcome]:
        now, policy, end = self.tools.clock(), self.tools.policy, row.end
        if isinstance(end, Reply):
            by = Provenance(self.tools.analyzer.name, end.model, row.call, now, batch.prompt_version)
            return outcomes_of(end, works, by, policy)
        if isinstance(end, ProviderFault | Denied):
            return given_back([work.job for work in works], at=now)
        # Nobody is charged by it: it goes live, where a canary can tell who is to blame.
        return outcomes_after(end, works, at=now, policy=policy, wait=0, canary_passed=False)

    def _leave(self, connection: Connection, batch: Batch, counted: Sequence[Outcome]) -> None:
        """What has no answer goes live."""
        back = [each.job.number for each in counted if isinstance(each, Requeued)]
        self.tools.goes_live(connection, batch, back)

    def _close(
        self,
        connection: Connection,
        batch: Batch,
        request: SentRequest,
        end: Reply | CallFailed,
        *,
        is_paid: bool,
        is_whole: bool,
    ) -> int:
        """Settle the money of a request; gives what it cost, in ticks."""
        reservation = Reservation(request.call, request.day, request.reserved_ticks, CallKind.BATCH)
        budget = self.tools.budget
        budget.record(connection, reservation, end, sent=is_paid, keep=is_whole)
        cost = budget.cost(reservation, end, sent=is_paid)
        if batch.reanalysis is not None:
            runs.charge_call(connection, batch.reanalysis, reserved=request.reserved_ticks, cost=cost)
        return cost

    def _work(self, batch: Batch, each: BatchedConversation) -> Work:
        job = each.job._replace(can_wait_until=batch.deadline - self.tools.times.spills)
        return Work(job, excerpt_sent(partial=each.partial), each.cache_key, 0)

    def _note(self, connection: Connection, batch: Batch, calls: Sequence[int], **more: int) -> None:
        batch_requests.mark_requests(connection, calls, SETTLED)
        batch_requests.free_items(connection, calls)
        batches.add_to(connection, batch.number, answered=len(calls), **more)

    # --- what has no row ------------------------------------------------------------------------------------

    async def free(self, batch: Batch, calls: Sequence[int]) -> None:
        """Nobody waits for these requests any more: their conversations go live. Raises BatchLost, SQLAlchemyError."""
        for first in range(0, len(calls), FREED_AT_ONCE):
            some = calls[first : first + FREED_AT_ONCE]
            await self.tools.write(batch, partial(self._free, calls=some))

    def _free(self, connection: Connection, batch: Batch, *, calls: Sequence[int]) -> None:
        for call in calls:
            works = [
                self._work(batch, each) for each in batch_requests.conversations_of(connection, batch, call)
            ]
            back = given_back([work.job for work in works], at=self.tools.clock())
            source = self.tools.source_of(batch)
            self._leave(connection, batch, source.settle(connection, back, asked=works))
        batch_requests.free_items(connection, calls)

    def unpack(self, connection: Connection, batch: Batch, call: int) -> None:
        """Take apart a request that was never sent: its conversations wait for another batch."""
        request = batch_requests.request_of(connection, batch.number, call)
        if request is None:
            return
        works = [self._work(batch, each) for each in batch_requests.conversations_of(connection, batch, call)]
        back = given_back([work.job for work in works], at=self.tools.clock())
        self.tools.source_of(batch).settle(connection, back, asked=works)
        self._close(connection, batch, request, ProviderFault(*UNSENT), is_paid=False, is_whole=False)
        batch_requests.forget_requests(connection, [call])

    async def close_unanswered(self, batch: Batch, calls: Sequence[int], why: CallFailed) -> None:
        """These requests cost nothing: the provider has answered none of them. Raises BatchLost, SQLAlchemyError."""

        def close(connection: Connection, held: Batch) -> None:
            for call in calls:
                request = batch_requests.request_of(connection, held.number, call)
                if request is not None:
                    self._close(connection, held, request, why, is_paid=False, is_whole=False)
            self._note(connection, held, calls)

        await self.free(batch, calls)
        await self.tools.write(batch, close)
        self.tools.accounting.batched_requests_ended("unanswered", len(calls))

    async def end(self, batch: Batch) -> None:
        """The batch is over. What was not answered may have been charged, and stays reserved."""

        def end(connection: Connection, held: Batch) -> None:
            single_flight.release_all(connection, lease=held.holder, now=self.tools.clock())
            batch_requests.mark_requests(
                connection, batch_requests.open_calls(connection, held.number), SETTLED
            )
            batches.end_batch(connection, held, now=self.tools.clock())

        await self.free(batch, await self._open(batch))
        await self.tools.write(batch, end)

    async def _open(self, batch: Batch) -> Sequence[int]:
        return await self.tools.database.read(
            lambda connection: batch_requests.open_calls(connection, batch.number)
        )
