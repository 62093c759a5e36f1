"""The process that groups conversations: what it tells, and that nothing of it hangs, stays behind or is inherited."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from benchmarks.support.waiting import eventually
from domain.analysis import ProviderFault
from domain.packed_numbers import unpacked
from llm.discovery.grouper import FoundGroup, Remembered, Row, grouper
from tests.support.subjects import SUBJECTS, wordings

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("numpy", "scipy", "wordllama", "graspologic_native", "sklearn")


def rows(count: int, seed: int = 1, first: int = 1) -> list[Row]:
    texts = [text for subject in SUBJECTS for text in wordings(subject, count, seed)]
    return [(first + place, first + place, True, "en", text, (3,)) for place, text in enumerate(texts)]


async def run(drawn: list[Row], others: list[Row], former: list[Remembered]) -> list[FoundGroup]:
    async with grouper() as child:
        await child.begin(former, seed=1, min_people=5)
        await child.add(drawn)
        await child.fit()
        await child.add(others)
        groups, end = await child.told()
    assert end.cpu_seconds > 0
    assert end.rss_bytes > 2**20
    return groups


async def test_a_run_tells_groups_and_the_next_one_knows_them() -> None:
    first = await run(rows(20), rows(2, seed=2, first=1001), [])
    former = [Remembered(f"g{place}", "en", each.members, each.centroid) for place, each in enumerate(first)]
    second = await run(rows(20), [], former)

    assert sum(each.size for each in first) == len(rows(22))
    assert all(unpacked(each.members) == sorted(unpacked(each.members)) for each in first)
    assert [each.former for each in second] == [each.id for each in former]
    assert any("password" in each.words for each in first)


async def test_no_text_is_no_group() -> None:
    assert await run([], [], []) == []


async def test_a_child_that_dies_is_a_fault_of_the_provider() -> None:
    async with grouper() as child:
        await child.begin([], seed=1, min_people=5)
        os.kill(child.pid, signal.SIGKILL)

        with pytest.raises(ProviderFault, match="has died"):
            await child.fit()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_child_that_is_found_dead_is_one_too(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """On both event loops: uvloop knows another error for a pipe whose end it has seen."""

    async def work() -> None:
        async with grouper() as child:
            os.kill(child.pid, signal.SIGKILL)
            await eventually(lambda: not psutil.pid_exists(child.pid))
            with pytest.raises(ProviderFault, match="has died"):
                await child.begin([], seed=1, min_people=5)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work())


async def test_a_child_that_cannot_start_is_one_too() -> None:
    with pytest.raises(ProviderFault, match="cannot start: FileNotFoundError"):
        async with grouper(["/nowhere"]):
            pass


async def test_leaving_ends_the_child_in_the_middle_of_its_work() -> None:
    async with grouper() as child:
        await child.begin([], seed=1, min_people=5)
        await child.add(rows(30))

    assert not psutil.pid_exists(child.pid)


@pytest.mark.parametrize("steps", range(1, 6))
async def test_a_child_that_is_being_started_when_its_caller_is_cancelled_is_ended(steps: int) -> None:
    async def work() -> None:
        async with grouper():
            await asyncio.Event().wait()

    before = {each.pid for each in psutil.Process().children()}
    task = asyncio.create_task(work())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert {each.pid for each in psutil.Process().children()} <= before


async def test_the_child_waits_for_intake_and_inherits_no_secret() -> None:
    async with grouper() as child:
        await child.begin([], seed=1, min_people=5)
        process = psutil.Process(child.pid)
        await eventually(lambda: process.nice() == 19)

        assert set(process.environ()) & {"PATH", "GROK_API_KEY", "DATABASE_URL"} == set()


def test_the_service_itself_loads_none_of_it() -> None:
    """90 MB for good, and a second of start, for what most services do once a day."""
    loaded = f"import sys, main, api.app; print([name for name in {HEAVY} if name in sys.modules])"

    output = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert output == "[]\n"
