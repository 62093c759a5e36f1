"""The process: settings in, a FastAPI application out, and the one lifespan that owns every resource.

`python main.py` serves; `uvicorn main:app` works as well.
"""

import logging
import os
import resource
import signal
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import FrameType

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
import times
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
from metrics import Metrics
from monitor import GIGABYTE, Monitor
from openapi import Documented, method_not_allowed
from providers import Gates, backoff
from rate_limiter import InboundLimiter
from resources import Resources, State
from retention import Retention
from routes import chats, conversations, insights, intake, operations, spending
from settings import Settings, complaint, ignored_names
from store import queue
from supervision import Supervised
from times import Clock

log = structlog.get_logger()

OFFLINE_BATCH = 50
"""A commit of 250 made a post beside it wait for 153 ms at the 99th percentile, one of 50 for 43."""
GRACE_FOR_REQUESTS, GRACE_FOR_CALLS = 2, 3.0
"""Seconds at SIGTERM; 2 more are for giving back what is not answered by then."""
LAST_MOMENT = 6.5
"""Seconds after SIGTERM: 8 are promised, a busy machine takes half a second to notice; `docker stop` kills at 10."""
BACKLOG = 4096
OPEN_FILES = 65_536
"""Each connection is one; systemd and shells start a process with 1,024 and allow it more."""
KEEP_ALIVE = 75
"""Seconds an idle connection is kept: a proxy keeps its own for 60, and must not post into a closed one."""
MISUSE = 2
Work = Callable[[], Awaitable[None]]


class CannotStart(Exception):
    """The reason, in one line for the operator."""


def create_app(settings: Settings, clock: Clock = times.now) -> FastAPI:
    """The application; `clock` gives UTC microseconds. It holds no resource before its lifespan starts."""
    metrics = Metrics()
    app = Documented(
        title="Insights Platform",
        version="0.1.0",
        description="Takes in support conversations, has Grok analyse them, serves what it found.",
        lifespan=lambda _: lifespan(settings, metrics, clock),
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    errors.install(app)
    app.add_exception_handler(405, method_not_allowed)
    limiter = InboundLimiter(settings.inbound_rps, settings.rate_limit, settings.rate_window)
    middleware.install(app, metrics, limiter)
    # Intake's first, because a request tries route after route, and not by include_router, which matches each
    # twice: together 4 % of a post's CPU.
    ours = (intake, conversations, chats, insights, spending, operations)
    app.router.routes[:0] = [route for each in ours for route in each.router.routes]
    return app


@asynccontextmanager
async def lifespan(settings: Settings, metrics: Metrics, clock: Clock) -> AsyncIterator[State]:
    """Build every resource, and take them down in reverse. Raises CannotStart."""
    async with AsyncExitStack() as stack:
        try:
            resources = await _build(settings, metrics, clock, stack)
        except (AlreadyInUse, UnknownSchema, SQLAlchemyError, OSError, ValueError, ProviderFault) as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            log.error("cannot_start", reason=reason, database=settings.url.render_as_string())
            raise CannotStart(reason) from error
        _announce(settings, resources)
        yield {"resources": resources}


async def _build(settings: Settings, metrics: Metrics, clock: Clock, stack: AsyncExitStack) -> Resources:
    db = await stack.enter_async_context(database.opened(settings.url, metrics.db_commit.observe))
    if settings.url.drivername.startswith("sqlite"):
        await db.write(partial(queue.recover, now=clock()))
    brake = Brake(clock)
    gate = await Gates(settings, db, metrics, brake, clock, stack).open()
    endings = Endings()
    max_bytes = settings.max_storage_gb * GIGABYTE
    monitor = Monitor(db, metrics, brake, clock, max_bytes, disk.under(settings.url))
    await monitor.count()
    processor = _processor(settings, db, gate, metrics, endings, monitor)
    stack.push_async_callback(processor.finish, GRACE_FOR_CALLS)
    worker = Supervised("batch_processor", processor.run, clock)
    taker = Intake(db, clock, processor.wake, monitor.ensure_writable)
    talk = Chats(db, clock, settings.chat_quiet_seconds, processor.wake, monitor.ensure_writable)
    others = _others(settings, db, monitor, taker, talk, gate)
    for each in (worker, *(Supervised(name, run, clock) for name, run in others)):
        await stack.enter_async_context(each.started())
    return Resources(
        settings=settings,
        clock=clock,
        metrics=metrics,
        database=db,
        intake=taker,
        chats=talk,
        endings=endings,
        monitor=monitor,
        gate=gate,
        processor=processor,
        worker=worker,
        started_at=clock(),
    )


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
        clock=monitor.clock,
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


class Server(uvicorn.Server):
    """Ends in time, whatever holds it up: what was accepted is on disk, and what is held falls due by itself."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        # A database that somebody locks keeps its thread busy for as long as the lock is waited for.
        watchdog = threading.Timer(LAST_MOMENT, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()
        super().handle_exit(sig, frame)


def main() -> int:
    """Serve until SIGTERM or SIGINT. 0, or 2 where it could not start."""
    settings = settings_or_exit()
    logs.configure(settings.log_level)
    _allow_open_files()
    server = Server(server_config(settings))
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


def server_config(settings: Settings) -> uvicorn.Config:
    """The application, and how it is served."""
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=GRACE_FOR_REQUESTS,
        timeout_keep_alive=KEEP_ALIVE,
        server_header=False,
    )


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))


def _leave(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    raise SystemExit(main())
