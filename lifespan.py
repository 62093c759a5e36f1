"""The one lifespan that owns every resource: what depends on what, when it is opened, and how it ends."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

import database
import disk
from analysis import ProviderFault
from batch_processor import BatchProcessor
from batching import BatchSize
from bookkeeping import Bookkeeping
from brake import Brake
from chats import Chats
from database import AlreadyInUse, Database, UnknownSchema
from decisions import Policy
from endings import Endings
from fallback import Fallback
from gate import Gate
from indexing import Indexing
from intake import Intake
from lanes import Turns
from live import LOOK_EVERY, Hub
from metrics import Metrics
from monitor import GIGABYTE, Monitor
from providers import Gates, backoff
from rate_limiter import InboundLimiter
from resources import Resources, State
from retention import Retention
from settings import Settings, ignored_names
from settling import Trials
from store import queue
from store import summaries as summary_queue
from summary_calls import SummaryCalls
from summary_processor import SummaryProcessor
from supervision import Supervised
from times import Clock
from transcript import messages_after

log = structlog.get_logger()

OFFLINE_BATCH = 50
"""A commit of 250 made a post beside it wait for 153 ms at the 99th percentile, one of 50 for 43."""
GRACE_FOR_CALLS = 3.0
"""Seconds at SIGTERM; a busy database may take 2 more."""
Work = Callable[[], Awaitable[None]]


class CannotStart(Exception):
    """The reason, in one line for the operator."""


@asynccontextmanager
async def lifespan(
    settings: Settings, metrics: Metrics, limiter: InboundLimiter, clock: Clock
) -> AsyncIterator[State]:
    """Build every resource, and take them down in reverse. Raises CannotStart."""
    async with AsyncExitStack() as stack:
        try:
            resources = await _build(settings, metrics, limiter, clock, stack)
        except (AlreadyInUse, UnknownSchema, SQLAlchemyError, OSError, ValueError, ProviderFault) as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            log.error("cannot_start", reason=reason, database=settings.url.render_as_string())
            raise CannotStart(reason) from error
        _announce(settings, resources)
        yield {"resources": resources}


async def _build(
    settings: Settings, metrics: Metrics, limiter: InboundLimiter, clock: Clock, stack: AsyncExitStack
) -> Resources:
    db = await stack.enter_async_context(database.opened(settings.url, metrics.db_commit.observe))
    if settings.url.drivername.startswith("sqlite"):
        for waiting in (queue, summary_queue):
            await db.write(partial(waiting.recover, now=clock()))
    brake = Brake(clock)
    gate = await Gates(settings, db, metrics, brake, clock, stack).open()
    endings, summarised = Endings(), Endings()
    max_bytes = settings.max_storage_gb * GIGABYTE
    monitor = Monitor(db, metrics, brake, clock, max_bytes, disk.under(settings.url))
    await monitor.count()
    books = Bookkeeping(metrics, ended=partial(_told, monitor, endings), summarised=summarised.tell)
    processor, summariser = _processors(settings, db, gate, books, clock)
    stack.push_async_callback(_finish, processor, summariser)
    workers = (
        Supervised("batch_processor", processor.run, clock),
        Supervised("summary_processor", summariser.run, clock),
    )
    taker = Intake(db, clock, processor.wake, monitor.ensure_writable)
    hub = Hub(partial(messages_after, db), poll=LOOK_EVERY[settings.url.get_backend_name()])
    quiet = settings.chat_quiet_seconds
    talk = Chats(db, clock, quiet, processor.wake, monitor.ensure_writable, hub.spoke)
    others = _others(settings, db, monitor, taker, talk, gate)
    for each in (*workers, *(Supervised(name, run, clock) for name, run in others)):
        await stack.enter_async_context(each.started())
    return Resources(
        settings=settings,
        clock=clock,
        metrics=metrics,
        database=db,
        intake=taker,
        chats=talk,
        hub=hub,
        limiter=limiter,
        endings=endings,
        summarised=summarised,
        monitor=monitor,
        gate=gate,
        processor=processor,
        summariser=summariser,
        workers=workers,
        started_at=clock(),
    )


def _told(monitor: Monitor, endings: Endings, ids: Iterable[str]) -> None:
    told = list(ids)
    monitor.count_ended(len(told))
    endings.tell(told)


async def _finish(*processors: BatchProcessor | SummaryProcessor) -> None:
    """At once: each has the whole grace."""
    await asyncio.gather(*(each.finish(GRACE_FOR_CALLS) for each in processors))


def _others(
    settings: Settings, db: Database, monitor: Monitor, taker: Intake, talk: Chats, gate: Gate
) -> Iterator[tuple[str, Work]]:
    yield "monitor", monitor.run
    yield "group_commit", taker.group.run
    yield "group_commit_of_chats", talk.group.run
    yield "indexing", Indexing(db).run
    if isinstance(gate, Fallback):
        yield "fallback", gate.run
    if settings.retention_days is not None:
        yield "retention", Retention(db, settings.retention_days, monitor.clock).run


def _processors(
    settings: Settings, db: Database, gate: Gate, books: Bookkeeping, clock: Clock
) -> tuple[BatchProcessor, SummaryProcessor]:
    """One for each queue. What leaves by the same gate shares its places in flight."""
    policy = Policy(
        max_retries=settings.max_retries,
        max_in_flight=settings.max_in_flight,
        call_timeout=settings.grok_timeout_seconds,
        flush_after=settings.batch_flush_seconds if gate.ledger else 0,
        backoff=backoff(settings),
        # It saves calls, and offline there are none.
        prefilter=settings.prefilter == "on" and gate.ledger is not None,
    )
    size = BatchSize(settings.min_batch, settings.max_batch, settings.start_batch)
    in_flight = Turns(settings.max_in_flight)
    trials = Trials(max(1, settings.error_threshold - 1))
    batches = BatchProcessor(
        db,
        gate,
        size if gate.ledger else BatchSize.fixed(OFFLINE_BATCH),
        policy,
        books,
        in_flight,
        trials,
        clock=clock,
        token=_token,
    )
    calls = SummaryCalls(db, gate, policy, books, in_flight, clock)
    return batches, SummaryProcessor(calls, trials, token=_token)


def _token() -> str:
    return uuid.uuid4().hex


def _announce(settings: Settings, resources: Resources) -> None:
    for ignored, winner in ignored_names():
        log.warning("setting_ignored", name=ignored, because=f"{winner} is set")
    if not resources.gate.ledger:
        why = "GROK_MODE asks for it" if settings.grok_api_key else "no GROK_API_KEY"
        log.warning("offline_analyzer", because=why, meaning="insights say analyzer: offline")
    log.info("started", database=settings.url.get_backend_name(), analyzer=resources.gate.analyzer.name)
