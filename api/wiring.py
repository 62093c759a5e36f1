"""Builds every resource of the process from the settings, in the order of their dependencies."""

import os
import platform
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial

import database
from api.background import duties, notifications_of, started, summaries_ended
from api.dependencies import Resources, Start
from api.processors import Processors, finish_all, processors_of, workers_of
from api.views.live import live_messages_after, publish
from api.views.summaries import ended_view
from core.changes import Changes
from core.clock import Clock, now
from core.debounce import Debounce
from core.errors import CannotStart, WrongKeys
from core.metrics import Metrics
from core.setting_values import values_by_name
from core.settings import Settings
from core.start_faults import database_complaint
from core.waiters import Waiters
from database import Database
from domain import topics
from domain.fields.fieldsets import FieldSet
from domain.fields.parsing import load_fields
from llm.gateway import Gateway
from llm.hold import Hold
from llm.provider import GatewayFactory
from rate_limiter import InboundLimiter
from services.access.changed_settings import note_changes
from services.access.control import AccessControl, access_control
from services.access.providers.web import provider_client
from services.capacity import GIGABYTE, Capacity
from services.chats import Chats
from services.conditions import Conditions
from services.curation import Curation
from services.examples import FollowedExamples
from services.heartbeat import Heartbeat
from services.intake import Intake
from services.live import Hub
from services.live_summaries import MAX_WAIT, MIN_QUIET, LiveSummaries
from services.notifications import Notifications
from services.people import People
from services.redaction import Redaction, open_redaction
from services.shared_drafts import SharedDrafts
from services.topics import FollowedTopics, followed
from services.webhooks.chatwoot import declare_side
from services.webhooks.keeping import DeliveryFigures
from services.webhooks.registration import Webhooks
from services.workforce import Workforce
from store.conversations import erasures
from store.engine import disk
from store.engine.notifications import Channel
from store.insights import field_filing, metadata
from store.queue import analysis, batches, deliveries, long_jobs
from store.queue import summaries as summary_queue
from store.queue.clock import DatabaseClock, ProcessClock
from store.reanalysis import queue as reanalyses
from worker.accounting import Accounting


async def build(
    settings: Settings, metrics: Metrics, limiter: InboundLimiter, start: Start, stack: AsyncExitStack
) -> Resources:
    """Open every resource; closing `stack` closes them. Raises CannotStart and what its callees raise."""
    redaction, fields = open_redaction(settings), load_fields(settings.fields_file)
    db, clock, told = await _prepared(settings, metrics, stack, start, fields)
    hold, examples = Hold(clock, changes := Changes()), FollowedExamples(db, clock, redaction.shown)
    gateway, capacity = await _gateway(settings, db, metrics, stack, hold, told, examples, fields)
    waiters, summary_waiters, notifications = Waiters(), Waiters(), notifications_of(settings, db)
    hub, live = _live(settings, db, clock, notifications)
    done = _accounting(metrics, capacity, waiters, summary_waiters, live, notifications)
    processors = await processors_of(settings, db, gateway, done, live, clock, redaction, stack, capacity)
    resources = Resources(
        settings=settings,
        clock=clock,
        metrics=metrics,
        database=db,
        fields=fields,
        intake=_intake(settings, db, clock, redaction, notifications, capacity, metrics),
        chats=_chats(settings, db, clock, redaction, hub, capacity, metrics, notifications),
        hub=hub,
        limiter=limiter,
        waiters=waiters,
        summary_waiters=summary_waiters,
        capacity=capacity,
        access=(access := await _access(settings, db, clock, stack, metrics)),
        people=People(db, clock, access.audit, settings.secrets, hub.deleted, hub.erased),
        gateway=gateway,
        processors=processors,
        webhooks=Webhooks(db, clock, access.audit, os.urandom, processors.deliveries.wake),
        delivery_figures=DeliveryFigures(db, metrics, clock),
        workforce=(workforce := _workforce(settings, db, clock, stack, processors, capacity, changes)),
        conditions=Conditions(capacity, gateway, workforce.own, metrics, clock, workforce.stops),
        started_at=clock(),
        topics=told,
        examples=examples,
        curation=Curation(db, clock),
        notifications=notifications,
    )
    return await started(resources, live, changes, stack, start.tick)


def _doors(notifications: Notifications, capacity: Capacity) -> tuple[Callable[[], None], Callable[[], None]]:
    """What happens when something was taken in, and what is asked before it is."""
    return partial(notifications.notify, Channel.ANALYSIS), capacity.ensure_writable


def _intake(
    settings: Settings,
    db: Database,
    clock: ProcessClock,
    redaction: Redaction,
    notifications: Notifications,
    capacity: Capacity,
    metrics: Metrics,
) -> Intake:
    counted = capacity.count_accepted, metrics.count_redactions
    doors = *_doors(notifications, capacity), settings.can_wait_seconds
    return Intake(db, clock, redaction, *doors, *counted)


def _workforce(
    settings: Settings,
    db: Database,
    clock: ProcessClock,
    stack: AsyncExitStack,
    processors: Processors,
    capacity: Capacity,
    changes: Changes,
) -> Workforce:
    stack.push_async_callback(finish_all, *processors)
    workers = workers_of(
        processors.batches, processors.summaries, clock, changes, capacity.metrics.count_death
    )
    role, heartbeat = settings.role, None
    if settings.url.get_backend_name() != "sqlite":
        wanted = duties(settings) if role.works else ()
        heartbeat = Heartbeat(db, clock, uuid.uuid4().hex, role, platform.node(), wanted)
        stack.push_async_callback(heartbeat.leave)
    workforce = Workforce(role, workers, heartbeat)
    capacity.rate_of_others, capacity.at_work = workforce.rate_of_others, lambda: workforce.alive
    return workforce


async def _opened(settings: Settings, metrics: Metrics, stack: AsyncExitStack, start: Start) -> Database:
    opened = database.opened(
        settings.url,
        metrics.db_commit.observe,
        settings.key_ring,
        while_plain=start.while_plain,
        replica=settings.replica_url,
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
    redaction: Redaction,
    hub: Hub,
    capacity: Capacity,
    metrics: Metrics,
    notifications: Notifications,
) -> Chats:
    quiet = settings.chat_quiet_seconds
    return Chats(
        db,
        clock,
        redaction,
        quiet,
        *_doors(notifications, capacity),
        settings.can_wait_seconds,
        partial(publish, hub),
        accepted=capacity.count_accepted,
        redacted=metrics.count_redactions,
    )


async def _shared_clock(settings: Settings, db: Database, given: Clock | None) -> ProcessClock:
    """The clock that all processes on the database go by; `given` takes its place."""
    if given is not None or settings.url.drivername.startswith("sqlite"):
        return ProcessClock(given or now)
    clock = DatabaseClock()
    await db.read(clock.now)
    return clock


async def _gateway(
    settings: Settings,
    db: Database,
    metrics: Metrics,
    stack: AsyncExitStack,
    hold: Hold,
    told: FollowedTopics,
    examples: FollowedExamples,
    fields: FieldSet,
) -> tuple[Gateway, Capacity]:
    shared = settings, db, metrics, hold, examples.clock
    gateway = await GatewayFactory(*shared, told.told, stack, examples.told, fields).open()
    return gateway, await _capacity(settings, db, metrics, gateway, examples.clock)


async def _prepared(
    settings: Settings, metrics: Metrics, stack: AsyncExitStack, start: Start, fields: FieldSet
) -> tuple[Database, ProcessClock, FollowedTopics]:
    db = await _opened(settings, metrics, stack, start)
    clock = await _shared_clock(settings, db, start.clock)
    await _recover(settings, db, clock)
    await db.write_at_start(partial(metadata.declare, keys=settings.metadata_keys))
    for asker in ("conversations", "summaries"):
        await db.write_at_start(partial(field_filing.declare_fields, fields=fields.of(asker), at=clock()))
    await db.write_at_start(partial(declare_side, wanted=settings.chatwoot_account is not None, now=clock()))
    return db, clock, await followed(db, topics.load(settings.topics_file), clock)


def _accounting(
    metrics: Metrics,
    capacity: Capacity,
    waiters: Waiters,
    summary_waiters: Waiters,
    live: LiveSummaries,
    notifications: Notifications,
) -> Accounting:
    def ended(given: Iterable[str]) -> None:
        ids = list(given)
        capacity.count_ended(ids)
        waiters.notify(ids)
        notifications.notify_others(Channel.CONVERSATIONS, ids)

    def summarised(given: Iterable[str]) -> None:
        ids = list(given)
        summaries_ended(summary_waiters, live, ids)
        notifications.notify_others(Channel.CONVERSATIONS, ids)

    return Accounting(metrics, ended=ended, summarised=summarised)


async def _recover(settings: Settings, db: Database, clock: Clock) -> None:
    """Release what a previous run held. Not on PostgreSQL, where they may belong to live processes."""
    if settings.url.drivername.startswith("sqlite"):
        for queue in (analysis, summary_queue, erasures, long_jobs, deliveries, reanalyses, batches):
            await db.write(partial(queue.recover, now=clock()))


async def _capacity(
    settings: Settings, db: Database, metrics: Metrics, gateway: Gateway, clock: Clock
) -> Capacity:
    max_bytes, under = settings.max_storage_gb * GIGABYTE, disk.under(settings.url)
    capacity = Capacity(db, metrics, gateway.hold, clock, max_bytes, under, lambda: gateway.budget)
    await capacity.count()
    return capacity


async def _access(
    settings: Settings, db: Database, clock: Clock, stack: AsyncExitStack, metrics: Metrics
) -> AccessControl:
    http = await stack.enter_async_context(provider_client()) if settings.providers else None
    access = access_control(db, clock, settings, http)
    access.audit.failed = metrics.audit_failures.inc
    await note_changes(db, access.audit, settings.secrets, values_by_name(settings))
    if settings.auth_required:
        await access.directory.refresh()
    return access


def _live(
    settings: Settings, db: Database, clock: Clock, notifications: Notifications
) -> tuple[Hub, LiveSummaries]:
    """The hub of live chats, and the summaries that are written once such a chat is quiet."""
    quiet = Debounce(max(settings.chat_quiet_seconds, MIN_QUIET), MAX_WAIT, time.monotonic)
    changed = partial(_changed, notifications)
    listened = partial(_listened, notifications)
    read = partial(live_messages_after, db)
    hub = Hub(read, on_growth=quiet.touch, on_change=changed, on_listen=listened)
    shared = SharedDrafts(db, notifications)
    return hub, LiveSummaries(db, hub, quiet, clock, view=ended_view, shared=shared)


def _changed(notifications: Notifications, chat: str) -> None:
    notifications.notify_others(Channel.CONVERSATIONS, [chat])


def _listened(notifications: Notifications, chat: str) -> None:
    notifications.notify_others(Channel.LISTENERS, [chat])
