"""A database with made-up insights is one that the service can go on with."""

import pytest
from sqlalchemy.engine import URL

import database
from benchmarks.seed import Made, seed
from benchmarks.support.process import Json
from core.clock import iso, now
from domain.buckets import DAY, MICROSECONDS
from tests.support.people_recount import assert_people_counted
from tests.support.rows import assert_rolled_up
from tests.support.service import Grok, Service, running

pytestmark = pytest.mark.anyio
ROWS, DAYS = 2_000, 40
LATE = ["My parcel is three days late and nobody answers", "Where is the refund for the broken one?"]


async def counted(service: Service, start: int, end: int) -> Json:
    found = await service.get("/api/v1/insights", start_time=iso(start), end_time=iso(end))
    metadata: Json = found["metadata"]
    return metadata


async def test_the_service_counts_what_was_seeded_and_takes_in_more(database_url: URL, grok: Grok) -> None:
    end = now()
    start = end - DAYS * MICROSECONDS[DAY]
    await seed(database_url.render_as_string(hide_password=False), Made(ROWS, DAYS, end, seed=1), start, end)

    async with database.opened(database_url) as opened:
        await opened.read(assert_rolled_up)
        await opened.read(assert_people_counted)
    async with running(database_url, grok) as service:
        before = await counted(service, start, end)
        await service.all_ended(await service.post_all(LATE))
        after = await counted(service, start, now())

    assert before["total_count"] + before["skipped_count"] == ROWS
    assert after["total_count"] == before["total_count"] + 2
