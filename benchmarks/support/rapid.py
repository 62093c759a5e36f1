"""Posts as fast as one event loop can write them: httpx takes 3 ms of CPU for a request, this a tenth of it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.support.process import POSTS, Json

ACCEPTED = 202


class Answer(NamedTuple):
    """What a post was answered, when (monotonic seconds), and how many seconds that took."""

    at: float
    took: float
    status: int
    headers: dict[str, str]
    body: Json


async def post_rapidly(
    url: str,
    items: Iterable[Json],
    connections: int,
    answers: list[Answer] | None = None,
    *,
    pause: float = 0,
) -> list[Answer]:
    """Post the items over so many connections; ends early, with what was answered, where they break.

    `answers` is where to put them, for who wants to look meanwhile; `pause` is how many seconds a connection
    rests that was refused. What was refused is not posted again.
    """
    answers = [] if answers is None else answers
    left = iter(items)
    await asyncio.gather(*(_post_each(url, left, answers, pause) for _ in range(connections)))
    return answers


async def _post_each(url: str, items: Iterator[Json], answers: list[Answer], pause: float) -> None:
    where = urlsplit(url)
    with suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        async with _closing(writer):
            for item in items:
                since = time.monotonic()
                writer.write(_request(json.dumps(item).encode()))
                answers.append(await _answer(reader, since))
                if answers[-1].status != ACCEPTED:
                    await asyncio.sleep(pause)


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _request(body: bytes) -> bytes:
    head = (
        f"POST {POSTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    return head.encode() + b"\r\n\r\n" + body


async def _answer(reader: asyncio.StreamReader, since: float) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    body = json.loads(await reader.readexactly(int(headers["content-length"])))
    now = time.monotonic()
    return Answer(now, now - since, int(first.split()[1]), headers, body)
