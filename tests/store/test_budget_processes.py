"""The daily budget under several processes at once, whose calls end in every way that there is."""

import asyncio
import sys
from functools import partial

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import ROOT, address
from database import Database
from llm.prices import TICKS_PER_USD
from store.money import spending
from tests.support.service import rows

BUDGET = TICKS_PER_USD // 2
PROCESSES, CALLS = 4, 60
DAYS = "SELECT spent, reserved FROM spending"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_four_processes_never_overrun_the_budget_and_use_it_up(database_url: URL) -> None:
    given = map(str, (address(database_url), BUDGET, CALLS, PROCESSES))
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.money", *given, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    ended = asyncio.create_task(started.communicate())
    seen = []
    while not ended.done():
        seen += [(row.spent, row.reserved) for row in await rows(database_url, DAYS)]
        await asyncio.sleep(0.05)
    said, _ = await ended
    ((spent, reserved),) = [(row.spent, row.reserved) for row in await rows(database_url, DAYS)]
    billed = [int(line) for line in said.decode().splitlines() if line.isdecimal()]

    assert all(0 <= at_once[0] + at_once[1] <= BUDGET for at_once in seen)
    assert sum(billed) <= spent + reserved <= BUDGET
    # It was what stopped them.
    assert spent + reserved > 0.8 * BUDGET
    assert len(billed) < PROCESSES * CALLS
    # What the calls may have cost that died with their process; a late one finds that nothing is left to book.
    assert reserved > 0 or b"died" not in said


async def test_all_who_make_the_first_calls_of_a_day_find_its_budget(db: Database) -> None:
    for day in range(20_000, 20_010):
        reserve = partial(spending.reserve, day=day, ticks=1, budget=8)
        assert all(await asyncio.gather(*(db.write(reserve) for _ in range(8))))
        assert not await db.write(reserve)
