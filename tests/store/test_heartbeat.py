"""Processes on one database: who is alive, and who does what only one of them may do."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from benchmarks.support.waiting import eventually
from core.clock import SECOND
from core.role_settings import ProcessRole
from database import Database
from services.heartbeat import ALIVE_SECONDS, Duty, Heartbeat
from store.queue.clock import ProcessClock
from tests.support.insight_data import NOON

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Moved(ProcessClock):
    """A clock that the test moves."""

    def __init__(self) -> None:
        super().__init__(lambda: self.at)
        self.at = NOON


@pytest.fixture
def clock() -> Moved:
    return Moved()


def process(db: Database, clock: ProcessClock, name: str, role: str = "worker") -> Heartbeat:
    return Heartbeat(db, clock, name, ProcessRole(role), "host", ["indexing"], lambda: {"is": name})


async def test_a_process_hears_of_the_others_until_they_end_or_fall_silent(
    db: Database, clock: Moved
) -> None:
    one, two, api = process(db, clock, "one"), process(db, clock, "two"), process(db, clock, "three", "api")
    for each in (one, two, api, one):
        await each.beat()

    assert [each.id for each in one.others] == ["three", "two"]
    assert [each.state for each in one.workers] == [{"is": "two"}]

    await two.leave()
    clock.at += round(ALIVE_SECONDS * SECOND)
    await one.beat()
    assert [each.id for each in one.others] == ["three"]
    clock.at += 1
    await one.beat()
    assert one.others == []


async def test_a_duty_is_one_processs_at_a_time_and_anothers_when_that_is_silent(
    db: Database, clock: Moved
) -> None:
    one, two = process(db, clock, "one"), process(db, clock, "two")
    await one.beat()
    await two.beat()
    assert ([*one.held], [*two.held]) == (["indexing"], [])

    clock.at += round(ALIVE_SECONDS * SECOND)
    await two.beat()
    await one.beat()
    assert ([*one.held], [*two.held]) == ([], ["indexing"])

    await two.leave()
    await one.beat()
    assert [*one.held] == ["indexing"]


async def test_the_work_of_a_duty_runs_while_it_is_held_and_its_death_is_seen(db: Database) -> None:
    heartbeat = process(db, ProcessClock(), "one")
    heartbeat.sleep = lambda _: asyncio.sleep(0)
    begun: list[asyncio.Event] = []

    async def work() -> None:
        begun.append(asyncio.Event())
        await begun[-1].wait()
        raise DBAPIError("work", None, Exception("dead"))

    running = asyncio.create_task(Duty("indexing", work, heartbeat, every=0.01).run())
    await asyncio.sleep(0.05)
    assert begun == []

    heartbeat.held = {"indexing"}
    await eventually(lambda: len(begun) == 1)
    heartbeat.held = ()
    await asyncio.sleep(0.05)
    heartbeat.held = {"indexing"}
    await eventually(lambda: len(begun) == 2)
    begun[-1].set()

    with pytest.raises(DBAPIError):
        await running
