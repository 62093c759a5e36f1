"""The processors, one for each queue, that turn what is queued into results."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from api.lane import OpenLane, open_lane
from batch_processor import BatchProcessor
from core.changes import Changing
from core.clock import Clock
from core.priority import PartOfTurns, PrioritySemaphore
from core.settings import Settings
from core.supervision import Supervised
from database import Database
from llm.gateway import Gateway
from llm.provider import backoff
from services.capacity import Capacity
from services.live_summaries import LiveSummaries
from services.redaction import Redaction
from services.webhooks.chatwoot import ChatwootSide, Receivers
from services.webhooks.sending import Resolver, Sending
from store.queue.clock import ProcessClock
from worker.accounting import Accounting
from worker.jobs.acceptance import FILING
from worker.jobs.bulk_summaries import BulkSummaries
from worker.jobs.deciding import Deciding
from worker.jobs.discovery import Discovery
from worker.jobs.naming import Naming
from worker.jobs.paid_calls import PaidCalls
from worker.jobs.processor import JobProcessor
from worker.jobs.reanalysis import ReanalysisJobs
from worker.jobs.running import LongJobKind
from worker.jobs.topics import TopicJobs
from worker.lane.gate import LaneGate, lane_times
from worker.lane.processor import LaneProcessor
from worker.lane.tools import LaneTools
from worker.lane.waiting import WaitingConversations
from worker.outcomes import Policy
from worker.packing import BatchSize
from worker.reanalysis.source import ReanalysedConversations
from worker.settlement import Quarantine
from worker.summaries.calls import SummaryCalls
from worker.summaries.processor import SummaryProcessor
from worker.webhooks.processor import DeliveryProcessor

OFFLINE_BATCH = 50
"""A commit of 250 delayed concurrent posts by 153 ms at the 99th percentile, one of 50 by 43."""
OFFLINE_GAP = 0.1
"""Seconds between two batches that are analysed offline again: they share the CPU with everything else."""
GRACE_FOR_CALLS = 3.0
"""Seconds that calls in flight get at SIGTERM; a busy database may take 2 more."""


class Processors(NamedTuple):
    """One for each queue."""

    batches: BatchProcessor
    summaries: SummaryProcessor
    jobs: JobProcessor
    deliveries: DeliveryProcessor
    reanalyses: BatchProcessor
    waiting: BatchProcessor
    lane: LaneProcessor


async def processors_of(
    settings: Settings,
    db: Database,
    gateway: Gateway,
    accounting: Accounting,
    live: LiveSummaries,
    clock: ProcessClock,
    redaction: Redaction,
    stack: AsyncExitStack,
    capacity: Capacity,
) -> Processors:
    """One processor per queue. All use one gateway and share its limit of calls in flight; `stack` closes them."""
    policy = _policy(settings, gateway, redaction)
    size = BatchSize(settings.min_batch, settings.max_batch, settings.start_batch)
    in_flight = PrioritySemaphore(settings.max_in_flight)
    quarantine = Quarantine(max(1, settings.error_threshold - 1))
    now_sent = size if gateway.budget else BatchSize.fixed(OFFLINE_BATCH)
    shared = db, gateway, now_sent, policy, accounting, in_flight, quarantine
    batches = BatchProcessor(*shared, clock=clock, token=_token)
    calls = SummaryCalls(db, gateway, policy, accounting, in_flight, clock, live.draft_listener)
    paid = PaidCalls(db, gateway, accounting, in_flight)
    sending, lane = _receivers(settings, clock), await open_lane(settings, db, gateway, clock, stack)
    tools = _lane_tools(settings, db, clock, policy, accounting, lane)
    if tools is not None and settings.role.works:
        await tools.hold_on()
    return Processors(
        batches,
        SummaryProcessor(calls, quarantine, token=_token),
        _job_processor(clock, settings.min_people, policy, paid),
        DeliveryProcessor(db, clock, sending, _token, accounting.delivery_tried),
        *_behind_all(
            settings, db, gateway, policy, accounting, in_flight, quarantine, clock, lane.gate, capacity
        ),
        LaneProcessor(tools, lane.gate, _token),
    )


def _policy(settings: Settings, gateway: Gateway, redaction: Redaction) -> Policy:
    return Policy(
        max_retries=settings.max_retries,
        max_in_flight=settings.max_in_flight,
        batch_tokens=settings.max_batch_tokens,
        call_timeout=settings.grok_timeout_seconds,
        flush_after=settings.batch_flush_seconds if gateway.budget else 0,
        backoff=backoff(settings),
        # The prefilter saves calls, and the offline analyzer makes none.
        prefilter=settings.prefilter == "on" and gateway.budget is not None,
        shown=redaction.shown,
        lease_margin=settings.lease_margin_seconds,
    )


def _lane_tools(
    settings: Settings,
    db: Database,
    clock: ProcessClock,
    policy: Policy,
    accounting: Accounting,
    lane: OpenLane,
) -> LaneTools | None:
    if lane.client is None or lane.gateway is None or lane.analyzer is None:
        return None
    return LaneTools(
        db,
        clock,
        lane.gateway,
        lane.analyzer,
        lane.client,
        policy,
        accounting,
        lane.gate,
        lane_times(settings.batch_lane_hours),
        settings.max_batch,
    )


def _behind_all(
    settings: Settings,
    db: Database,
    gateway: Gateway,
    policy: Policy,
    accounting: Accounting,
    in_flight: PrioritySemaphore,
    quarantine: Quarantine,
    clock: ProcessClock,
    gate: LaneGate,
    capacity: Capacity,
) -> tuple[BatchProcessor, BatchProcessor]:
    """The processors of what is analysed again, and of what can wait.

    Half of the calls, in flight and a second, are left to what is fresh. All processes that analyse share the half a
    second; those in flight are limited in each process.
    """
    size = BatchSize(settings.min_batch, settings.max_batch, settings.start_batch)
    size = size if gateway.budget else BatchSize.fixed(OFFLINE_BATCH)
    gap = 2 / settings.outbound_rps if gateway.budget else OFFLINE_GAP
    part = PartOfTurns(in_flight, max(1, settings.max_in_flight // 2), gap, lambda: capacity.at_work())
    again = ReanalysedConversations(gateway, policy, clock, _token, wanted=gate.goes_live_again)
    waiting = WaitingConversations(gateway, policy, clock, _token, wanted=gate.goes_live)
    of_again = db, gateway, size, policy, accounting.of_reanalyses(), part, quarantine
    of_waiting = db, gateway, size, policy, accounting, part, quarantine
    return (
        BatchProcessor(*of_again, clock=clock, token=_token, source=again),
        BatchProcessor(*of_waiting, clock=clock, token=_token, source=waiting),
    )


def _receivers(settings: Settings, clock: Clock) -> Receivers:
    account = settings.chatwoot_account
    webhooks = Sending(clock, settings.webhook_allow_private, Resolver())
    return Receivers(webhooks, None if account is None else ChatwootSide(*account))


def _job_processor(clock: ProcessClock, min_people: int, policy: Policy, paid: PaidCalls) -> JobProcessor:
    """The processor of long jobs, which knows every kind."""
    kinds: Sequence[LongJobKind] = (
        Discovery(min_people, policy.shown, Naming(paid)).kind,
        FILING,
        BulkSummaries().kind,
        ReanalysisJobs().kind,
        *TopicJobs(Deciding(paid, policy.shown, policy.backoff)).kinds,
    )
    by_name = {kind.name: kind for kind in kinds}
    return JobProcessor(paid.database, clock, by_name, _token, paid.accounting.job_ended)


def _token() -> str:
    return uuid.uuid4().hex


def workers_of(
    processor: BatchProcessor,
    summariser: SummaryProcessor,
    clock: Clock,
    changing: Changing,
    died: Callable[[str], None],
) -> tuple[Supervised, Supervised]:
    """Both, each restarted when it dies, of which `died` is told with its name."""
    return (
        Supervised("batch_processor", processor.run, clock, changing=changing, died=died),
        Supervised("summary_processor", summariser.run, clock, changing=changing, died=died),
    )


async def finish_all(
    *processors: BatchProcessor | SummaryProcessor | JobProcessor | DeliveryProcessor | LaneProcessor,
) -> None:
    """Concurrently, so that each gets the whole grace period."""
    await asyncio.gather(*(processor.finish(GRACE_FOR_CALLS) for processor in processors))
