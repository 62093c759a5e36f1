"""One outbound cap for all processes on a PostgreSQL server, measured where the calls arrive."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

import database
from benchmarks.support.arrivals import busiest_second, share_of
from benchmarks.support.process import ROOT, address
from benchmarks.support.waiting import eventually
from core.priority import SUMMARIES
from database import Database
from llm.pacer import SharedPacer
from tests.support.log_lines import captured
from tests.support.pacing import FREEZE, Arrival, arrived, listening, pacing
from tests.support.relay import hanging
from tests.support.service import rows

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

RATE = 20.0


@contextmanager
def callers(
    url: URL, port: int, seconds: float, processes: int, *how: str
) -> Iterator[subprocess.Popen[bytes]]:
    """So many processes that make as many calls as they may, for so many seconds."""
    given = map(str, (address(url), port, RATE, seconds, processes, *how))
    command = [sys.executable, "-m", "tests.support.pacing", *given]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL) as started:
        try:
            yield started
        finally:
            if started.poll() is None:
                signal_all(started, signal.SIGKILL)


def signal_all(started: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """To the process and its forks."""
    os.killpg(started.pid, number)


def test_no_second_holds_more_calls_than_the_cap_from_all_processes(database_url: URL) -> None:
    with listening() as grok, callers(database_url, grok.getsockname()[1], 3, 4) as started:
        assert started.wait(60) == 0
        calls = arrived(grok)

    times = [call.at for call in calls]
    assert busiest_second(times) <= RATE
    assert {*Counter(call.process for call in calls)} == {0, 1, 2, 3}
    # 0.97 on an idle machine. Here it only has to show that they do not wait for each other in vain.
    assert share_of(times, RATE) > 0.3


async def test_a_process_that_freezes_with_a_call_that_has_not_left_stops_the_others_for_seconds_at_most(
    database_url: URL,
) -> None:
    calls: list[Arrival] = []

    def frozen_first() -> bool:
        calls.extend(arrived(grok))
        return len(calls) >= 2 * RATE

    with listening() as grok, callers(database_url, grok.getsockname()[1], 60, 1, FREEZE) as started:
        async with database.opened(database_url) as db, pacing(db, RATE) as pacer:
            await eventually(partial(is_locked, db))
            began = time.monotonic()
            departed = await pacer.slot()
            waited = time.monotonic() - began
            assert departed is not None
            departed()
            signal_all(started, signal.SIGCONT)
            await eventually(frozen_first)

    assert waited < 6
    # The call that was frozen leaves when its process wakes up; it is the only one that nobody has counted.
    assert busiest_second([call.at for call in calls]) <= RATE + 1


async def is_locked(db: Database) -> bool:
    """Whether somebody has the row of the departures."""
    free = text("SELECT count(*) FROM (SELECT FROM departures FOR UPDATE SKIP LOCKED) AS free")
    known = text("SELECT count(*) FROM departures")
    counts = await db.write(lambda connection: (connection.scalar(free), connection.scalar(known)))
    return counts == (0, 1)


async def test_a_summary_goes_ahead_of_the_batches_of_its_process(database_url: URL) -> None:
    left: list[str] = []

    async def call(name: str, slot: Awaitable[Callable[[], None] | None]) -> None:
        departed = await slot
        left.append(name)
        assert departed is not None
        departed()

    async with database.opened(database_url) as db, pacing(db, RATE) as pacer, asyncio.TaskGroup() as calls:
        for number in range(3):
            calls.create_task(call(f"batch {number}", pacer.slot()))
        await eventually(lambda: left)
        calls.create_task(call("summary", pacer.slot(lane=SUMMARIES)))

    assert left.index("summary") <= 2


async def test_without_the_database_no_call_leaves_and_then_it_goes_on(database_url: URL) -> None:
    server = database_url.set(database="postgres")
    async with database.opened(database_url) as db, pacing(db, RATE) as pacer:
        await leave(pacer)
        with captured("INFO") as lines:
            await away(server, database_url, True)
            assert await pacer.slot() is None
            assert "does not say whose turn it is" in pacer.withheld
            await away(server, database_url, False)
            await eventually(partial(leave, pacer))

    assert {line["event"] for line in lines.events()} == {"no_turn"}


async def test_a_connection_that_hangs_withholds_the_call_and_the_next_one_has_another(
    database_url: URL,
) -> None:
    async with (
        hanging(database_url) as relay,
        database.opened(relay.url) as db,
        pacing(db, RATE, turn_seconds=0.5) as pacer,
    ):
        await eventually(partial(leave, pacer))
        relay.hang()
        with captured("INFO"):
            assert await pacer.slot() is None
        assert pacer.withheld.endswith("no answer within 0.5 s")
        relay.go_on()
        departed = await eventually(pacer.slot)
        relay.hang()
        with captured("INFO") as lines:
            departed()
            await eventually(lambda: "no_turn" in str(lines))
        relay.go_on()
        assert await eventually(partial(leave, pacer))


async def test_a_pause_is_not_waited_out_with_the_row(database_url: URL) -> None:
    async with database.opened(database_url) as db, pacing(db, RATE) as pacer, pacing(db, RATE) as other:
        pacer.pause.extend(60)
        waiting = asyncio.create_task(pacer.slot())
        for _ in range(3):
            await leave(other)
        waiting.cancel()
        await asyncio.wait([waiting])

        assert await pacer.slot(patience=1) is None


async def leave(pacer: SharedPacer) -> bool:
    """Whether a call has left."""
    if (departed := await pacer.slot()) is not None:
        departed()
    return departed is not None


async def away(server: URL, url: URL, is_away: bool) -> None:
    """Take the database away from everybody, or bring it back."""
    await rows(server, f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS {str(not is_away).lower()}")
    if is_away:
        await rows(
            server,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :of",
            of=url.database,
        )
