"""Services that a test breaks while Prometheus scrapes them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from itertools import count
from typing import TypeVar

from benchmarks.support.process import POSTS
from tests.ops.prometheus import Monitor
from tests.support.service import Service

LATE = "My parcel is three days late and nobody answers"

Some = TypeVar("Some", bound=Service)


@contextmanager
def scraped(monitor: Monitor, name: str, url: str) -> Iterator[None]:
    """Prometheus scrapes a service under this name in the block."""
    monitor.watch(name, url)
    try:
        yield
    finally:
        monitor.forget(name)


@asynccontextmanager
async def watched(
    monitor: Monitor, name: str, service: AbstractAsyncContextManager[Some]
) -> AsyncIterator[Some]:
    """The service, running and scraped."""
    async with service as made:
        with scraped(monitor, name, made.url):
            yield made


@asynccontextmanager
async def repeated(act: Callable[[], Awaitable[object]], every: float = 0.1) -> AsyncIterator[None]:
    """It is done again and again in the block, with so many seconds in between."""

    async def forever() -> None:
        while True:
            await act()
            await asyncio.sleep(every)

    task = asyncio.create_task(forever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def under_posts(service: Service) -> AbstractAsyncContextManager[None]:
    """Somebody posts to it all the time, whatever the answers are."""
    numbers = count(1)

    async def post() -> None:
        said = f"{LATE}, says customer {next(numbers)}"
        await service.http.post(POSTS, json={"text": said})

    return repeated(post)
