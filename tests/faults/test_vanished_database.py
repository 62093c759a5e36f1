"""A database file that is taken away while the service runs: nothing is answered 202 that would be lost."""

import shutil
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import make_url

from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from tests.support.service import Service, running

LATE = "My parcel is three days late and nobody answers"


async def posted(service: Service) -> httpx.Response:
    return await service.http.post(POSTS, json={"text": LATE})


async def is_unavailable(service: Service) -> bool:
    return (await service.http.get("/health")).status_code == 503


@pytest.mark.parametrize("what", ["the file", "its folder"])
async def test_a_database_that_is_taken_away_takes_nothing_in(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    async with running(make_url(f"sqlite+aiosqlite:///{folder / 'insights.db'}")) as service:
        before = await posted(service)
        taken, away = (
            (folder, tmp_path / "away") if what == "its folder" else (folder / "insights.db", tmp_path / "x")
        )
        shutil.move(taken, away)
        refused = await posted(service)
        await eventually(lambda: is_unavailable(service))
        reasons = (await service.http.get("/health")).json()["reasons"]
        metrics = await service.http.get("/metrics")
        shutil.move(away, taken)
        await eventually(lambda: accepts(service))

    assert before.status_code == 202
    assert (refused.status_code, refused.json()["error"]) == (503, "database_unavailable")
    assert refused.headers["retry-after"]
    assert any("gone" in reason for reason in reasons)
    assert metrics.status_code == 200


async def accepts(service: Service) -> bool:
    return (await posted(service)).status_code == 202
