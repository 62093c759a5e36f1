"""Notifications and PgBouncer: transaction mode swallows them, and a line says so; past it they arrive."""

import shutil

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import address
from benchmarks.support.waiting import eventually
from tests.support.poolers import pooled
from tests.support.service import Service, running

pytestmark = [
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
    pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="apt-get install pgbouncer"),
]


async def until(service: Service, state: str) -> None:
    async def is_so() -> bool:
        return bool((await service.get("/health"))["notifications"] == state)

    await eventually(is_so)


def told(service: Service) -> list[str]:
    return [line["event"] for line in service.logged.events() if line["event"].startswith("notifications")]


@pytest.mark.parametrize(("size", "robin"), [(3, 0), (20, 0), (20, 1)])
async def test_transaction_mode_swallows_them_and_one_line_says_so(
    server_url: URL, size: int, robin: int
) -> None:
    with pooled(server_url, "transaction", size, robin) as url:
        async with running(url) as service:
            await eventually(lambda: told(service))
            assert told(service) == ["notifications_unheard"]
            assert "pooler" in str(service.logged)
            await until(service, "unheard")


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_they_arrive_past_it_and_in_session_mode(server_url: URL, mode: str) -> None:
    with pooled(server_url, mode) as url:
        past = server_url if mode == "transaction" else url
        async with running(url, database_listen_url=address(past)) as service:
            await until(service, "heard")
            assert told(service) == []
