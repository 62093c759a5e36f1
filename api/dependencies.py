"""The resources of the process, which the lifespan builds and every request receives."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, TypedDict, cast

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from api.parquet.files import ParquetFiles
from api.processors import Processors
from batch_processor import BatchProcessor
from core.clock import Clock
from core.metrics import Metrics
from core.settings import Settings
from core.waiters import Waiters
from database import Database
from domain.fields.fieldsets import FieldSet
from llm.gateway import Gateway
from rate_limiter import InboundLimiter
from services.access.control import AccessControl
from services.capacity import Capacity
from services.chats import Chats
from services.conditions import Conditions
from services.curation import Curation
from services.examples import FollowedExamples
from services.intake import Intake
from services.lane_monitor import LaneMonitor
from services.live import Hub
from services.notifications import Notifications
from services.offer import CurrentOffer
from services.people import People
from services.reanalyses import Reanalyses
from services.topics import FollowedTopics
from services.watcher import TICK
from services.webhooks.keeping import DeliveryFigures
from services.webhooks.registration import Webhooks
from services.workforce import Workforce
from store.insights.topic_days import TopicDays
from worker.jobs.processor import JobProcessor
from worker.summaries.processor import SummaryProcessor


@dataclass(frozen=True, slots=True)
class Start:
    """How this start of the process differs from others, beside its settings."""

    clock: Clock | None = None
    """UTC microseconds; by default the clock of the process, or of the PostgreSQL server if there is one."""
    while_plain: bool = False
    """Whether a database may be served with a key although what it holds is not encrypted yet."""
    tick: float = TICK
    """Seconds between two looks at what other processes did with that for which clients wait."""


@dataclass(frozen=True)
class Resources:
    """Everything that is opened at startup and closed at shutdown."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    database: Database
    fields: FieldSet
    """The operator's fields."""
    intake: Intake
    chats: Chats
    hub: Hub
    limiter: InboundLimiter
    waiters: Waiters
    summary_waiters: Waiters
    """Requests that wait for a summary, by conversation."""
    capacity: Capacity
    access: AccessControl
    people: People
    gateway: Gateway
    processors: Processors
    webhooks: Webhooks
    delivery_figures: DeliveryFigures
    workforce: Workforce
    conditions: Conditions
    started_at: int
    topics: FollowedTopics
    examples: FollowedExamples
    curation: Curation
    notifications: Notifications
    topic_days: TopicDays = field(default_factory=TopicDays)
    parquet: ParquetFiles = field(default_factory=ParquetFiles)
    offer: CurrentOffer = field(default_factory=CurrentOffer)

    @cached_property
    def lane(self) -> LaneMonitor:
        """What there is in the lane of batches at the provider."""
        return LaneMonitor(self.database, self.metrics, self.clock, self.processors.lane.gate)

    @property
    def processor(self) -> BatchProcessor:
        """Of conversations that are to be analysed."""
        return self.processors.batches

    @property
    def summariser(self) -> SummaryProcessor:
        """Of summaries."""
        return self.processors.summaries

    @property
    def reanalyses(self) -> Reanalyses:
        """Prices and begins re-analyses."""
        shown, rate = self.chats.redaction.shown, self.settings.outbound_rps
        calls_for = self.processors.reanalyses.calls_for
        waits = self.settings.can_wait_seconds, self.settings.batch_seconds
        return Reanalyses(self.database, self.clock, self.gateway, shown, rate, calls_for, *waits)

    @property
    def jobs(self) -> JobProcessor:
        """Of long jobs."""
        return self.processors.jobs


class LifespanState(TypedDict):
    """What the lifespan yields; `request.state` holds it."""

    resources: Resources


def resources_of(connection: HTTPConnection) -> Resources:
    """The resources, from a request or a socket."""
    return cast(Resources, connection.state.resources)


async def _resources(request: Request) -> Resources:
    # A coroutine, because FastAPI runs any other dependency in a thread: 0.3 ms of CPU.
    return resources_of(request)


ResourcesDep = Annotated[Resources, Depends(_resources)]
