"""The depth of the queue is bounded, however many conversations a request brings."""

from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from tests.support.service import Grok, Service, running


async def depth(service: Service) -> int:
    return int((await service.get("/health"))["queue_size"])


async def test_a_bulk_does_not_overrun_the_bound(database_url: URL, grok: Grok) -> None:
    async with running(database_url, grok, max_queue_depth=10) as service:
        await service.http.post("/api/v1/analysis/pause")
        await service.post_all(f"My parcel number {number} is late" for number in range(9))
        await eventually(lambda: depth(service))
        items = [{"text": f"My parcel number {number} is lost"} for number in range(2)]
        refused = await service.http.post(f"{POSTS}/bulk", json=items)
        fitting = await service.http.post(f"{POSTS}/bulk", json=items[:1])

        assert (refused.status_code, refused.json()["error"]) == (503, "queue_full")
        assert fitting.status_code == 202
        assert await depth(service) == 10
