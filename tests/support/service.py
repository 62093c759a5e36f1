"""The whole service under test, in a thread beside the test, and a client that asks what tests ask most."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Row, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from api.server import PROTOCOLS
from benchmarks.support.process import POSTS, Json, address, client
from benchmarks.support.serving import Served, served
from benchmarks.support.waiting import eventually
from core import clock as times
from core.settings import Settings
from main import create_app
from tests.fake_grok.server import KEY, FakeGrok
from tests.support.log_lines import Lines, captured
from tests.support.poolers import POOLER, UNPREPARED

ENDED = frozenset({"completed", "failed", "skipped"})

# As fast as the rules allow: a test waits for what it is about, not for patience and pace.
QUICK: Json = {
    "_env_file": None,
    "inbound_rps": 0,
    "outbound_rps": 100,
    "batch_flush_seconds": 0.05,
    "backoff_seconds": 0.05,
    "cooldown_seconds": 0.3,
}


async def rows(database: URL, statement: str, **values: object) -> Sequence[Row[Any]]:
    """What is in the database, behind the service's back."""
    async with _engine(database).begin() as connection:
        result = await connection.execute(text(statement), values)
        return result.all() if result.returns_rows else ()


@lru_cache(maxsize=32)
def _engine(database: URL) -> AsyncEngine:
    """It keeps no connection, only what it has found out about the server."""
    is_pooled = POOLER and database.get_backend_name() == "postgresql"
    return create_async_engine(database, poolclass=NullPool, connect_args=UNPREPARED if is_pooled else {})


async def let_leases_end(database: URL) -> None:
    """Move every lease's end to now, as if its time had passed."""
    due = "UPDATE conversations SET run_at = received_at WHERE run_at IS NOT NULL"
    await rows(database, due)
    await rows(database, "UPDATE asking SET until = 0")


@dataclass
class Service:
    """A client of a running service, with what tests ask it most."""

    url: str
    http: httpx.AsyncClient
    database: URL
    logged: Lines

    async def post(self, said: str, **fields: object) -> str:
        """Take in one conversation; its id."""
        response = await self.http.post(POSTS, json={"text": said, **fields})
        assert response.status_code == 202, response.text
        return str(response.json()["conversation_id"])

    async def post_all(self, said: Iterable[str]) -> list[str]:
        """Take in many, up to 500 in a request; their ids in order."""
        items = [{"text": each} for each in said]
        ids: list[str] = []
        for first in range(0, len(items), 500):
            response = await self.http.post(f"{POSTS}/bulk", json=items[first : first + 500])
            assert response.status_code == 202, response.text
            ids += response.json()["conversation_ids"]
        return ids

    async def taken(self, path: str, body: Any, **options: Any) -> httpx.Response:
        """The answer to a post that is sent again until there is room for it in the queue.

        A conversation that is accepted while the queue is counted is counted twice until the next count, a second
        later: the depth is never too low, and a bound of two may be full with one.
        """

        async def answer() -> httpx.Response | None:
            response = await self.http.post(path, json=body, **options)
            return None if response.status_code == 503 else response

        response: httpx.Response = await eventually(answer)
        return response

    async def get(self, path: str, **params: Any) -> Json:
        """The answer to a GET, which has to be a 200."""
        response = await self.http.get(path, params=params)
        assert response.status_code == 200, response.text
        body: Json = response.json()
        return body

    async def one(self, id_: str, **params: Any) -> Json:
        """A conversation."""
        return await self.get(f"{POSTS}/{id_}", **params)

    async def ended(self, id_: str, seconds: float = 60, **params: Any) -> Json:
        """A conversation that has been completed, skipped or given up by then."""
        view = await self.one(id_, wait=seconds, **params)
        assert view["status"] in ENDED, view
        return view

    async def all_ended(self, ids: Sequence[str], seconds: float = 60) -> list[Json]:
        """The status of each of up to 500 conversations, once all have ended."""

        async def views() -> list[Json] | None:
            response = await self.http.post(f"{POSTS}/status", json={"ids": ids})
            if response.status_code == 503:  # a machine that stands still for seconds loses a connection
                return None
            found = _conversations(response)
            left = [each["conversation_id"] for each in found if each["status"] not in ENDED]
            if left:
                # Asking for all of them again and again would take the time that they need.
                await self.one(left[-1], wait=min(seconds, 10))
            return None if left else found

        found: list[Json] = await eventually(views, seconds)
        return found

    async def all_of(self, ids: Sequence[str]) -> list[Json]:
        """The status of each of up to 500 conversations, now."""
        return _conversations(await self.http.post(f"{POSTS}/status", json={"ids": ids}))

    async def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels, as in the text: `grok_calls_total{outcome="ok"}`."""
        response = await self.http.get("/metrics")
        assert response.status_code == 200
        return {
            sample.name + _labels(sample.labels): sample.value
            for family in text_string_to_metric_families(response.text)
            for sample in family.samples
        }

    async def rows(self, statement: str, **values: object) -> Sequence[Row[Any]]:
        """What is in its database."""
        return await rows(self.database, statement, **values)


def _labels(labels: dict[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{{{pairs}}}" if pairs else ""


class Grok(FakeGrok):
    """A fake Grok that knows where it is served."""

    url = ""


@contextmanager
def faked() -> Iterator[Grok]:
    """A fake Grok on a port of its own."""
    grok = Grok()
    with served(grok, grace=0) as server:
        grok.url = f"{server.url}/v1"
        yield grok


def serving(database: URL, grok: Grok | None, **given: Any) -> AbstractContextManager[Served]:
    """The application on a socket, in a thread; without a Grok it is offline.

    `given` are settings, `clock` where it is not the machine's, `while_plain` and `tick`; `port` is any by default.
    """
    clock, port = given.pop("clock", times.now), given.pop("port", 0)
    start = {name: given.pop(name) for name in ("while_plain", "tick") if name in given}
    where = {} if grok is None else {"grok_api_key": KEY, "grok_base_url": grok.url}
    mode = "offline" if grok is None else "real"
    named = {**QUICK, "database_url": address(database), "grok_mode": mode, **where, **given}
    application = create_app(Settings(**named), clock, **start)
    return served(application, port=port, **PROTOCOLS)


@asynccontextmanager
async def running(database: URL, grok: Grok | None = None, **given: Any) -> AsyncIterator[Service]:
    """The service in a thread, with a client of it; `given` are settings."""
    with captured("INFO") as lines, serving(database, grok, **given) as server:
        async with client(server.url) as http:
            yield Service(server.url, http, database, lines)


def _conversations(response: httpx.Response) -> list[Json]:
    assert response.status_code == 200, response.text
    found: list[Json] = response.json()["conversations"]
    return found
