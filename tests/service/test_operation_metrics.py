"""What only a running service can measure of itself: its limits, its audit log and its retention."""

import time
from pathlib import Path

from benchmarks.support.databases import sqlite
from benchmarks.support.locks import locked
from tests.support.access import closed


async def test_limits_retention_and_an_audit_entry_that_cannot_be_written_are_measured(
    tmp_path: Path,
) -> None:
    url = sqlite(tmp_path)
    async with closed(url, retention_days=1, max_queue_depth=77) as service:
        before = await service.metrics()
        async with locked(url):
            denied = await service.http.get("/api/v1/keys", headers=service.bearing("viewer"))
            after = await service.metrics()

    assert before["processing_queue_limit"] == 77
    assert before["storage_free_bytes"] > 0
    assert before['task_deaths_total{task="retention"}'] == 0
    assert abs(before["retention_swept_timestamp_seconds"] - time.time()) < 600
    assert denied.status_code == 503
    assert (before["audit_failures_total"], after["audit_failures_total"]) == (0, 1)
