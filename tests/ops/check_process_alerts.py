"""Processes that die, start again and again and run out of files; requests that are refused; jobs that fail."""

import asyncio
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.databases import sqlite
from benchmarks.support.process import Process
from benchmarks.support.waiting import eventually
from tests.ops.prometheus import Monitor, monitoring
from tests.ops.watched import repeated, scraped, under_posts, watched
from tests.support.access import closed
from tests.support.receivers import receiving
from tests.support.service import running

FEW_FILES = 100
WEEK = {"start_time": "2026-11-08T00:00:00Z", "end_time": "2026-11-15T00:00:00Z"}


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with Process(tmp_path, DB_PATH=tmp_path / "insights.db", GROK_MODE="offline") as made:
        yield made


async def test_a_process_that_starts_again_and_again_and_then_no_more(
    monitor: Monitor, process: Process
) -> None:
    with scraped(monitor, "killed", process.url):
        await monitor.is_scraped("killed")
        for _ in range(3):
            process.end(signal.SIGKILL)
            process.start()
            started = psutil.Process(process.process.pid).create_time()
            await eventually(partial(_has_seen, monitor, "killed", started))
        await monitor.fires("killed", "ServiceRestarts")
        process.end(signal.SIGKILL)
        await monitor.fires("killed", "ServiceDown")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_process_that_takes_requests_while_no_worker_is_alive(
    monitor: Monitor, database_url: URL
) -> None:
    async with watched(monitor, "alone", running(database_url, role="api")):
        await monitor.fires("alone", "NoWorker")
        async with running(database_url, role="worker"):
            await monitor.stops("alone", "NoWorker")


async def _has_seen(monitor: Monitor, name: str, started: float) -> bool:
    await asyncio.sleep(0.1)
    found = await monitor.query(f'process_start_time_seconds{{instance="{name}"}}')
    return bool(found) and abs(float(found[0]["value"][1]) - started) < 0.5


async def test_connections_that_take_nearly_all_open_files(monitor: Monitor, process: Process) -> None:
    psutil.Process(process.process.pid).rlimit(resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
    with scraped(monitor, "files", process.url), ExitStack() as open_:
        taken = psutil.Process(process.process.pid).num_fds()
        for _ in range(FEW_FILES * 9 // 10 - taken):
            open_.enter_context(socket.create_connection(("127.0.0.1", process.port)))
        # The service closes a connection without a request after ten seconds.
        await monitor.fires("files", "OpenFilesNearlyUsedUp")


async def test_more_requests_than_the_limit_allows(monitor: Monitor, tmp_path: Path) -> None:
    async with watched(monitor, "limit", running(sqlite(tmp_path), inbound_rps=1)) as service:
        await monitor.is_scraped("limit")
        async with under_posts(service):
            await monitor.fires("limit", "RequestsRateLimited")


async def test_calls_without_a_key(monitor: Monitor, tmp_path: Path) -> None:
    async with watched(monitor, "refusing", closed(sqlite(tmp_path))) as service:
        monitor.give_key(service.keys["viewer"])
        await monitor.is_scraped("refusing")
        stranger = httpx.AsyncClient(base_url=service.url)
        async with stranger, repeated(lambda: stranger.get("/api/v1/trends")):
            await monitor.fires("refusing", "AccessRefused")


async def test_a_job_whose_child_process_is_killed(monitor: Monitor, tmp_path: Path) -> None:
    async with watched(monitor, "jobs", running(sqlite(tmp_path))) as service:
        await monitor.is_scraped("jobs")
        await service.http.post("/api/v1/topics/discover", json={"window": WEEK})
        await eventually(_kill_the_grouper)
        await monitor.fires("jobs", "JobsFail")


async def test_a_webhook_whose_receiver_wants_no_more(monitor: Monitor, tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.status = 410
        async with watched(
            monitor, "webhooks", running(sqlite(tmp_path), webhook_allow_private=True)
        ) as service:
            body = {"url": receiver.url, "events": ["insight.completed"]}
            await service.http.post("/api/v1/webhooks", json=body)
            await service.ended(await service.post("My parcel is two weeks late and nobody answers."))
            await monitor.fires("webhooks", "WebhookDisabled")


def _kill_the_grouper() -> bool:
    """Whether there was one: a child of this process, in which the service runs."""
    children = psutil.Process().children(recursive=True)
    found = [child for child in children if "llm.discovery.child" in " ".join(child.cmdline())]
    for child in found:
        child.kill()
    return bool(found)


async def test_a_scrape_without_targets_without_a_good_key_and_with_one(tmp_path: Path) -> None:
    """The key is read from its file at each scrape, so that it is changed without a restart."""
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with monitoring(folder) as monitor:
        await monitor.fires(None, "ServiceNotScraped")
        async with closed(sqlite(tmp_path)) as service:
            monitor.watch("closed", service.url)
            await monitor.fires("closed", "ServiceDown")
            monitor.give_key(service.keys["viewer"])
            await monitor.stops("closed", "ServiceDown")
            assert "ServiceNotScraped" not in await monitor.firing()
