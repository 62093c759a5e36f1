"""Batches at the provider that it refuses, leaves unanswered, or answers too late: what fires, and what then."""

from pathlib import Path
from typing import Any

from benchmarks.support.databases import sqlite
from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from core.clock import SECOND, now
from tests.ops.prometheus import Monitor
from tests.ops.watched import LATE, watched
from tests.support.service import Grok, Service, running

TWO_HOURS = 7_200 * SECOND
HOURS = 0.02
"""Of a batch: 72 s, in the last 18 of which its deadline is near."""


async def post_what_can_wait(service: Service, number: int = 20) -> list[str]:
    said = [{"text": f"{LATE} ({at})"} for at in range(number)]
    answer = await service.http.post(f"{POSTS}/bulk", json=said, params={"freshness": "day"})
    ids: list[str] = answer.json()["conversation_ids"]
    return ids


async def test_a_provider_that_takes_no_batches(monitor: Monitor, grok: Grok, tmp_path: Path) -> None:
    grok.batches.misbehave("status", on="create", status=403)
    async with watched(monitor, "no-batches", running(sqlite(tmp_path), grok)) as service:
        ids = await post_what_can_wait(service)
        await monitor.fires("no-batches", "BatchesRefused")
        ended = await service.all_ended([*ids, *await post_what_can_wait(service, 1)])

    assert {each["status"] for each in ended} == {"completed"}
    assert grok.calls


async def test_a_batch_that_stands_still(monitor: Monitor, grok: Grok, tmp_path: Path) -> None:
    grok.batches.seconds = 1e9
    async with watched(monitor, "still", running(sqlite(tmp_path), grok)) as service:
        ids = await post_what_can_wait(service)
        await eventually(lambda: is_looked_at(service), 60)
        await service.rows("UPDATE provider_batches SET seen_at = :before", before=now() - TWO_HOURS)
        found = await monitor.fires("still", "BatchesStandStill")
        grok.batches.hurry()
        await monitor.stops("still", "BatchesStandStill")
        await service.all_ended(ids)

    assert "QueueWaits" not in found
    assert grok.calls == []


async def is_looked_at(service: Service) -> bool:
    found = await service.rows("SELECT count(*) AS n FROM provider_batches WHERE seen_at IS NOT NULL")
    return bool(found[0].n)


async def test_a_batch_that_is_not_answered_in_time(monitor: Monitor, grok: Grok, tmp_path: Path) -> None:
    grok.batches.misbehave("stuck")
    lane: dict[str, Any] = {"batch_lane_hours": HOURS}
    async with watched(monitor, "late", running(sqlite(tmp_path), grok, **lane)) as service:
        ids = await post_what_can_wait(service)
        await monitor.fires("late", "BatchesNearDeadline")
        await monitor.fires("late", "BatchesSpillOver")
        await monitor.stops("late", "BatchesNearDeadline")
        ended = await service.all_ended(ids)

    assert {each["status"] for each in ended} == {"completed"}


async def test_a_batch_that_the_provider_refuses_as_a_whole(
    monitor: Monitor, grok: Grok, tmp_path: Path
) -> None:
    grok.batches.misbehave("refused")
    async with watched(monitor, "whole", running(sqlite(tmp_path), grok)) as service:
        # A counter that was never scraped at 0 has not risen.
        await monitor.is_scraped("whole")
        await post_what_can_wait(service)
        await monitor.fires("whole", "BatchesSpillOver")
