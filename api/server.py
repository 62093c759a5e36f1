"""How the application is served: sockets, connections, the garbage collector, and an end in time."""

import gc
import logging
import os
import resource
import secrets
import socket
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

import uvicorn

from api.app import create_app
from core import cpus
from core.errors import CannotStart
from core.settings import Settings
from store.engine.writers import SingleWriter

GRACE_FOR_REQUESTS = 2
"""Seconds at SIGTERM; with the others' in `api/lifespan.py` under the 8 that are promised."""
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
        if owned is not None and allowed and isinstance(owned.database.writers, SingleWriter):
            await owned.database.writers.share_cpu(secrets.choice(allowed))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        # A database that somebody locks keeps its thread busy for as long as the lock is waited for.
        watchdog = threading.Timer(LAST_MOMENT, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()
        super().handle_exit(sig, frame)


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


def allow_open_files() -> None:
    """Raise the limit of open files as far as the system allows, up to OPEN_FILES."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
