"""A process whose own clock is wrong: on PostgreSQL it goes by the server's."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import pytest
from sqlalchemy import Connection, update

from batch_processor import BatchProcessor
from benchmarks.support.waiting import eventually
from core.clock import HOUR, SECOND, now
from core.metrics import Metrics
from core.priority import PrioritySemaphore
from database import Database
from llm.gateway import OfflineGateway
from llm.hold import Hold
from models import conversations
from store.queue import analysis
from store.queue.clock import DatabaseClock, ProcessClock
from tests.store.test_summaries_store import asked, claim, looked
from tests.store.test_summary_dispatch import Patient
from tests.support.rows import LEASE, NOW, POLICY, new, stored, take_in
from tests.support.scripted import Scripted
from worker.accounting import Accounting
from worker.packing import BatchSize
from worker.settlement import Quarantine
from worker.summaries.calls import SummaryCalls
from worker.summaries.processor import SummaryProcessor

SLACK = 60 * SECOND
"""More than a busy machine takes between two looks at a clock, and less than any skew."""
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
SKEWS = pytest.mark.parametrize("skew", [-HOUR, HOUR], ids=["behind", "ahead"])


def skewed(skew: int) -> DatabaseClock:
    """As in a process whose own clock is wrong by so much."""
    return DatabaseClock(lambda: now() + skew)


def accounting() -> Accounting:
    return Accounting(Metrics(), ended=lambda _: None, summarised=lambda _: None)


def batches(db: Database, clock: ProcessClock, analyzer: Scripted) -> BatchProcessor:
    gateway = OfflineGateway(analyzer, Hold(clock))
    turns, suspects = PrioritySemaphore(8), Quarantine(4)
    size = BatchSize.fixed(5)
    return BatchProcessor(
        db, gateway, size, POLICY, accounting(), turns, suspects, clock=clock, token=lambda: "skewed"
    )


def writing(db: Database, clock: ProcessClock, analyzer: Patient) -> SummaryProcessor:
    gateway = OfflineGateway(analyzer, Hold(clock))
    calls = SummaryCalls(db, gateway, POLICY, accounting(), PrioritySemaphore(8), clock)
    return SummaryProcessor(calls, Quarantine(4), token=lambda: "skewed")


HELD = {"status": "processing", "lease": "other"}
TEXTS = [f"My parcel is {how}, and nobody answers." for how in ("due", "held", "later")]


def changed(connection: Connection, id_: str, values: Mapping[str, str], run_at: int) -> None:
    row = update(conversations).where(conversations.c.id == id_)
    connection.execute(row.values({**values, "run_at": run_at}))


@asynccontextmanager
async def running(processor: BatchProcessor | SummaryProcessor) -> AsyncIterator[None]:
    """The processor claims inside the block; after it, what it holds goes back."""
    loop = asyncio.create_task(processor.run())
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.wait([loop])
        await processor.finish(0)


async def test_a_process_clock_is_the_one_that_it_was_given(db: Database) -> None:
    clock = ProcessClock(lambda: NOW)

    assert (await db.write(clock.now), clock()) == (NOW, NOW)


@on_postgresql
@SKEWS
async def test_the_servers_clock_is_told_in_a_transaction_and_estimated_outside(
    db: Database, skew: int
) -> None:
    clock = skewed(skew)
    assert abs(clock() - now()) > HOUR - SLACK, "before the first reading there is nothing to correct by"

    before = now()
    read = await db.write(clock.now)

    assert abs(read - before) < SLACK
    assert read <= clock() < now() + SLACK
    later = await db.write(lambda connection: (clock.now(connection), clock.now(connection)))
    assert read < later[0] < later[1], "it moves on within a transaction"


@on_postgresql
@SKEWS
async def test_a_process_with_a_wrong_clock_claims_all_that_is_due_and_nothing_that_is_held(
    db: Database, skew: int
) -> None:
    started = now()
    await db.write(
        lambda connection: take_in(connection, *(new(id_, id_, received_at=started) for id_ in TEXTS))
    )
    await db.write(lambda connection: changed(connection, TEXTS[1], HELD, started + LEASE))
    await db.write(lambda connection: changed(connection, TEXTS[2], {}, started + HOUR // 2))
    analyzer = Scripted()

    async with running(batches(db, skewed(skew), analyzer)):
        await eventually(lambda: analyzer.calls)
        due, held, later = [await db.read(partial(stored, id_=id_)) for id_ in TEXTS]

    assert [texts for texts, _ in analyzer.calls] == [[TEXTS[0]]]
    assert (due.status, due.lease) == ("processing", "skewed")
    assert 0 < due.run_at - started - POLICY.lease_end(0, calls=2) < SLACK, (
        "its lease is on the server's clock"
    )
    assert (held.lease, held.run_at) == ("other", started + LEASE)
    assert (later.status, later.attempts) == ("queued", 0)


@on_postgresql
@SKEWS
async def test_a_process_with_a_wrong_clock_writes_the_summaries_that_are_due_and_no_others(
    db: Database, skew: int
) -> None:
    started = now()
    await db.write(lambda connection: asked(connection, "held", now=started))
    await db.write(lambda connection: claim(connection, now=started, token="other"))
    await db.write(lambda connection: asked(connection, "due", now=started))
    analyzer = Patient(2)

    async with running(writing(db, skewed(skew), analyzer)):
        await eventually(lambda: analyzer.asked)
        due, held = [await db.read(partial(looked, id_=id_)) for id_ in ("due", "held")]

    assert due.row is not None
    assert held.row is not None
    assert (due.row.lease, held.row.lease, held.row.run_at) == ("skewed", "other", started + LEASE)
    assert 0 < due.row.run_at - started - POLICY.lease_end(0) < SLACK


@on_postgresql
@SKEWS
async def test_what_a_process_with_a_wrong_clock_gives_back_is_due_at_once(db: Database, skew: int) -> None:
    started = now()
    await db.write(lambda connection: take_in(connection, new("c", received_at=started)))

    async with running(batches(db, skewed(skew), Scripted())):
        await eventually(lambda: db.read(lambda connection: stored(connection, "c").attempts))

    row = await db.read(partial(stored, id_="c"))
    assert (row.status, row.lease) == ("queued", None)
    assert started < row.run_at < now() + SLACK
    assert [job.id for job in await db.write(partial(analysis.due, limit=1, now=now()))] == ["c"]
