"""The server: sockets, connections, the garbage collector, and shutdown within its deadline."""

import errno
import gc
import ipaddress
import logging
import os
import resource
import secrets
import signal
import socket
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

import structlog
import uvicorn

from api.app import create_app
from api.http_protocol import HttpProtocol
from api.leaving import Leaving
from api.socket_protocol import SocketProtocol
from core import cpus
from core.errors import CannotStart
from core.role_settings import ProcessRole
from core.settings import Settings
from store.engine.writers import SingleWriter

log = structlog.get_logger()

GRACE_FOR_REQUESTS = 2
"""Seconds at SIGTERM; with GRACE_FOR_CALLS of `api/processors.py` below the promised 8."""
SHUTDOWN_DEADLINE = 6.5
"""Seconds after SIGTERM: 8 are promised, a busy machine takes half a second to notice; `docker stop` kills at 10."""
LEAVE_SECONDS = 2.0
"""How long a process with ROLE=api goes on answering after SIGTERM, until balancers have heard of it.

The others have calls to finish in that time, and mostly nobody to take their place.
"""
BACKLOG = 4096
OPEN_FILES = 65_536
"""Each connection takes one; systemd and shells start a process with 1,024 and let it raise that."""
KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: a proxy keeps its own for 60 and must not post into a closed one."""
MAX_FRAME = 256 * 1024
"""Bytes of a socket frame: the longest message with every character escaped, and its other fields."""
PROTOCOLS: Mapping[str, Any] = {
    "http": HttpProtocol,
    "ws": SocketProtocol,
    "ws_max_size": MAX_FRAME,
    "ws_per_message_deflate": False,
}
"""Options of uvicorn. Compression would cost 64 KB of memory a socket, and CPU for every listener."""
GC_THRESHOLDS = (10_000, 20, 20)
"""Allocations before a young collection, and collections of one generation before the next older one."""


OPEN = "AUTH_REQUIRED is not set: whoever reaches this address can read and change everything"


class OneLine(logging.Filter):
    """Reduces a refused start to the one line that says why: the server would repeat it, with a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record."""
        message = record.getMessage()
        return CannotStart.__name__ not in message and not message.startswith("Application startup failed")


class Server(uvicorn.Server):
    """A server that shuts down by its deadline, whatever blocks it: accepted data is on disk, leases expire."""

    reason = "asked to"
    """Why it stops: the name of the signal."""

    def __init__(self, config: uvicorn.Config, *, auth_required: bool = False) -> None:
        super().__init__(config)
        self._auth_required = auth_required

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and exempt all present objects from garbage collection.

        They, modules above all, live as long as the process. Scanning them made a page of a thousand insights
        take 196 ms at the 99th percentile instead of 106. Fewer young collections as well raised the rate of
        posts from 0.41 to 0.53 of a bare endpoint's, and lowered their p99 from 4.5 to 2 times its p99.
        """
        await super().startup(sockets)
        self._announce()
        await self._share_a_cpu()
        # No collection before: present garbage is 0.15 MB, and collecting it took a tenth of the startup time.
        gc.freeze()
        gc.enable()
        gc.set_threshold(*GC_THRESHOLDS)

    def _announce(self) -> None:
        """One line with the address to open, and one if anybody else can open it too."""
        bound = [sock.getsockname() for server in self.servers for sock in server.sockets]
        for host, port, *_ in bound[:1]:
            url = address(host, port)
            log.info("listening", address=url, docs=f"{url}/docs")
        exposed = (
            []
            if self._auth_required
            else [host for host, *_ in bound if not ipaddress.ip_address(host.partition("%")[0]).is_loopback]
        )
        if exposed:
            log.warning("open_to_the_network", host=exposed[0], meaning=OPEN)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down. Whoever waits for a result gets the present state, long before the grace period ends."""
        log.info("stopping", reason=self.reason)
        if (resources := self.lifespan.state.get("resources")) is not None:
            resources.waiters.release()
            resources.summary_waiters.release()
        await super().shutdown(sockets)
        if not self.force_exit:  # else resources were left open
            log.info("stopped", reason=self.reason)

    async def _share_a_cpu(self) -> None:
        """Pin the event loop and the writer thread of SQLite to one CPU. PostgreSQL has no such thread."""
        resources = self.lifespan.state.get("resources")
        allowed = sorted(cpus.allowed())
        if resources is not None and allowed and isinstance(resources.database.writers, SingleWriter):
            await resources.database.writers.share_cpu(secrets.choice(allowed))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the shutdown. It logs nothing itself: a signal may interrupt a line that is being written."""
        self.reason = signal.Signals(sig).name
        # A thread that waits for a locked database cannot be cancelled and would delay the exit.
        watchdog = threading.Timer(SHUTDOWN_DEADLINE, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()
        app = self.config.app
        if not isinstance(app, Leaving) or app.has_begun:
            super().handle_exit(sig, frame)
            return
        app.has_begun = True
        end = threading.Timer(LEAVE_SECONDS, super().handle_exit, (sig, frame))
        end.daemon = True
        end.start()


def server_config(settings: Settings, *, while_plain: bool = False) -> uvicorn.Config:
    """The configuration of uvicorn, with the application."""
    app = create_app(settings, while_plain=while_plain)
    return uvicorn.Config(
        Leaving(app) if settings.role is ProcessRole.API else app,
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
        **PROTOCOLS,
    )


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of `host`. Raises CannotStart, whose line names the setting that is wrong.

    Before anything else is opened, so that a start with a taken port opens nothing and says nothing else.
    Connections wait until the start is done.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise CannotStart(
            "HOST: is neither an address of this machine nor a name that leads to one"
        ) from None
    unique = dict.fromkeys((family, place) for family, _, _, _, place in found)
    try:
        return [_listening(family, place) for family, place in unique]
    except OSError as error:
        raise CannotStart(_why_not(error, port)) from None


def _listening(family: int, place: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(place)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _why_not(error: OSError, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"PORT: {port} is in use"
        case errno.EACCES:
            return f"PORT: {port} may not be used by this user; choose one above 1023"
        case errno.EADDRNOTAVAIL:
            return "HOST: is not an address of this machine"
    return f"HOST, PORT: {os.strerror(error.errno or 0)}"


def address(host: str, port: int) -> str:
    """The address to open in a browser on this machine."""
    parsed = ipaddress.ip_address(host.partition("%")[0])
    shown = "127.0.0.1" if parsed.is_unspecified else f"[{host}]" if parsed.version == 6 else host
    return f"http://{shown}:{port}"


def allow_open_files() -> None:
    """Raise the limit of open files as far as the system allows, at most to OPEN_FILES."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
