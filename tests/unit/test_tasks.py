"""Tasks and their ends: once, uninterrupted, waited for, broken off."""

import asyncio

import pytest

from core.tasks import Once, TaskSet, grace_period, uninterrupted
from tests.support.virtual_time import VirtualLoop


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualLoop}


def test_once_calls_what_it_was_given_the_first_time_only() -> None:
    calls: list[str] = []
    once = Once(lambda: calls.append("left"))
    assert not once.done

    once()
    once()

    assert calls == ["left"]
    assert once.done


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
