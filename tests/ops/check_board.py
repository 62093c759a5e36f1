"""A healthy service under load: every query of the board returns data, and no alert fires."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count

import httpx
import pytest

from benchmarks.support.databases import sqlite
from benchmarks.support.process import POSTS
from deploy.grafana.board import FILE
from tests.ops.prometheus import Monitor
from tests.ops.watched import LATE, repeated, scraped
from tests.support.access import Closed, closed
from tests.support.service import faked
from tests.support.summary_service import a_chat, summarize

NAME = "healthy"
SECONDS = 100
"""Longer than any window, and than retention may take for a sweep."""
BUSY_MACHINE = {"PostsSlow", "ReadsSlow", "CommitsSlow", "ServiceDown"}
"""Their windows are ten seconds here, of which one slow sync of this machine's disk is a hundredth; and with five times
the work that the machine can do, two scrapes in a row took longer than the second that they have here."""
READS = ("/api/v1/insights/recent", "/api/v1/trends?days=1", "/chats", POSTS, "/api/v1/spending", "/nothing")
SETTINGS = {"daily_budget_usd": 50, "retention_days": 30, "redaction": "stored"}
QUERIES = [
    (panel["title"], target["expr"].replace("$__rate_interval", "10s").replace("$instance", NAME))
    for panel in json.loads(FILE.read_text())["panels"]
    for target in panel.get("targets", ())
]


@pytest.fixture(scope="module")
async def healthy(monitor: Monitor, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    """A closed service that has been used for a while."""
    folder = tmp_path_factory.mktemp(NAME)
    with faked() as grok:
        async with closed(sqlite(folder), grok, **SETTINGS) as service:
            monitor.give_key(service.keys["viewer"])
            numbers = count()
            with scraped(monitor, NAME, service.url):
                async with repeated(lambda: use(service, next(numbers)), every=0.3):
                    await asyncio.sleep(SECONDS)
                    yield


async def use(service: Closed, number: int) -> None:
    """What senders, analysts and a stranger do: new and known texts, a courtesy, what can wait, reads, a summary."""
    for said in (f"{LATE}, wrote nr{number}@example.com", LATE, "thanks"):
        await service.http.post(POSTS, json={"text": said})
    await service.http.get(READS[number % len(READS)])
    if number % 50 == 0:
        # Rarely: a batch waits a quarter of a minute for more, which in windows of seconds is a queue that grows.
        later = [{"text": f"{LATE} and can wait ({number})"}]
        await service.http.post(f"{POSTS}/bulk", json=later, params={"freshness": "day"})
    if number % 10 == 0:
        await summarize(service, await a_chat(service, f"chat-{number}"), wait=0)
        async with httpx.AsyncClient(base_url=service.url) as stranger:
            await stranger.get("/api/v1/trends")


async def test_every_query_of_the_board_returns_data(monitor: Monitor, healthy: None) -> None:
    answers = [(title, query, await monitor.query(query)) for title, query in QUERIES]

    assert len(answers) > 40
    assert [
        (title, query)
        for title, query, series in answers
        if all(each["value"][1] == "NaN" for each in series)
    ] == []


async def test_no_alert_fires_or_has_fired(monitor: Monitor, healthy: None) -> None:
    ever = await monitor.query(f'max_over_time(ALERTS{{alertstate="firing", instance="{NAME}"}}[1h])')

    assert {each["metric"]["alertname"] for each in ever} - BUSY_MACHINE == set()
