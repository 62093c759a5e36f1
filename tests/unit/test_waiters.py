"""Waiting for a conversation to end."""

import asyncio
import time

from core.waiters import Waiters, wait_at_most

LONG = 30.0


async def test_who_listens_is_woken_when_it_ends() -> None:
    waiters = Waiters()
    async with waiters.listening("a") as ended:
        waiting = asyncio.create_task(ended(LONG))
        await asyncio.sleep(0)
        waiters.notify(["b", "a"])

        await asyncio.wait_for(waiting, 5)


async def test_an_ending_between_listening_and_waiting_is_heard() -> None:
    waiters = Waiters()
    async with waiters.listening("a") as ended:
        waiters.notify(["a"])

        await asyncio.wait_for(ended(LONG), 5)
        await asyncio.wait_for(ended(LONG), 5)


async def test_several_listeners_are_woken_and_no_other() -> None:
    waiters = Waiters()
    async with (
        waiters.listening("a") as one,
        waiters.listening("a") as two,
        waiters.listening("b") as other,
    ):
        woken = [asyncio.create_task(wait(LONG)) for wait in (one, two)]
        sleeping = asyncio.create_task(other(LONG))
        waiters.notify(iter(["a"]))
        await asyncio.wait_for(asyncio.gather(*woken), 5)

        assert not sleeping.done()
        sleeping.cancel()


async def test_nobody_waits_longer_than_he_said() -> None:
    async with Waiters().listening("a") as ended:
        started = time.monotonic()
        await ended(0.05)
        await ended(0)
        await ended(-1)

        assert 0.05 <= time.monotonic() - started < 5


async def test_one_listener_who_leaves_does_not_take_the_others_along() -> None:
    waiters = Waiters()
    async with waiters.listening("a") as stays:
        async with waiters.listening("a"):
            pass
        waiters.notify(["a"])

        await asyncio.wait_for(stays(LONG), 5)


async def test_an_ending_of_long_ago_is_not_heard_by_a_new_listener() -> None:
    waiters = Waiters()
    waiters.notify(["a"])
    async with waiters.listening("a") as ended:
        waiting = asyncio.create_task(ended(LONG))
        await asyncio.sleep(0)

        assert not waiting.done()
        waiting.cancel()


async def test_a_wait_can_be_cancelled_like_any_other() -> None:
    waiting = asyncio.create_task(wait_at_most(asyncio.Event(), LONG))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting], timeout=5)

    assert waiting.cancelled()
