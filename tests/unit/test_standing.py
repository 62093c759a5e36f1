"""Long uses of a credential: looked at when anything changes, and twice a minute without a change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from core.errors import EndedCredential, NotWritable
from domain.roles import ANONYMOUS, Caller, Role
from services.access.standing import AT_LEAST_EVERY, Standing, Standings
from tests.support.virtual_time import run


class Use:
    """A use whose credential is good, has ended, or cannot be checked."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.caller = ANONYMOUS
        self.seen: list[Caller] = []
        self.ends = 0
        self.stuck = asyncio.Event()

    async def check(self) -> Caller:
        if self.fault is not None:
            raise self.fault
        return self.caller

    async def end(self) -> None:
        self.ends += 1
        await self.stuck.wait()

    @property
    def standing(self) -> Standing:
        return Standing(self.check, self.seen.append, self.end)


@asynccontextmanager
async def looking() -> AsyncIterator[Standings]:
    standings = Standings()
    task = asyncio.create_task(standings.run())
    try:
        yield standings
    finally:
        task.cancel()
        await asyncio.wait([task])


async def soon() -> None:
    await asyncio.sleep(0.01)


def test_each_is_looked_at_once_it_is_held() -> None:
    async def play() -> None:
        use = Use()
        async with looking() as standings:
            with standings.holding(use.standing):
                await soon()
                assert use.seen == [ANONYMOUS]
            standings.look()
            await soon()
            assert len(use.seen) == 1

    run(play())


def test_what_has_ended_is_ended_once_and_does_not_hold_up_the_others() -> None:
    async def play() -> None:
        ended, other = Use(), Use()
        async with looking() as standings:
            with standings.holding(ended.standing), standings.holding(other.standing):
                await soon()
                ended.fault = EndedCredential("over")
                other.caller = replace(ANONYMOUS, role=Role.VIEWER)
                for _ in range(3):
                    standings.look()
                    await soon()

                assert (ended.ends, other.ends) == (1, 0)
                assert other.seen[-1].role is Role.VIEWER

    run(play())


def test_time_ends_credentials_without_a_change() -> None:
    async def play() -> None:
        use = Use()
        async with looking() as standings:
            with standings.holding(use.standing):
                await soon()
                use.fault = EndedCredential("over")
                await asyncio.sleep(AT_LEAST_EVERY - 1)
                assert use.ends == 0
                await asyncio.sleep(2)
                assert use.ends == 1

    run(play())


def test_a_database_that_does_not_answer_ends_nothing() -> None:
    async def play() -> None:
        use = Use()
        use.fault = NotWritable("database_unavailable", "not now", 5)
        async with looking() as standings:
            with standings.holding(use.standing):
                await soon()
                assert use.ends == 0
                use.fault = None
                standings.look()
                await soon()
                assert use.seen == [ANONYMOUS]

    run(play())
