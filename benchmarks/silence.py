"""What clients that only wait cost the service, and how much memory long messages take.

    python -m benchmarks.silence [--databases sqlite postgresql]

Nothing listens where Grok should be. CPU is the server's over ten seconds in which nobody sends anything: without
clients, with 400 sockets whose chats wait for a summary, and with 600 requests that wait for a conversation.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from sqlalchemy.engine import URL
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.processes import cpu_seconds, resident_mb, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import NO_TLS, POSTS, Json, Process, address

SOCKETS, WAITERS, WAIT, SECONDS = 400, 600, 25, 10
MOST_CPU, MOST_MEMORY = 2, 30
"""Per cent of a core above that of the idle service; MB."""
CHATS, LONG, LONG_A_POST, EMOJI = 4, 256, 32, "🙂" * 20_000
SETTLED = 5
"""Seconds after which what clients began is over: chats have been quiet, and their summaries are queued."""
OUTAGE = {"GROK_API_KEY": "key", "GROK_BASE_URL": "http://127.0.0.1:9/v1", "CHAT_QUIET_SECONDS": 1}


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.silence", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    figures = [figure for kind in given.databases for figure in _figures(kind)]
    setting = f"{SOCKETS} sockets, {WAITERS} waiting requests, {LONG} long messages in each of {CHATS} chats"
    return finish(Result(program="silence", setting=setting, figures=tuple(figures)))


def _figures(kind: str) -> Iterator[Figure]:
    sys.stderr.write(f"{kind}\n")
    with TemporaryDirectory(prefix="silence-") as name, fresh(kind, Path(name)) as url:
        idle, *waiting = _run(Path(name), url, _cpu, **OUTAGE)
        [memory] = _run(Path(name), url, _memory, CHAT_QUIET_SECONDS=600)
    yield Figure(name=f"{kind}: CPU without clients", value=idle, unit="%")
    for who, cpu in zip(("silent sockets", "waiting requests"), waiting, strict=True):
        yield Figure(name=f"{kind}: CPU above that, {who}", value=cpu - idle, unit="%", at_most=MOST_CPU)
    yield Figure(name=f"{kind}: memory after long messages", value=memory, unit="MB", at_most=MOST_MEMORY)


def _run(folder: Path, url: URL, measure: Any, **given: Any) -> Sequence[float]:
    with service(folder, None, DATABASE_URL=address(url), **given) as process:
        found: Sequence[float] = asyncio.run(measure(process))
        return found


async def _cpu(process: Process) -> Sequence[float]:
    """Per cent of a core: idle, with sockets, with requests that wait."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=process.url, timeout=60, limits=limits, trust_env=False, verify=NO_TLS
    ) as http:
        idle = await _share(process)
        async with _joined(process, SOCKETS) as sockets:
            for socket in sockets:
                await _say(socket, "My parcel is late")
            with_sockets = await _share(process)
        ids = await _posted(http)
        waits = [asyncio.create_task(http.get(f"{POSTS}/{id_}", params={"wait": WAIT})) for id_ in ids]
        with_requests = await _share(process)
        for each in waits:
            each.cancel()
        await asyncio.wait(waits)
    return idle, with_sockets, with_requests


async def _share(process: Process) -> float:
    await asyncio.sleep(SETTLED)
    before = cpu_seconds(process)
    await asyncio.sleep(SECONDS)
    return (cpu_seconds(process) - before) / SECONDS * 100


async def _posted(http: httpx.AsyncClient) -> Sequence[str]:
    ids: list[str] = []
    for first in range(0, WAITERS, 300):
        body = [{"text": f"Parcel {number} is late"} for number in range(first, first + 300)]
        ids += (await http.post(f"{POSTS}/bulk", json=body)).raise_for_status().json()["conversation_ids"]
    return ids


async def _memory(process: Process) -> Sequence[float]:
    """MB by which the service has grown once listeners have heard long messages."""
    async with (
        httpx.AsyncClient(base_url=process.url, timeout=60, trust_env=False, verify=NO_TLS) as http,
        _joined(process, CHATS) as sockets,
    ):
        before = resident_mb(process)
        for chat, socket in enumerate(sockets):
            heard = asyncio.create_task(_hear(socket, LONG))
            for _ in range(0, LONG, LONG_A_POST):
                (await http.post("/chats", json=[_long(chat)] * LONG_A_POST)).raise_for_status()
            await heard
        return [resident_mb(process) - before]


def _long(chat: int) -> Json:
    sender = {"user_id": "u", "user_type": "customer", "message_content": EMOJI}
    return {"conversation_id": f"c{chat}", **sender}


async def _hear(socket: ClientConnection, count: int) -> None:
    while count:
        count -= json.loads(await socket.recv())["type"] == "message"


async def _say(socket: ClientConnection, text: str) -> None:
    sender = {"type": "message", "user_id": "u", "user_type": "customer"}
    await socket.send(json.dumps({**sender, "message_content": text}))
    await _hear(socket, 1)


@asynccontextmanager
async def _joined(process: Process, count: int) -> AsyncIterator[Sequence[ClientConnection]]:
    """So many sockets, each in a chat of its own."""
    url = f"{process.url.replace('http', 'ws', 1)}/ws/chats"
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(connect(f"{url}/c{chat}?after=0", proxy=None, ping_interval=None))
            for chat in range(count)
        ]


if __name__ == "__main__":
    raise SystemExit(main())
