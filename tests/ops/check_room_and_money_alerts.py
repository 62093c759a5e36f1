"""A disk that fills up, a budget that is spent, an operator who pauses, a queue that is full."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy.engine import make_url

from benchmarks.support.databases import sqlite
from benchmarks.support.waiting import eventually
from tests.ops.prometheus import Monitor
from tests.ops.watched import LATE, watched
from tests.support.service import Grok, running
from tests.support.small_disk import SmallDisk, small_disk


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with TemporaryDirectory(prefix="insights-disk-") as name, small_disk(Path(name) / "disk", 40) as mounted:
        yield mounted


async def test_a_disk_that_fills_up(monitor: Monitor, grok: Grok, disk: SmallDisk) -> None:
    """First nearly, then to the last byte with answers on their way."""
    url = make_url(f"sqlite+aiosqlite:///{disk.folder / 'insights.db'}")
    async with watched(monitor, "disk", running(url, grok)) as service:
        room = await service.metrics()
        nearly_all = room["storage_free_bytes"] - room["storage_used_bytes"] / 20
        disk.take(leave=disk.free - round(nearly_all))
        await monitor.fires("disk", "StorageNearlyFull")
        disk.give_back()
        await monitor.stops("disk", "StorageNearlyFull")
        grok.latency = 1
        ids = await service.post_all(f"{LATE} ({number})" for number in range(30))
        await eventually(lambda: grok.calls)
        disk.take()
        await monitor.fires("disk", "StorageFull", "ResultsWait")
        disk.give_back()
        await service.all_ended(ids)
        await monitor.stops("disk", "StorageFull", "ResultsWait", "StorageNearlyFull")


async def test_a_budget_that_is_nearly_spent_and_one_that_is(
    monitor: Monitor, grok: Grok, tmp_path: Path
) -> None:
    async with watched(monitor, "budget", running(sqlite(tmp_path), grok, daily_budget_usd=0.1)) as service:
        while (await service.metrics())["budget_spent_usd"] < 0.085:
            # One call at a time: five small ones at once would reserve more than is left, and wait until tomorrow.
            (text,) = varied(1)
            await service.ended(await service.post(text))
        await monitor.fires("budget", "BudgetNearlySpent")
        await service.post_all(varied(500))
        await monitor.fires("budget", "BudgetSpent")


def varied(number: int) -> list[str]:
    """Texts that nobody has been asked about."""
    return [f"{LATE} ({uuid.uuid4().hex})" for _ in range(number)]


async def test_an_operator_who_pauses_while_posts_come_in(
    monitor: Monitor, grok: Grok, tmp_path: Path
) -> None:
    async with watched(monitor, "paused", running(sqlite(tmp_path), grok, max_queue_depth=10)) as service:
        await service.http.post("/api/v1/analysis/pause")
        for number in range(9):
            await service.post(f"{LATE} ({number})")
        found = await monitor.fires("paused", "AnalysisPaused", "QueueNearlyFull")
        await service.http.post("/api/v1/analysis/resume")
        await monitor.stops("paused", "AnalysisPaused", "QueueNearlyFull")

    assert "QueueWaits" not in found
