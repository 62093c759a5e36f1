"""Several pieces of work at once: so many, in order, and none begun after a failure."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.summaries.gathering import gathered


class Wrong(Exception):
    """What goes wrong."""


async def told(items: Iterable[int]) -> AsyncGenerator[int, None]:
    for item in items:
        yield item


class Work:
    """Doubles numbers, a turn of the loop for each; fails at some."""

    def __init__(self, *wrong: int, turns: int = 3) -> None:
        self.wrong = wrong
        self.turns = turns
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.most = 0

    async def __call__(self, item: int) -> int:
        self.begun.append(item)
        self.most = max(self.most, len(self.begun) - len(self.ended))
        try:
            for _ in range(1 if item in self.wrong else self.turns):
                await asyncio.sleep(0)
            if item in self.wrong:
                raise Wrong(item)
            return 2 * item
        finally:
            self.ended.append(item)


@given(st.integers(0, 20), st.integers(1, 5))
def test_results_come_in_order_and_never_more_than_so_many_are_under_way(count: int, at_once: int) -> None:
    work = Work()

    assert asyncio.run(gathered(told(range(count)), work, at_once=at_once)) == [2 * at for at in range(count)]
    assert work.most <= at_once
    assert count < at_once or work.most == at_once


async def test_after_a_failure_none_is_begun_and_what_is_under_way_comes_to_its_end() -> None:
    work = Work(1, 3, turns=5)

    with pytest.raises(Wrong) as caught:
        await gathered(told(range(100)), work, at_once=4)
    assert caught.value.args == (1,)
    assert sorted(work.ended) == sorted(work.begun)
    assert len(work.begun) <= 4


async def test_where_the_items_themselves_fail_what_is_under_way_comes_to_its_end() -> None:
    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        raise Wrong

    work = Work()

    with pytest.raises(Wrong):
        await gathered(broken(), work, at_once=4)
    assert sorted(work.ended) == [1, 2]


async def test_who_is_cancelled_leaves_nothing_running() -> None:
    work = Work(turns=10**9)
    task = asyncio.create_task(gathered(told(range(100)), work, at_once=3))
    while len(work.begun) < 3:
        await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(work.ended) == [0, 1, 2]
