"""The process: settings in, a FastAPI application out, served until it is told to stop.

`python main.py` serves; `uvicorn main:app` works as well.
"""

import gc

if __name__ == "__main__":
    # Until the server has started: what is loaded stays, and looking it through took 0.15 of 1.2 s.
    gc.disable()

import logging
import os
import resource
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

import cpus
import errors
import logs
import middleware
import times
from lifespan import CannotStart, lifespan
from metrics import Metrics
from openapi import Documented, method_not_allowed
from rate_limiter import InboundLimiter
from routes import chats, conversations, insights, intake, operations, sockets, spending, summaries
from settings import Settings, complaint
from times import Clock
from writers import OneWriter

GRACE_FOR_REQUESTS = 2
"""Seconds at SIGTERM; with the others' in `lifespan` under the 8 that are promised."""
LAST_MOMENT = 6.5
"""Seconds after SIGTERM: 8 are promised, a busy machine takes half a second to notice; `docker stop` kills at 10."""
BACKLOG = 4096
OPEN_FILES = 65_536
"""Each connection is one; systemd and shells start a process with 1,024 and allow it more."""
KEEP_ALIVE = 75
"""Seconds an idle connection is kept: a proxy keeps its own for 60, and must not post into a closed one."""
MAX_FRAME = 256 * 1024
"""Bytes of a socket's frame: the longest message, each character of it escaped, and its other fields."""
SOCKETS: Mapping[str, Any] = {
    "ws": "websockets-sansio",
    "ws_max_size": MAX_FRAME,
    "ws_per_message_deflate": False,
}
"""How the server treats sockets. Packed frames would cost each socket's memory 64 KB, and CPU for every listener."""
GARBAGE = (10_000, 20, 20)
"""Objects made before the young ones are looked through, and how often that is before older ones are."""
MISUSE = 2


def create_app(settings: Settings, clock: Clock = times.now) -> FastAPI:
    """The application; `clock` gives UTC microseconds. It holds no resource before its lifespan starts."""
    metrics = Metrics()
    limiter = InboundLimiter(settings.inbound_rps, settings.rate_limit, settings.rate_window)
    app = Documented(
        title="Insights Platform",
        version="0.1.0",
        description="Takes in support conversations, has Grok analyse them, serves what it found.",
        lifespan=lambda _: lifespan(settings, metrics, limiter, clock),
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    errors.install(app)
    app.add_exception_handler(405, method_not_allowed)
    middleware.install(app, metrics, limiter)
    # Those that have to be fast first, because a request tries route after route, and not by include_router, which
    # matches each twice: together 4 % of a post's CPU, and of twenty routes 0.1 ms.
    ours = (intake, insights, conversations, chats, summaries, spending, operations, sockets)
    app.router.routes[:0] = [route for each in ours for route in each.router.routes]
    return app


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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and let the garbage collector look only at what is made from now on.

        What is here now, modules above all, lives as long as the process. Looking through it made a page of a
        thousand insights take 196 ms at the 99th percentile instead of 106. With young objects looked through less
        often as well, posts came in at 0.53 of a bare endpoint's pace instead of 0.41, their p99 at 2 of its
        instead of 4.5.
        """
        await super().startup(sockets)
        await self._share_a_cpu()
        # What is garbage already stays: 0.15 MB, and looking for it took a tenth of the time to start.
        gc.freeze()
        gc.enable()
        gc.set_threshold(*GARBAGE)

    async def _share_a_cpu(self) -> None:
        """Keep the event loop on one CPU with the writer of SQLite; on PostgreSQL there is none."""
        owned = self.lifespan.state.get("resources")
        allowed = sorted(cpus.allowed())
        if owned is not None and allowed and isinstance(owned.database.writers, OneWriter):
            await owned.database.writers.share(secrets.choice(allowed))

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
        **SOCKETS,
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
