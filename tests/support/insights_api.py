"""The insight routes on a real socket, over a database that the test fills."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import database
from api import errors
from api.routes import cases, comparisons, conversations, corrections, insights, quality
from benchmarks.support.process import NO_TLS
from benchmarks.support.serving import served
from database import Database
from domain.fields.fieldsets import NO_FIELDS, FieldSet
from domain.topics import BUILT_IN
from store.insights.topic_days import TopicDays
from store.topics.seeding import seed
from tests.support.insight_data import NOON

Result = TypeVar("Result")
Json = dict[str, Any]
KEYS = ("shop", "plan")
"""What METADATA_KEYS names."""


@dataclass
class Watched:
    """A database that counts its reads, and refuses them from the `broken_at`th on."""

    database: Database
    broken_at: int | None
    reads: int = 0

    async def read(self, fn: Callable[[Connection], Result]) -> Result:
        self._count()
        return await self.database.read(fn)

    async def read_replica(self, fn: Callable[[Connection], Result], *, is_long: bool = False) -> Result:
        self._count()
        return await self.database.read_replica(fn, is_long=is_long)

    async def write(self, fn: Callable[[Connection], Result]) -> Result:
        return await self.database.write(fn)

    async def read_in_background(self, fn: Callable[[Connection], Result]) -> Result:
        self._count()
        return await self.database.read_in_background(fn)

    def _count(self) -> None:
        self.reads += 1
        if self.reads == self.broken_at:
            raise ConnectionError


@dataclass
class Owned:
    """What the routes use of the process's resources."""

    database: Watched
    clock: Callable[[], int]
    fields: FieldSet = NO_FIELDS
    topic_days: TopicDays = field(default_factory=TopicDays)
    settings: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(metadata_keys=KEYS, auth_required=False)
    )


@dataclass
class Api:
    """A client of the routes, and what lies behind them."""

    http: httpx.AsyncClient
    url: URL
    owned: list[Owned] = field(default_factory=list)

    async def fill(self, fn: Callable[[Connection], object]) -> None:
        """Write to the database behind the service's back."""
        engine = create_async_engine(self.url, poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.run_sync(fn)
        await engine.dispose()

    async def get(self, path: str, **parameters: Any) -> Json:
        """The body of an answer that has to be a 200."""
        answer = await self.http.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    async def refused(self, path: str, parameters: Any, **headers: str) -> str:
        """The details of an answer that has to be a 400."""
        answer = await self.http.get(f"/api/v1/{path}", params=parameters, headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"] == "invalid_query"
        return str(answer.json()["details"])


def an_app(url: URL, owned: list[Owned], broken_at: int | None) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Json]:
        async with database.opened(url) as opened:
            await opened.write(partial(seed, listed=BUILT_IN, now=NOON))
            owned.append(Owned(Watched(opened, broken_at), clock=lambda: NOON))
            yield {"resources": owned[0]}

    app = FastAPI(lifespan=lifespan)
    errors.install(app)
    # As api/app.py does: include_router would make each route anew, with its validators.
    modules = insights, cases, comparisons, conversations, corrections, quality
    app.router.routes += [route for module in modules for route in module.router.routes]
    return app


@asynccontextmanager
async def opened(url: URL, *, broken_at: int | None = None) -> AsyncIterator[Api]:
    """The routes over the database at `url`; it is the present at NOON."""
    owned: list[Owned] = []
    with served(an_app(url, owned, broken_at)) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=90, verify=NO_TLS) as http:
            yield Api(http, url, owned)
