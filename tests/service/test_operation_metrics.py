"""What only a running service can measure of itself: limits, the audit log, tasks that die, jobs, retention."""

import time
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

import database
from benchmarks.support.databases import sqlite
from benchmarks.support.locks import locked
from benchmarks.support.waiting import eventually
from store.discovery.asking import ACCEPTANCE
from store.queue import long_jobs
from tests.support.access import closed
from tests.support.insight_data import NOON, store_conversation
from tests.support.service import Service

KEPT = """
    CREATE TRIGGER kept BEFORE DELETE ON conversations WHEN OLD.number = 1
    BEGIN SELECT RAISE(ABORT, 'kept'); END
"""


async def prepared(url: URL) -> None:
    """A conversation of long ago that cannot be deleted, and a job that cannot be done."""

    def prepare(connection: Connection) -> None:
        store_conversation(connection, 1)
        connection.execute(text(KEPT))
        long_jobs.create(connection, ACCEPTANCE, {"proposal": "gone"}, by="key:7", now=NOON)

    async with database.opened(url) as db:
        await db.write(prepare)


async def reaches(service: Service, name: str, value: float) -> bool:
    return (await service.metrics())[name] >= value


async def test_what_goes_wrong_beside_the_requests_is_measured(tmp_path: Path) -> None:
    url = sqlite(tmp_path)
    await prepared(url)
    async with closed(url, retention_days=1, max_queue_depth=77) as service:
        await eventually(partial(reaches, service, 'task_deaths_total{task="retention"}', 1))
        await eventually(partial(reaches, service, 'jobs_total{status="failed"}', 1))
        before = await service.metrics()
        async with locked(url):
            denied = await service.http.get("/api/v1/keys", headers=service.bearing("viewer"))
            after = await service.metrics()

    assert before["processing_queue_limit"] == 77
    assert before["storage_free_bytes"] > 0
    assert before['task_deaths_total{task="jobs"}'] == 0
    # No sweep has ended: the start counts.
    assert abs(before["retention_swept_timestamp_seconds"] - time.time()) < 600
    assert denied.status_code == 503
    assert (before["audit_failures_total"], after["audit_failures_total"]) == (0, 1)
