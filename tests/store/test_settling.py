"""What every call has in common, at its end and at the service's."""

import asyncio

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from core import clock
from core.tasks import Once, TaskSet, grace_period, uninterrupted
from database import Database
from llm.hold import Hold
from worker.settlement import Quarantine, persist


def test_once_calls_what_it_was_given_the_first_time_only() -> None:
    calls: list[str] = []
    once = Once(lambda: calls.append("left"))
    assert not once.done

    once()
    once()

    assert calls == ["left"]
    assert once.done


def test_so_many_suspects_are_tried_at_once_and_others_do_not_count() -> None:
    quarantine = Quarantine(2)
    for suspect in (True, False, True):
        assert not quarantine.are_full
        quarantine.begin(suspect)
    assert quarantine.are_full

    quarantine.end(False)
    assert quarantine.are_full
    quarantine.end(True)
    assert not quarantine.are_full


class Busy:
    """A write that fails so many times before it succeeds, and notes what held analysis each time."""

    def __init__(self, times: int, error: Exception, hold: Hold) -> None:
        self.times = times
        self.error = error
        self.hold = hold
        self.held: list[str | None] = []

    def __call__(self, _: Connection) -> str:
        self.held.append(self.hold.reason)
        if len(self.held) <= self.times:
            raise self.error
        return "stored"


async def test_what_is_paid_for_is_tried_until_it_is_stored_and_holds_analysis_meanwhile(
    db: Database,
) -> None:
    hold = Hold(clock.now)
    write = Busy(2, ConnectionError("busy"), hold)

    assert await persist(db, hold, write) == "stored"
    assert write.held == [None, "results are waiting to be stored", "results wait to be stored"]
    assert hold.reason is None


async def test_what_is_no_fault_of_the_databases_is_not_tried_again(db: Database) -> None:
    write = Busy(1_000, IntegrityError("write", None, Exception("twice")), Hold(clock.now))

    with pytest.raises(IntegrityError):
        await persist(db, write.hold, write)
    assert len(write.held) == 1


async def test_who_is_cancelled_waits_for_the_end_of_what_must_be_stored() -> None:
    may_end, ended = asyncio.Event(), []

    async def storing() -> None:
        await may_end.wait()
        ended.append(True)

    task = asyncio.create_task(uninterrupted(storing()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_work_under_way_is_waited_for_and_then_cancelled() -> None:
    under_way, ends = TaskSet(), []

    async def work(name: str, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            ends.append(f"{name} ended")
        except asyncio.CancelledError:
            ends.append(f"{name} was cancelled")
            raise

    under_way.start(work("short", 0.01))
    under_way.start(work("long", 3_600))
    await under_way.cancel_after(0.3)
    await under_way.ended()

    assert ends == ["short ended", "long was cancelled"]
    await under_way.cancel_after(0)
    await under_way.ended()


async def test_a_goodbye_that_takes_too_long_is_broken_off() -> None:
    async with asyncio.timeout(30):
        async with grace_period():
            await asyncio.sleep(3_600)
