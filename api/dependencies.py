"""What the process owns. The lifespan builds one and hands it to every request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypedDict, cast

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from batch_processor import BatchProcessor
from core.clock import Clock
from core.metrics import Metrics
from core.settings import Settings
from core.supervision import Supervised
from core.waiters import Waiters
from database import Database
from llm.gateway import Gateway
from rate_limiter import InboundLimiter
from services.capacity import Capacity
from services.chats import Chats
from services.intake import Intake
from services.live import Hub
from worker.summaries.processor import SummaryProcessor


@dataclass(frozen=True)
class Resources:
    """Everything that is opened at start and closed at the end."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    database: Database
    intake: Intake
    chats: Chats
    hub: Hub
    limiter: InboundLimiter
    waiters: Waiters
    summarised: Waiters
    """Who waits for which conversation's summary."""
    capacity: Capacity
    gateway: Gateway
    processor: BatchProcessor
    summariser: SummaryProcessor
    workers: Sequence[Supervised]
    """The two processors' loops."""
    started_at: int


class LifespanState(TypedDict):
    """What the lifespan yields; requests see it as `request.state`."""

    resources: Resources


def of(connection: HTTPConnection) -> Resources:
    """The process's resources, for a request or a socket."""
    return cast(Resources, connection.state.resources)


async def _owned(request: Request) -> Resources:
    # FastAPI sends every dependency that is no coroutine to a thread and back: 0.3 ms of CPU.
    return of(request)


Owned = Annotated[Resources, Depends(_owned)]
