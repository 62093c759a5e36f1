"""The process: settings in, a FastAPI application out, and the one lifespan that owns every resource.

`python main.py` serves; `uvicorn main:app` works as well.
"""

import logging
import random
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

import database
import disk
import errors
import logs
import middleware
import prompts
import times
import topics
from analysis import Analyzer, ProviderFault
from batch_processor import BatchProcessor
from batching import BatchSize
from bookkeeping import Bookkeeping
from brake import Brake
from circuit_breaker import CircuitBreaker
from database import AlreadyInUse, Database, UnknownSchema
from decisions import Policy
from endings import Endings
from grok_client import GrokClient
from intake import Intake
from ledger import Ledger
from metrics import Metrics
from monitor import GIGABYTE, Monitor
from offline_analyzer import OfflineAnalyzer
from openapi import Documented, method_not_allowed
from outbound import Direct, Gate, Outbound
from prices import TICKS_PER_USD
from rate_limiter import InboundLimiter, Pacer
from resources import Resources, State
from retention import Retention
from routes import conversations, insights, intake, operations, spending
from settings import Settings, complaint, ignored_names
from store import queue
from supervision import Supervised

log = structlog.get_logger()

OFFLINE_BATCH = 50
"""A commit of 250 made a post beside it wait for 153 ms at the 99th percentile, one of 50 for 43."""
MAX_BACKOFF = 60.0
GRACE_FOR_REQUESTS, GRACE_FOR_CALLS = 2, 3.0
"""Seconds at SIGTERM: with the 2 of a busy database under the 8 that are promised; `docker stop` kills after 10."""
BACKLOG = 4096
MISUSE = 2
Work = Callable[[], Awaitable[None]]


class CannotStart(Exception):
    """The reason, in one line for the operator."""


def create_app(settings: Settings) -> FastAPI:
    """The application. It holds no resource before its lifespan starts."""
    metrics = Metrics()
    app = Documented(
        title="Insights Platform",
        version="0.1.0",
        description="Takes in support conversations, has Grok analyse them, serves what it found.",
        lifespan=lambda _: lifespan(settings, metrics),
    )
    errors.install(app)
    app.add_exception_handler(405, method_not_allowed)
    limiter = InboundLimiter(settings.inbound_rps, settings.rate_limit, settings.rate_window)
    middleware.install(app, metrics, limiter)
    for routes in (intake, conversations, insights, spending, operations):
        app.include_router(routes.router)
    return app


@asynccontextmanager
async def lifespan(settings: Settings, metrics: Metrics) -> AsyncIterator[State]:
    """Build every resource, and take them down in reverse. Raises CannotStart."""
    async with AsyncExitStack() as stack:
        try:
            resources = await _build(settings, metrics, stack)
        except (AlreadyInUse, UnknownSchema, SQLAlchemyError, OSError, ValueError, ProviderFault) as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            log.error("cannot_start", reason=reason, database=settings.url.render_as_string())
            raise CannotStart(reason) from error
        _announce(settings, resources)
        yield {"resources": resources}


async def _build(settings: Settings, metrics: Metrics, stack: AsyncExitStack) -> Resources:
    db = await stack.enter_async_context(database.opened(settings.url, metrics.db_commit.observe))
    if settings.url.drivername.startswith("sqlite"):
        await db.write(partial(queue.recover, now=times.now()))
    brake = Brake(times.now)
    gate = await _gate(settings, db, metrics, brake, stack)
    endings = Endings()
    max_bytes = settings.max_storage_gb * GIGABYTE
    monitor = Monitor(db, metrics, brake, times.now, max_bytes, disk.under(settings.url))
    await monitor.count()
    processor = _processor(settings, db, gate, metrics, endings, monitor)
    stack.push_async_callback(processor.finish, GRACE_FOR_CALLS)
    worker = Supervised("batch_processor", processor.run, times.now)
    taker = Intake(db, times.now, processor.wake, monitor.ensure_writable)
    others = _others(settings, db, monitor, taker)
    for each in (worker, *(Supervised(name, run, times.now) for name, run in others)):
        await stack.enter_async_context(each.started())
    return Resources(
        settings=settings,
        clock=times.now,
        metrics=metrics,
        database=db,
        intake=taker,
        endings=endings,
        monitor=monitor,
        gate=gate,
        processor=processor,
        worker=worker,
        started_at=times.now(),
    )


def _others(settings: Settings, db: Database, monitor: Monitor, taker: Intake) -> Iterator[tuple[str, Work]]:
    yield "monitor", monitor.run
    yield "group_commit", taker.group.run
    if settings.retention_days is not None:
        yield "retention", Retention(db, settings.retention_days, times.now).run


async def _gate(
    settings: Settings, db: Database, metrics: Metrics, brake: Brake, stack: AsyncExitStack
) -> Gate:
    taxonomy = topics.load(settings.topics_file)
    if settings.grok_api_key is None or settings.offline:
        return Direct(await stack.enter_async_context(OfflineAnalyzer(taxonomy)), brake)
    client = GrokClient(
        base_url=str(settings.grok_base_url),
        api_key=settings.grok_api_key,
        model=settings.grok_model,
        topics=taxonomy,
        reasoning_effort=settings.grok_reasoning_effort,
        timeout=settings.grok_timeout_seconds,
        max_in_flight=settings.max_in_flight,
    )
    await stack.enter_async_context(client)
    breaker = CircuitBreaker(settings.error_threshold, settings.cooldown_seconds)
    pacer = Pacer(settings.outbound_rps)
    return Outbound(client, pacer, breaker, brake, _ledger(settings, client), db, metrics, backoff(settings))


def _ledger(settings: Settings, analyzer: Analyzer) -> Ledger:
    budget = settings.daily_budget_usd
    thinks = prompts.reasons(settings.grok_model, settings.grok_reasoning_effort)
    if budget is not None and thinks and not settings.max_reasoning_tokens:
        raise ValueError(
            f"DAILY_BUDGET_USD with {settings.grok_model}, which reasons, needs MAX_REASONING_TOKENS"
        )
    return Ledger(
        analyzer,
        times.now,
        budget=None if budget is None else int(budget * TICKS_PER_USD),
        cost_per_1k=settings.grok_cost_per_1k,
        reasoning_tokens=settings.max_reasoning_tokens,
    )


def backoff(
    settings: Settings, uniform: Callable[[float, float], float] = random.uniform
) -> Callable[[int], float]:
    """Seconds to wait after n faults in a row: BACKOFF_SECONDS x 2^n with full jitter, at most 60."""
    # 2 to the 40th is over any bound, and keeps the power of a long outage a number.
    return lambda faults: uniform(0, min(MAX_BACKOFF, settings.backoff_seconds * 2 ** min(faults, 40)))


def _processor(
    settings: Settings, db: Database, gate: Gate, metrics: Metrics, endings: Endings, monitor: Monitor
) -> BatchProcessor:
    def ended(ids: Iterable[str]) -> None:
        told = list(ids)
        monitor.count_ended(len(told))
        endings.tell(told)

    size = BatchSize(settings.min_batch, settings.max_batch, settings.start_batch)
    policy = Policy(
        max_retries=settings.max_retries,
        max_in_flight=settings.max_in_flight,
        call_timeout=settings.grok_timeout_seconds,
        flush_after=settings.batch_flush_seconds if gate.ledger else 0,
        suspects=max(1, settings.error_threshold - 1),
        backoff=backoff(settings),
        # It saves calls, and offline there are none.
        prefilter=settings.prefilter == "on" and gate.ledger is not None,
    )
    books = Bookkeeping(metrics, ended=ended)
    return BatchProcessor(
        db,
        gate,
        size if gate.ledger else BatchSize.fixed(OFFLINE_BATCH),
        policy,
        books,
        clock=times.now,
        token=lambda: uuid.uuid4().hex,
    )


def _announce(settings: Settings, resources: Resources) -> None:
    for ignored, winner in ignored_names():
        log.warning("setting_ignored", name=ignored, because=f"{winner} is set")
    if not resources.gate.ledger:
        why = "GROK_MODE asks for it" if settings.grok_api_key else "no GROK_API_KEY"
        log.warning("offline_analyzer", because=why, meaning="insights say analyzer: offline")
    log.info("started", database=settings.url.get_backend_name(), analyzer=resources.gate.analyzer.name)


def __getattr__(name: str) -> FastAPI:
    """`app`, made when a server asks for it, so that importing this module needs no configuration."""
    if name != "app":
        raise AttributeError(name)
    settings = settings_or_exit()
    logs.configure(settings.log_level)
    return create_app(settings)


def settings_or_exit() -> Settings:
    """The settings; a bad one is one line that names it, and exit code 2."""
    try:
        return Settings()
    except ValidationError as error:
        sys.stderr.write(f"cannot start: {complaint(error)}\n")
        raise SystemExit(MISUSE) from None


class OneLine(logging.Filter):
    """Keeps a refused start at the one line that said why: the server would repeat it, with a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record."""
        said = record.getMessage()
        return CannotStart.__name__ not in said and not said.startswith("Application startup failed")


def main() -> int:
    """Serve until SIGTERM or SIGINT. 0, or 2 where it could not start."""
    settings = settings_or_exit()
    logs.configure(settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=GRACE_FOR_REQUESTS,
        server_header=False,
    )
    server = uvicorn.Server(config)
    logging.getLogger("uvicorn.error").addFilter(OneLine())
    for each in (signal.SIGINT, signal.SIGTERM):
        # The server ends in good order and then raises the signal again for whoever was there before it.
        signal.signal(each, _leave)
    try:
        server.run()
    except SystemExit:
        if server.started:
            raise
    return 0 if server.started else MISUSE


def _leave(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    raise SystemExit(main())
