"""A storage limit in the running service: intake stops, reading goes on."""

import httpx
from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from tests.support.service import running

LATE = "My parcel is three days late and nobody answers"


async def answer_to_a_post(http: httpx.AsyncClient) -> httpx.Response | None:
    answer = await http.post("/api/v1/conversations", json={"text": LATE})
    return answer if answer.status_code != 202 else None


async def test_at_the_limit_intake_stops_and_reading_goes_on(database_url: URL) -> None:
    async with running(database_url, max_storage_gb=0.000001) as service:
        refused = await eventually(lambda: answer_to_a_post(service.http))

        assert refused.status_code == 503
        assert refused.json()["error"] == "storage_full"
        assert refused.headers["retry-after"]
        assert (await service.get("/api/v1/conversations"))["conversations"] == []
