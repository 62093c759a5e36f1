"""What depends on what: every resource of the process, built from the settings."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from functools import partial

import database
from api.dependencies import Resources
from api.views.live import messages_after, tell
from api.views.summaries import ended_view
from batch_processor import BatchProcessor
from core.clock import Clock, now
from core.debounce import Debounce
from core.metrics import Metrics
from core.priority import PrioritySemaphore
from core.settings import Settings
from core.supervision import Supervised
from core.waiters import Waiters
from database import Database
from llm.fallback import Fallback
from llm.gateway import Gateway
from llm.hold import Hold
from llm.provider import GatewayFactory, backoff
from rate_limiter import InboundLimiter
from services.capacity import GIGABYTE, Capacity
from services.chats import Chats
from services.indexing import Indexing
from services.intake import Intake
from services.live import LOOK_EVERY, Hub
from services.live_summaries import LEAST_QUIET, LONGEST, LiveSummaries
from services.retention import Retention
from store.engine import disk
from store.queue import analysis
from store.queue import summaries as summary_queue
from store.queue.clock import DatabaseClock, ProcessClock
from worker.accounting import Accounting
from worker.outcomes import Policy
from worker.packing import BatchSize
from worker.settlement import Quarantine
from worker.summaries.calls import SummaryCalls
from worker.summaries.processor import SummaryProcessor

OFFLINE_BATCH = 50
"""A commit of 250 made a post beside it wait for 153 ms at the 99th percentile, one of 50 for 43."""
GRACE_FOR_CALLS = 3.0
"""Seconds at SIGTERM; a busy database may take 2 more."""
Work = Callable[[], Awaitable[None]]


async def build(
    settings: Settings, metrics: Metrics, limiter: InboundLimiter, given: Clock | None, stack: AsyncExitStack
) -> Resources:
    """Open everything that the process owns; whoever owns `stack` closes it."""
    db = await stack.enter_async_context(database.opened(settings.url, metrics.db_commit.observe))
    clock = await _shared_clock(settings, db, given)
    await _recover(settings, db, clock)
    hold = Hold(clock)
    gateway = await GatewayFactory(settings, db, metrics, hold, clock, stack).open()
    capacity = await _capacity(settings, db, metrics, hold, clock)
    waiters, summarised = Waiters(), Waiters()
    hub, live = _live(settings, db, clock)
    accounting = Accounting(
        metrics, ended=partial(_told, capacity, waiters), summarised=partial(_summarised, summarised, live)
    )
    processor, summariser = _processors(settings, db, gateway, accounting, live, clock)
    stack.push_async_callback(_finish, processor, summariser)
    taker = Intake(db, clock, processor.wake, capacity.ensure_writable)
    quiet = settings.chat_quiet_seconds
    talk = Chats(db, clock, quiet, processor.wake, capacity.ensure_writable, partial(tell, hub))
    owned = Resources(
        settings=settings,
        clock=clock,
        metrics=metrics,
        database=db,
        intake=taker,
        chats=talk,
        hub=hub,
        limiter=limiter,
        waiters=waiters,
        summarised=summarised,
        capacity=capacity,
        gateway=gateway,
        processor=processor,
        summariser=summariser,
        workers=_workers(processor, summariser, clock),
        started_at=clock(),
    )
    await _start(owned, live, stack)
    return owned


async def _start(owned: Resources, live: LiveSummaries, stack: AsyncExitStack) -> None:
    others = [Supervised(name, run, owned.clock) for name, run in _others(owned, live)]
    for each in (*owned.workers, *others):
        await stack.enter_async_context(each.started())


async def _shared_clock(settings: Settings, db: Database, given: Clock | None) -> ProcessClock:
    """The clock that all processes on the database go by; `given` takes its place."""
    if given is not None or settings.url.drivername.startswith("sqlite"):
        return ProcessClock(given or now)
    clock = DatabaseClock()
    await db.read(clock.now)
    return clock


async def _recover(settings: Settings, db: Database, clock: Clock) -> None:
    """Put back what another life of this process held; on PostgreSQL other processes hold theirs."""
    if settings.url.drivername.startswith("sqlite"):
        for waiting in (analysis, summary_queue):
            await db.write(partial(waiting.recover, now=clock()))


async def _capacity(settings: Settings, db: Database, metrics: Metrics, hold: Hold, clock: Clock) -> Capacity:
    max_bytes = settings.max_storage_gb * GIGABYTE
    capacity = Capacity(db, metrics, hold, clock, max_bytes, disk.under(settings.url))
    await capacity.count()
    return capacity


def _live(settings: Settings, db: Database, clock: Clock) -> tuple[Hub, LiveSummaries]:
    """Who listens to which chat, and what becomes of it when such a chat has been quiet."""
    quiet = Debounce(max(settings.chat_quiet_seconds, LEAST_QUIET), LONGEST, time.monotonic)
    poll = LOOK_EVERY[settings.url.get_backend_name()]
    hub = Hub(partial(messages_after, db), poll=poll, grew=quiet.touch)
    return hub, LiveSummaries(db, hub, quiet, clock, view=ended_view)


def _summarised(waiters: Waiters, live: LiveSummaries, ids: Iterable[str]) -> None:
    told = list(ids)
    waiters.tell(told)
    live.ended(told)


def _told(capacity: Capacity, waiters: Waiters, ids: Iterable[str]) -> None:
    told = list(ids)
    capacity.count_ended(len(told))
    waiters.tell(told)


def _workers(
    processor: BatchProcessor, summariser: SummaryProcessor, clock: Clock
) -> tuple[Supervised, Supervised]:
    return (
        Supervised("batch_processor", processor.run, clock),
        Supervised("summary_processor", summariser.run, clock),
    )


async def _finish(*processors: BatchProcessor | SummaryProcessor) -> None:
    """At once: each has the whole grace."""
    await asyncio.gather(*(each.finish(GRACE_FOR_CALLS) for each in processors))


def _others(owned: Resources, live: LiveSummaries) -> Iterator[tuple[str, Work]]:
    """What else runs beside the requests."""
    yield "monitor", owned.capacity.run
    yield "group_commit", owned.intake.group.run
    yield "group_commit_of_chats", owned.chats.group.run
    yield "indexing", Indexing(owned.database).run
    yield "live_summaries", partial(live.run, owned.summariser.wake)
    if isinstance(owned.gateway, Fallback):
        yield "fallback", owned.gateway.run
    if owned.settings.retention_days is not None:
        yield "retention", Retention(owned.database, owned.settings.retention_days, owned.clock).run


def _processors(
    settings: Settings,
    db: Database,
    gateway: Gateway,
    accounting: Accounting,
    live: LiveSummaries,
    clock: ProcessClock,
) -> tuple[BatchProcessor, SummaryProcessor]:
    """One for each queue. What leaves by the same gate shares its places in flight."""
    policy = Policy(
        max_retries=settings.max_retries,
        max_in_flight=settings.max_in_flight,
        batch_tokens=settings.max_batch_tokens,
        call_timeout=settings.grok_timeout_seconds,
        flush_after=settings.batch_flush_seconds if gateway.budget else 0,
        backoff=backoff(settings),
        # It saves calls, and offline there are none.
        prefilter=settings.prefilter == "on" and gateway.budget is not None,
    )
    size = BatchSize(settings.min_batch, settings.max_batch, settings.start_batch)
    in_flight = PrioritySemaphore(settings.max_in_flight)
    quarantine = Quarantine(max(1, settings.error_threshold - 1))
    batches = BatchProcessor(
        db,
        gateway,
        size if gateway.budget else BatchSize.fixed(OFFLINE_BATCH),
        policy,
        accounting,
        in_flight,
        quarantine,
        clock=clock,
        token=_token,
    )
    calls = SummaryCalls(db, gateway, policy, accounting, in_flight, clock, live.hearing)
    return batches, SummaryProcessor(calls, quarantine, token=_token)


def _token() -> str:
    return uuid.uuid4().hex
