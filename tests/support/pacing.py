"""Pacers in processes of their own, and what a server sees of their calls.

    python -m tests.support.pacing DATABASE_URL PORT RATE SECONDS PROCESSES [freeze]

starts so many processes that make calls as fast as all of them may: datagrams to a port of loopback, each with the
number of its process. With `freeze`, each process stops itself once, with a call that has its slot and has not left.
"""

import os
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import NamedTuple

from sqlalchemy.engine import URL, make_url

import database
from core.pause import Pause
from database import Database
from llm.pacer import TURN_SECONDS, SharedPacer
from store.queue import outbound
from tests.support.forked import in_processes

PROVIDER = "grok"
WITH_TIMES = getattr(socket, "SO_TIMESTAMPNS", 35)
FREEZE = "freeze"


class Arrival(NamedTuple):
    """One call as the kernel received it: when, in seconds, and of which process."""

    at: float
    process: int


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A socket that notes when datagrams come in, not when somebody gets to reading them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.setsockopt(socket.SOL_SOCKET, WITH_TIMES, 1)
        made.setblocking(False)
        yield made


def arrived(at: socket.socket) -> list[Arrival]:
    """What has come in since the last look."""
    found: list[Arrival] = []
    while True:
        try:
            said, extra, *_ = at.recvmsg(16, 64)
        except BlockingIOError:
            return found
        seconds, nanoseconds = struct.unpack("qq", extra[0][2])
        found.append(Arrival(seconds + nanoseconds / 1e9, int(said)))


@asynccontextmanager
async def pacing(db: Database, rate: float, turn_seconds: float = TURN_SECONDS) -> AsyncIterator[SharedPacer]:
    """The pacer of one process on the database."""
    assert db.turns is not None
    await db.write(partial(outbound.declare_provider, provider=PROVIDER))
    pause = Pause(time.time)
    pacer = SharedPacer(PROVIDER, rate, db.turns, pause, lambda _: None, turn_seconds=turn_seconds)
    yield pacer
    await pacer.close()


async def _call(url: URL, port: int, rate: float, seconds: float, number: int, *, freeze: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as grok:
        grok.connect(("127.0.0.1", port))
        async with database.opened(url) as db, pacing(db, rate) as pacer:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                if (departed := await pacer.slot()) is None:
                    continue
                if freeze:
                    os.kill(os.getpid(), signal.SIGSTOP)
                    freeze = False
                grok.send(str(number).encode())
                departed()


def main(url: str, port: str, rate: str, seconds: str, processes: str, *how: str) -> None:
    """Make the calls in so many processes."""
    given = make_url(url), int(port), float(rate), float(seconds)
    in_processes(int(processes), partial(_call, *given, freeze=FREEZE in how))


if __name__ == "__main__":
    main(*sys.argv[1:])
