"""Background work is started again when it dies, and says that it did."""

import asyncio
from collections.abc import Awaitable, Callable

from benchmarks.support.waiting import eventually
from core.clock import SECOND
from core.supervision import FIRST_WAIT, HEALTHY_AFTER, MAX_WAIT, Supervised
from tests.support.fake_time import FakeTime


class Mortal:
    """Work that lives for so many seconds and then does what it is told."""

    def __init__(self, time: FakeTime, lives: float = 0.0, end: Exception | None = None) -> None:
        self.time = time
        self.lives = lives
        self.end = end
        self.born: list[float] = []

    async def __call__(self) -> None:
        self.born.append(self.time())
        if self.lives:
            await self.time.sleep(self.lives)
        if self.end is not None:
            raise self.end

    @property
    def waits(self) -> list[float]:
        """Seconds from each death to the next birth."""
        return [after - before - self.lives for before, after in zip(self.born, self.born[1:], strict=False)]


def supervised(time: FakeTime, work: Callable[[], Awaitable[None]]) -> Supervised:
    return Supervised("work", work, lambda: round(time() * SECOND), sleep=time.sleep)


async def test_work_runs_inside_the_block_and_is_cancelled_at_its_end() -> None:
    ends: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    task = supervised(FakeTime(), work)
    async with task.started():
        await eventually(lambda: task.running)
        assert not ends

    assert ends == ["cancelled"]
    assert (task.running, task.restarts, task.last_death) == (False, 0, None)


async def test_a_death_is_counted_and_named_and_the_work_starts_again() -> None:
    time = FakeTime()
    work = Mortal(time, end=LookupError("somewhere"))
    task = supervised(time, work)
    deaths: list[str] = []
    task.died = deaths.append
    async with task.started():
        await time.run(0)

        assert (task.running, task.restarts, task.last_death) == (False, 1, "LookupError")
        assert deaths == ["work"]
        work.end, work.lives = None, 1_000
        await time.run(FIRST_WAIT)
        assert task.running
        assert len(work.born) == 2
        assert task.started_at == round(work.born[1] * SECOND)


async def test_work_that_simply_ends_is_dead_too() -> None:
    time = FakeTime()
    task = supervised(time, Mortal(time))
    async with task.started():
        await time.run(0)

        assert (task.running, task.restarts, task.last_death) == (False, 1, "ended")


async def test_of_a_group_of_tasks_the_cause_is_named() -> None:
    time = FakeTime()
    nested = ExceptionGroup("tasks", [ExceptionGroup("more", [KeyError("x"), ValueError("y")])])
    task = supervised(time, Mortal(time, end=nested))
    async with task.started():
        await time.run(0)

        assert task.last_death == "KeyError"


async def test_the_wait_doubles_with_each_death_in_a_row() -> None:
    time = FakeTime()
    work = Mortal(time, end=OSError())
    task = supervised(time, work)
    async with task.started():
        await time.run(150)

    assert [round(wait, 6) for wait in work.waits] == [
        0.5,
        1,
        2,
        4,
        8,
        16,
        MAX_WAIT,
        MAX_WAIT,
        MAX_WAIT,
    ]
    assert task.restarts == len(work.born)


async def test_after_a_long_life_a_death_is_the_first_again() -> None:
    time = FakeTime()
    work = Mortal(time, end=OSError())
    task = supervised(time, work)
    async with task.started():
        await time.run(4)
        work.lives = HEALTHY_AFTER + 1
        await time.run(200)

    assert [round(wait, 6) for wait in work.waits[-2:]] == [FIRST_WAIT, FIRST_WAIT]
