"""Where the threads of a process run, as the system tells."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
from sqlalchemy import create_engine
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Process, address, client
from benchmarks.support.waiting import eventually
from core import cpus
from domain.topics import BUILT_IN
from llm.offline.analyzer import OfflineAnalyzer
from store.engine.readers import ThreadReaders

EVERYWHERE = os.sched_getaffinity(0)


async def test_the_event_loop_shares_a_cpu_with_the_writer_of_sqlite_alone(
    database_url: URL, tmp_path: Path
) -> None:
    with Process(tmp_path, DATABASE_URL=address(database_url)) as service:
        # The writer and a reader have been at work.
        async with client(service.url) as http:
            assert (await http.post(POSTS, json={"text": "Hi"})).status_code == 202
            assert (await http.get("/api/v1/insights/recent")).status_code == 200
        pid = service.process.pid
        places = {each.id: os.sched_getaffinity(each.id) for each in psutil.Process(pid).threads()}
        (child,) = await eventually(psutil.Process(pid).children)

        await eventually(lambda: os.sched_getaffinity(child.pid) == EVERYWHERE)
        others = [place for thread, place in places.items() if thread != pid]
        if database_url.drivername.startswith("sqlite"):
            assert len(places[pid]) == 1
            assert places[pid] in others
            assert EVERYWHERE in others
        else:
            assert all(place == EVERYWHERE for place in places.values())


@contextmanager
def on_one_cpu() -> Iterator[None]:
    """Where the event loop is by the time of the block."""
    os.sched_setaffinity(0, {min(EVERYWHERE)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, EVERYWHERE)


async def test_a_reader_runs_wherever_it_might_have_run_at_first() -> None:
    readers = ThreadReaders(create_engine("sqlite://"), 1, patience=5)
    with closing(readers), on_one_cpu():
        assert await readers.read(lambda _: os.sched_getaffinity(0)) == EVERYWHERE


async def test_an_analyzing_child_that_is_started_again_does_too() -> None:
    async with OfflineAnalyzer(BUILT_IN) as analyzer:
        first = analyzer.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: analyzer.pid is None)
        with on_one_cpu():
            await analyzer.analyse(["Hi"], nothing)

        assert analyzer.pid not in (None, first)
        assert os.sched_getaffinity(analyzer.pid or 0) == EVERYWHERE


async def nothing() -> None:
    """Nobody has to be asked before."""


def test_a_process_that_is_gone_stays_where_it_was() -> None:
    cpus.spread(EVERYWHERE, thread=2**22 + 1)  # no system counts as far

    assert os.sched_getaffinity(0) == cpus.allowed() == EVERYWHERE
