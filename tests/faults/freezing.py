"""A process that stops in the middle of what it does, and goes on later as if nothing had been."""

import asyncio
import signal
import time

from sqlalchemy.engine import URL

from benchmarks.support.process import Process
from tests.support.service import rows

CAUGHT = (
    "SELECT count(*) AS sessions FROM pg_stat_activity WHERE application_name = :name"
    " AND state = 'idle in transaction' AND backend_xid IS NOT NULL"
)
SETTLES = 0.05
"""Seconds in which the server ends the statement that it had been sent."""


async def freeze(process: Process) -> None:
    """Stop it, wherever it is."""
    process.process.send_signal(signal.SIGSTOP)


async def freeze_inside_a_transaction(process: Process, server: URL, name: str, seconds: float = 20) -> bool:
    """Stop it while it holds what it has written and not committed; False if it was not caught so in that time.

    `name` is the `application_name` in its address of the database. It is stopped in either case.
    """
    deadline = time.monotonic() + seconds
    while True:
        await freeze(process)
        await asyncio.sleep(SETTLES)
        [row] = await rows(server, CAUGHT, name=name)
        if row.sessions:
            return True
        if time.monotonic() > deadline:
            return False
        wake(process)
        await asyncio.sleep(0.02)


def wake(process: Process) -> None:
    """Let it go on."""
    process.process.send_signal(signal.SIGCONT)


def named(database: URL, name: str) -> URL:
    """The address by which a process is known to the server."""
    return database.update_query_dict({"application_name": name})
