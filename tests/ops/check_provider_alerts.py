"""The provider refuses, fails, limits, dawdles and answers badly: what fires, and what ends when it is well again."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.support.databases import sqlite
from core.clock import SECOND, now
from tests.ops.prometheus import Monitor
from tests.ops.watched import under_posts, watched
from tests.support.service import Grok, running
from tests.support.summary_service import a_chat, summarize

HOUR = 3_600 * SECOND


async def test_an_outage_stops_calls_and_what_waits_for_them_piles_up(
    monitor: Monitor, grok: Grok, tmp_path: Path
) -> None:
    grok.misbehave("status", status=503)
    async with watched(monitor, "outage", running(sqlite(tmp_path), grok)) as service:
        async with under_posts(service):
            for number in range(25):
                await summarize(service, await a_chat(service, f"chat-{number}"), wait=0)
            await monitor.fires("outage", "ProviderDown", "CallsFail", "QueueGrows", "SummariesWait")
            await service.rows("UPDATE conversations SET received_at = :before", before=now() - HOUR)
            await monitor.fires("outage", "QueueWaits")
        grok.faults.clear()
        await monitor.stops("outage", "ProviderDown", "QueueWaits", "SummariesWait")


@pytest.mark.parametrize("status", [401, 402, 404])
async def test_a_refused_key_no_credit_and_an_unknown_model(
    monitor: Monitor, grok: Grok, tmp_path: Path, status: int
) -> None:
    grok.misbehave("status", status=status)
    name = f"refused-{status}"
    async with watched(monitor, name, running(sqlite(tmp_path), grok)) as service:
        await service.post("Where is my parcel? It was due on Monday")
        await monitor.fires(name, "ProviderRefusesCalls")


async def test_a_provider_that_limits_calls(monitor: Monitor, grok: Grok, tmp_path: Path) -> None:
    grok.misbehave("status", status=429, probability=0.5)
    one_each = running(sqlite(tmp_path), grok, max_batch=1, start_batch=1)
    async with watched(monitor, "limited", one_each) as service, under_posts(service):
        await monitor.fires("limited", "ProviderRateLimits")


async def test_a_provider_that_takes_its_time(monitor: Monitor, grok: Grok, tmp_path: Path) -> None:
    grok.latency = 16
    async with watched(monitor, "slow-calls", running(sqlite(tmp_path), grok)) as service:
        await service.post("Where is my parcel? It was due on Monday")
        await monitor.fires("slow-calls", "CallsSlow")


SPOILED: list[tuple[str, dict[str, Any], str]] = [
    ("missing", {"marker": "Nobody"}, "ConversationsFail"),
    ("without_field", {"text": "outcome"}, "SummariesFail"),
    ("false_quotes", {}, "QuotesInvented"),
]


@pytest.mark.parametrize(("fault", "how", "alert"), SPOILED)
async def test_answers_that_cannot_be_used(
    monitor: Monitor, grok: Grok, tmp_path: Path, fault: str, how: dict[str, Any], alert: str
) -> None:
    grok.misbehave(fault, **how)
    name = fault.replace("_", "-")
    async with watched(monitor, name, running(sqlite(tmp_path), grok, max_retries=0)) as service:
        # A counter that was never scraped at 0 has not risen.
        await monitor.is_scraped(name)
        await service.post("Nobody answers my letters about the parcel")
        await summarize(service, await a_chat(service), wait=0)
        await monitor.fires(name, alert)
