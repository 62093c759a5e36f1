"""METADATA_KEYS on a running service: older insights are filed by new keys, later ones as they are stored."""

from typing import Any

from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from client.calls.insights import insights_page
from tests.support.service import Service, running

YEARS = {"start_time": "2000-01-01", "end_time": "2100-01-01"}


async def total(service: Service, **filters: str) -> int | None:
    """The number of insights that match; None while they are being filed."""
    answer = await service.http.get("/api/v1/insights", params={**YEARS, **filters})
    assert answer.status_code in (200, 503)
    return int(answer.json()["metadata"]["total_count"]) if answer.status_code == 200 else None


async def test_a_key_that_is_named_later_finds_older_insights_too(database_url: URL) -> None:
    async def north(service: Service) -> int | None:
        return await total(service, **{"metadata.shop": "north"})

    async with running(database_url) as service:
        ids = [await service.post("My parcel is late again.", metadata={"shop": "north"}) for _ in range(2)]
        await service.all_ended(ids)
        answer = await service.http.get("/api/v1/insights", params={**YEARS, "metadata.shop": "north"})
        assert answer.status_code == 400
        assert "METADATA_KEYS is not set" in answer.json()["details"]

    async with running(database_url, metadata_keys="shop") as service:

        async def both() -> bool:
            return await north(service) == 2

        await eventually(both)
        await service.all_ended([await service.post("Where is my parcel?", metadata={"shop": "north"})])
        assert await north(service) == 3
        assert await total(service, **{"metadata.shop": "south"}) == 0


def test_the_client_names_every_filter() -> None:
    given: dict[str, Any] = {"keyword": "late", "analyzer": "grok", "model": "grok-4.3", "sort": "-score"}
    call = insights_page(**given, metadata={"shop": "north"})

    sent = {name: value for name, value in call.params.items() if value is not None}
    assert sent == {**given, "metadata.shop": "north", "limit": 100}
    assert insights_page(cursor="x").params["sort"] is None
