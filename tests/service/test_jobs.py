"""`/api/v1/jobs`: listed a page at a time, looked at, and steered."""

from sqlalchemy.engine import URL

import database
from store.queue import long_jobs
from tests.support.insight_data import NOON
from tests.support.service import running

UNKNOWN = "nobody_knows"


async def made(url: URL, number: int) -> list[str]:
    """Jobs of a kind that no processor takes, the oldest first."""
    async with database.opened(url) as db:
        return [
            await db.write(
                lambda connection, each=each: long_jobs.create(  # type: ignore[misc]
                    connection, UNKNOWN, {"number": each}, by="key:7", now=NOON, total=10
                )
            )
            for each in range(number)
        ]


async def test_jobs_are_listed_a_page_at_a_time_the_newest_first(database_url: URL) -> None:
    ids = await made(database_url, 3)

    async with running(database_url) as service:
        first = await service.get("/api/v1/jobs", limit=2, kind=UNKNOWN)
        rest = await service.get("/api/v1/jobs", limit=2, cursor=first["next_cursor"])
        none = await service.get("/api/v1/jobs", kind="other")

    found = [job["id"] for page in (first, rest) for job in page["jobs"]]
    assert (found, rest["next_cursor"], none["jobs"]) == (ids[::-1], None, [])


async def test_a_job_is_shown_and_steered(database_url: URL) -> None:
    (id_,) = await made(database_url, 1)
    path = f"/api/v1/jobs/{id_}"

    async with running(database_url) as service:
        assert await service.get(path) == {
            "id": id_,
            "kind": UNKNOWN,
            "status": "queued",
            "done": 0,
            "total": 10,
            "usd": 0,
            "conversations": 0,
            "error": None,
            "created_at": "2025-03-31T12:00:00.000000Z",
            "created_by": "key:7",
            "ended_at": None,
        }
        steered = [
            await service.http.post(f"{path}/{how}")
            for how in ("resume", "pause", "resume", "cancel", "cancel")
        ]
        unknown = await service.http.post("/api/v1/jobs/job_0/cancel")
        shown = await service.get(path)

    assert [answer.status_code for answer in steered] == [409, 200, 200, 200, 409]
    assert [answer.json()["status"] for answer in steered[1:4]] == ["paused", "queued", "cancelled"]
    assert steered[4].json() == {"error": "conflict", "details": "It has ended already"}
    assert (unknown.status_code, shown["status"]) == (404, "cancelled")
    assert shown["ended_at"] is not None
