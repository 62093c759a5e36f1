"""The lifespan that owns every resource: opens all at startup and closes them in reverse order."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.dependencies import LifespanState, Resources, Start
from api.wiring import build
from core.database_url import place
from core.errors import CannotStart
from core.metrics import Metrics
from core.settings import Settings, exposed_secrets, ignored_names
from core.start_faults import start_complaint
from rate_limiter import InboundLimiter

log = structlog.get_logger()


@asynccontextmanager
async def lifespan(
    settings: Settings, metrics: Metrics, limiter: InboundLimiter, start: Start
) -> AsyncIterator[LifespanState]:
    """Open every resource for the block, and close them in reverse order. Raises CannotStart."""
    async with AsyncExitStack() as stack:
        try:
            resources = await build(settings, metrics, limiter, start, stack)
        except (CannotStart, SQLAlchemyError, OSError, ValueError) as error:
            complaint = start_complaint(error, settings)
            sys.stderr.write(f"cannot start: {complaint}\n")
            raise CannotStart(complaint) from error
        _announce(settings, resources)
        yield {"resources": resources}


def _announce(settings: Settings, resources: Resources) -> None:
    for ignored, winner in ignored_names():
        log.warning("setting_ignored", name=ignored, because=f"{winner} is set")
    for name in exposed_secrets():
        log.warning("secret_file_is_exposed", name=name, meaning="others than its owner may read it")
    if not resources.gateway.budget:
        why = "GROK_MODE asks for it" if settings.grok_api_key else "no GROK_API_KEY"
        log.warning("offline_analyzer", because=why, meaning="insights say analyzer: offline")
    database, analyzer = settings.url.get_backend_name(), resources.gateway.analyzer.name
    log.info("started", database=database, **place(settings.url), analyzer=analyzer)
