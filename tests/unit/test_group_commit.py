"""Many callers, one commit: each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.waiting import eventually
from core.errors import Overloaded
from services.group_commit import GroupCommit


class Commits:
    """Commits that end when they are let, and are answered with the double of each item."""

    def __init__(self, *, open_: bool = True) -> None:
        self.groups: list[list[int]] = []
        self.gateway = asyncio.Event()
        if open_:
            self.gateway.set()

    async def __call__(self, group: Sequence[int]) -> Sequence[int]:
        self.groups.append([*group])
        await self.gateway.wait()
        if any(item < 0 for item in group):
            raise ValueError("a negative item")
        return [2 * item for item in group]


class Callers:
    """Each call is a caller, who has `arrived` when he waits."""

    def __init__(self, taker: GroupCommit[int, int]) -> None:
        self.arrived: list[int] = []
        self._taker = taker

    def __call__(self, *items: int) -> list[asyncio.Task[int]]:
        return [asyncio.create_task(self._submit(item)) for item in items]

    async def _submit(self, item: int) -> int:
        self.arrived.append(item)
        return await self._taker.submit(item)


@asynccontextmanager
async def running(commits: Commits, *, group: int = 10, waiting: int = 1_000) -> AsyncIterator[Callers]:
    taker = GroupCommit(commits, group=group, waiting=waiting)
    run = asyncio.create_task(taker.run())
    yield Callers(taker)
    run.cancel()
    await asyncio.wait([run])


@given(items=st.lists(st.integers(0, 1_000), max_size=60), most=st.integers(1, 20))
async def test_everyone_gets_his_own_answer_in_groups_of_bounded_size(items: list[int], most: int) -> None:
    commits = Commits()
    async with running(commits, group=most) as callers:
        answers = await asyncio.gather(*callers(*items))

    assert answers == [2 * item for item in items]
    assert [item for group in commits.groups for item in group] == items
    assert all(1 <= len(group) <= most for group in commits.groups)


async def test_what_arrives_during_a_commit_makes_up_the_next() -> None:
    commits = Commits(open_=False)
    async with running(commits) as callers:
        first = callers(1)
        await eventually(lambda: commits.groups)
        others = callers(2, 3, 4)
        await eventually(lambda: callers.arrived == [1, 2, 3, 4])
        commits.gateway.set()

        assert await asyncio.gather(*first, *others) == [2, 4, 6, 8]

    assert commits.groups == [[1], [2, 3, 4]]


async def test_an_error_reaches_exactly_its_group() -> None:
    commits = Commits(open_=False)
    async with running(commits) as callers:
        [before] = callers(1)
        await eventually(lambda: commits.groups)
        together = callers(2, -3, 4)
        await eventually(lambda: len(callers.arrived) == 4)
        commits.gateway.set()
        outcomes = await asyncio.gather(*together, return_exceptions=True)
        [after] = callers(5)

        assert [type(outcome) for outcome in outcomes] == [ValueError] * 3
        assert (await before, await after) == (2, 10)


async def test_a_caller_who_leaves_disturbs_nobody() -> None:
    commits = Commits(open_=False)
    async with running(commits) as callers:
        [during] = callers(1)
        await eventually(lambda: commits.groups)
        before, stays = callers(2, 3)
        await eventually(lambda: len(callers.arrived) == 3)
        for leaver in (during, before):
            leaver.cancel()
        commits.gateway.set()
        [after] = callers(4)

        assert (await stays, await after) == (6, 8)

    assert during.cancelled()
    assert before.cancelled()


async def test_more_callers_than_may_wait_are_refused() -> None:
    commits = Commits(open_=False)
    async with running(commits, group=2, waiting=3) as callers:
        first = callers(0)
        await eventually(lambda: commits.groups)
        waiting = callers(1, 2, 3)
        [refused] = callers(4)
        with pytest.raises(Overloaded):
            await refused
        commits.gateway.set()

        assert await asyncio.gather(*first, *waiting) == [0, 2, 4, 6]
        assert await asyncio.gather(*callers(5)) == [10]


async def test_a_commit_that_answers_too_few_is_an_error_and_not_a_silence() -> None:
    async def forgetful(group: Sequence[int]) -> Sequence[int]:
        return group[:1]

    taker: GroupCommit[int, int] = GroupCommit(forgetful, group=10, waiting=10)
    waiting = Callers(taker)(1, 2)
    run = asyncio.create_task(taker.run())

    first, second = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)

    assert first == 1
    assert isinstance(second, ValueError)
    assert not run.done()
    run.cancel()


async def test_who_waits_for_a_commit_that_is_cancelled_is_told() -> None:
    commits = Commits(open_=False)
    async with running(commits) as callers:
        [caller] = callers(1)
        await eventually(lambda: commits.groups)

    await asyncio.wait([caller], timeout=5)

    assert caller.cancelled()
