"""Builds every resource of the process from the settings, in the order of their dependencies."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial

import database
from api.dependencies import Resources, Start
from api.start_faults import database_complaint
from api.views.live import live_messages_after, publish
from api.views.summaries import ended_view
from batch_processor import BatchProcessor
from core.clock import Clock, now
from core.debounce import Debounce
from core.errors import CannotStart, WrongKeys
from core.metrics import Metrics
from core.priority import PrioritySemaphore
from core.settings import Settings, values_by_name
from core.supervision import Supervised
from core.waiters import Waiters
from database import Database
from domain import topics
from llm.fallback import Fallback
from llm.gateway import Gateway
from llm.hold import Hold
from llm.provider import GatewayFactory, backoff
from rate_limiter import InboundLimiter
from services.access.changed_settings import note_changes
from services.access.control import AccessControl, access_control
from services.capacity import GIGABYTE, Capacity
from services.chats import Chats
from services.conditions import Conditions
from services.erasure import Erasure
from services.filing import Filing
from services.indexing import Indexing
from services.intake import Intake
from services.live import Hub
from services.live_summaries import MAX_WAIT, MIN_QUIET, LiveSummaries
from services.retention import Retention
from services.watcher import Watched, Watcher
from store.conversations import progress
from store.engine import disk
from store.insights import metadata
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
"""A commit of 250 delayed concurrent posts by 153 ms at the 99th percentile, one of 50 by 43."""
GRACE_FOR_CALLS = 3.0
"""Seconds that calls in flight get at SIGTERM; a busy database may take 2 more."""
Work = Callable[[], Awaitable[None]]


async def build(
    settings: Settings, metrics: Metrics, limiter: InboundLimiter, start: Start, stack: AsyncExitStack
) -> Resources:
    """Open every resource; closing `stack` closes them. Raises CannotStart and what its callees raise."""
    db = await _opened(settings, metrics, stack, while_plain=start.while_plain)
    clock = await _shared_clock(settings, db, start.clock)
    await _prepare(settings, db, clock)
    hold = Hold(clock)
    gateway = await GatewayFactory(settings, db, metrics, hold, clock, stack).open()
    capacity = await _capacity(settings, db, metrics, hold, clock)
    waiters, summary_waiters = Waiters(), Waiters()
    hub, live = _live(settings, db, clock)
    ended = partial(_conversations_ended, capacity, waiters)
    accounting = Accounting(metrics, ended=ended, summarised=partial(_summaries_ended, summary_waiters, live))
    processor, summariser = _processors(settings, db, gateway, accounting, live, clock)
    stack.push_async_callback(_finish, processor, summariser)
    doors = processor.wake, capacity.ensure_writable
    workers = _workers(processor, summariser, clock)
    resources = Resources(
        settings=settings,
        clock=clock,
        metrics=metrics,
        database=db,
        intake=Intake(db, clock, *doors, capacity.count_accepted),
        chats=_chats(settings, db, clock, hub, capacity, *doors),
        hub=hub,
        limiter=limiter,
        waiters=waiters,
        summary_waiters=summary_waiters,
        capacity=capacity,
        access=await _access(settings, db, clock),
        gateway=gateway,
        processor=processor,
        summariser=summariser,
        workers=workers,
        conditions=Conditions(capacity, gateway, workers, metrics, clock),
        started_at=clock(),
        topics=topics.load(settings.topics_file).keys(),
    )
    return await _started(resources, live, stack)


async def _opened(
    settings: Settings, metrics: Metrics, stack: AsyncExitStack, *, while_plain: bool
) -> Database:
    opened = database.opened(
        settings.url, metrics.db_commit.observe, settings.key_ring, while_plain=while_plain
    )
    try:
        return await stack.enter_async_context(opened)
    except WrongKeys:
        raise
    except Exception as error:
        # Drivers' own errors have no ancestor that could be named without importing the driver.
        complaint = database_complaint(error, settings)
        if complaint is None:
            raise
        raise CannotStart(complaint) from error


def _chats(
    settings: Settings,
    db: Database,
    clock: Clock,
    hub: Hub,
    capacity: Capacity,
    due: Callable[[], None],
    ensure_writable: Callable[[], None],
) -> Chats:
    quiet = settings.chat_quiet_seconds
    return Chats(
        db, clock, quiet, due, ensure_writable, partial(publish, hub), accepted=capacity.count_accepted
    )


async def _started(resources: Resources, live: LiveSummaries, stack: AsyncExitStack) -> Resources:
    background = [Supervised(name, run, resources.clock) for name, run in _background(resources, live)]
    for task in (*resources.workers, *background):
        await stack.enter_async_context(task.started())
    return resources


async def _shared_clock(settings: Settings, db: Database, given: Clock | None) -> ProcessClock:
    """The clock that all processes on the database go by; `given` takes its place."""
    if given is not None or settings.url.drivername.startswith("sqlite"):
        return ProcessClock(given or now)
    clock = DatabaseClock()
    await db.read(clock.now)
    return clock


async def _prepare(settings: Settings, db: Database, clock: ProcessClock) -> None:
    await _recover(settings, db, clock)
    await db.write(partial(metadata.declare, keys=settings.metadata_keys))


async def _recover(settings: Settings, db: Database, clock: Clock) -> None:
    """Release the leases of a previous run. Not on PostgreSQL, where they may belong to live processes."""
    if settings.url.drivername.startswith("sqlite"):
        for queue in (analysis, summary_queue):
            await db.write(partial(queue.recover, now=clock()))


async def _capacity(settings: Settings, db: Database, metrics: Metrics, hold: Hold, clock: Clock) -> Capacity:
    max_bytes = settings.max_storage_gb * GIGABYTE
    capacity = Capacity(db, metrics, hold, clock, max_bytes, disk.under(settings.url))
    await capacity.count()
    return capacity


async def _access(settings: Settings, db: Database, clock: Clock) -> AccessControl:
    access = access_control(db, clock, settings.secrets)
    await note_changes(db, access.audit, settings.secrets, values_by_name(settings))
    if settings.auth_required:
        await access.directory.refresh()
    return access


def _live(settings: Settings, db: Database, clock: Clock) -> tuple[Hub, LiveSummaries]:
    """The hub of live chats, and the summaries that are written once such a chat is quiet."""
    quiet = Debounce(max(settings.chat_quiet_seconds, MIN_QUIET), MAX_WAIT, time.monotonic)
    hub = Hub(partial(live_messages_after, db), on_growth=quiet.touch)
    return hub, LiveSummaries(db, hub, quiet, clock, view=ended_view)


def _summaries_ended(waiters: Waiters, live: LiveSummaries, ids: Iterable[str]) -> None:
    ended = list(ids)
    waiters.notify(ended)
    live.ended(ended)


def _conversations_ended(capacity: Capacity, waiters: Waiters, ids: Iterable[str]) -> None:
    ended = list(ids)
    capacity.count_ended(ended)
    waiters.notify(ended)


def _workers(
    processor: BatchProcessor, summariser: SummaryProcessor, clock: Clock
) -> tuple[Supervised, Supervised]:
    return (
        Supervised("batch_processor", processor.run, clock),
        Supervised("summary_processor", summariser.run, clock),
    )


async def _finish(*processors: BatchProcessor | SummaryProcessor) -> None:
    """Concurrently, so that each gets the whole grace period."""
    await asyncio.gather(*(processor.finish(GRACE_FOR_CALLS) for processor in processors))


def _background(resources: Resources, live: LiveSummaries) -> Iterator[tuple[str, Work]]:
    """The background tasks apart from the workers, by name."""
    yield "monitor", resources.capacity.run
    yield "conditions", resources.conditions.run
    yield "group_commit", resources.intake.group.run
    yield "group_commit_of_chats", resources.chats.group.run
    yield "audit", resources.access.audit.group.run
    if resources.settings.auth_required:
        yield "access", resources.access.directory.run
    yield "indexing", Indexing(resources.database).run
    yield "filing", Filing(resources.database).run
    if resources.settings.url.get_backend_name() == "sqlite":
        yield "erasure", Erasure(resources.database).run
    yield "live_summaries", partial(live.run, resources.summariser.wake)
    yield "watcher", Watcher(resources.database, _watched(resources, live)).run
    if isinstance(resources.gateway, Fallback):
        yield "fallback", resources.gateway.run
    if resources.settings.retention_days is not None:
        yield (
            "retention",
            Retention(
                resources.database,
                resources.settings.retention_days,
                resources.clock,
                deleted=resources.hub.deleted,
            ).run,
        )


def _watched(resources: Resources, live: LiveSummaries) -> Sequence[Watched]:
    waiters, summaries, hub = resources.waiters, resources.summary_waiters, resources.hub
    return (
        Watched(waiters.ids, progress.ended_among, waiters.notify),
        Watched(
            lambda: {*summaries.ids(), *live.expected()},
            progress.summarised_among,
            partial(_summaries_ended, summaries, live),
        ),
        Watched(hub.watched, progress.chat_states, hub.compare),
    )


def _processors(
    settings: Settings,
    db: Database,
    gateway: Gateway,
    accounting: Accounting,
    live: LiveSummaries,
    clock: ProcessClock,
) -> tuple[BatchProcessor, SummaryProcessor]:
    """One processor per queue. Both use one gateway and share its limit of calls in flight."""
    policy = Policy(
        max_retries=settings.max_retries,
        max_in_flight=settings.max_in_flight,
        batch_tokens=settings.max_batch_tokens,
        call_timeout=settings.grok_timeout_seconds,
        flush_after=settings.batch_flush_seconds if gateway.budget else 0,
        backoff=backoff(settings),
        # The prefilter saves calls, and the offline analyzer makes none.
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
    calls = SummaryCalls(db, gateway, policy, accounting, in_flight, clock, live.draft_listener)
    return batches, SummaryProcessor(calls, quarantine, token=_token)


def _token() -> str:
    return uuid.uuid4().hex
