"""What clients that only wait cost the service, and how much memory long messages take.

    python -m benchmarks.silence [--databases sqlite postgresql]

Nothing listens where Grok should be. CPU is the server's over ten seconds in which nobody sends anything: without
clients, with 400 sockets whose chats wait for a summary, and with 600 requests that wait for a conversation. Then, at
five requests a second, 300 clients shake hands as fast as they can. Memory is the server's before, while and after
listeners of 4 chats hear 256 messages of 20,000 emoji, and listeners of 16 chats four times as many.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from sqlalchemy.engine import URL
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from benchmarks.processes import cpu_seconds, resident_mb, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import NO_TLS, POSTS, Json, Process, address

SOCKETS, WAITERS, WAIT, SECONDS = 400, 600, 30, 10
HANDSHAKES, RPS = 300, 5
MOST_CPU, MOST_MEMORY = 2, 30
"""Per cent of a core above that of the idle service; MB."""
CHATS, LONG, LONG_A_POST, EMOJI = (4, 16), 64, 32, "🙂" * 20_000
"""Chats, long messages in each, and in each request."""
SETTLED = 5
"""Seconds after which what clients began is over: chats have been quiet, and their summaries are queued."""
ALL_WAIT = 14
"""Seconds after which all requests have arrived: on a busy machine 600 connections took 10."""
LISTENING = {"CHAT_QUIET_SECONDS": 600}
OUTAGE = {"GROK_API_KEY": "key", "GROK_BASE_URL": "http://127.0.0.1:9/v1", "CHAT_QUIET_SECONDS": 1}


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.silence", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--full", action="store_true", help="makes no difference")
    given = parser.parse_args()
    figures = [figure for kind in given.databases for figure in _figures(kind)]
    setting = f"{SOCKETS} sockets, {WAITERS} requests with ?wait={WAIT}, {LONG} messages of 20,000 emoji in each chat"
    return finish(Result(program="silence", setting=setting, figures=tuple(figures)))


def _figures(kind: str) -> Iterator[Figure]:
    sys.stderr.write(f"{kind}\n")
    with TemporaryDirectory(prefix="silence-") as name, fresh(kind, Path(name)) as url:
        idle, *waiting = _run(Path(name), url, _cpu, **OUTAGE)
        opened, allowed, meanwhile = _run(Path(name), url, _handshakes, INBOUND_RPS=RPS, **OUTAGE)
        memory = {chats: _run(Path(name), url, partial(_memory, chats=chats), **LISTENING) for chats in CHATS}
    yield Figure(name=f"{kind}: CPU without clients", value=idle, unit="%")
    for who, cpu in zip(("silent sockets", "waiting requests"), waiting, strict=True):
        yield Figure(name=f"{kind}: CPU above that, {who}", value=cpu - idle, unit="%", at_most=MOST_CPU)
    note = f"of {HANDSHAKES}, at INBOUND_RPS={RPS}"
    yield Figure(name=f"{kind}: hand-shakes", value=opened, at_most=allowed, note=note)
    yield Figure(
        name=f"{kind}: CPU above that, their sockets", value=meanwhile - idle, unit="%", at_most=MOST_CPU
    )
    for chats, (most, at_last, closed) in memory.items():
        note = f"{most:.1f} at most meanwhile, {closed:.1f} once the sockets were closed"
        name = f"{kind}: memory after {chats * LONG:,} long messages in {chats} chats"
        yield Figure(name=name, value=at_last, unit="MB", at_most=MOST_MEMORY, note=note)


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
        # Else the offline analyzer takes over: with a waiting request ended here and there, it was 10 % of a core.
        (await http.post("/api/v1/analysis/pause")).raise_for_status()
        ids = await _posted(http)
        waits = [asyncio.create_task(http.get(f"{POSTS}/{id_}", params={"wait": WAIT})) for id_ in ids]
        with_requests = await _share(process, settled=ALL_WAIT)
        for each in waits:
            each.cancel()
        await asyncio.wait(waits)
    return idle, with_sockets, with_requests


async def _share(process: Process, settled: float = SETTLED) -> float:
    await asyncio.sleep(settled)
    before = cpu_seconds(process)
    await asyncio.sleep(SECONDS)
    return (cpu_seconds(process) - before) / SECONDS * 100


async def _posted(http: httpx.AsyncClient) -> Sequence[str]:
    ids: list[str] = []
    for first in range(0, WAITERS, 300):
        body = [{"text": f"Parcel {number} is late"} for number in range(first, first + 300)]
        ids += (await http.post(f"{POSTS}/bulk", json=body)).raise_for_status().json()["conversation_ids"]
    return ids


async def _handshakes(process: Process) -> Sequence[float]:
    """Sockets that 300 hand-shakes opened, how many the limit allows, and per cent of a core while they are silent."""
    since = time.monotonic()
    async with AsyncExitStack() as stack:
        opened = 0
        for number in range(HANDSHAKES):
            with suppress(InvalidStatus):
                await stack.enter_async_context(_socket(process, f"h{number}"))
                opened += 1
        allowed = RPS * (1 + time.monotonic() - since)
        return opened, allowed, await _share(process)


async def _memory(process: Process, chats: int) -> Sequence[float]:
    """MB by which the service has grown: at most while listeners hear long messages, after that, without listeners."""
    async with httpx.AsyncClient(base_url=process.url, timeout=60, trust_env=False, verify=NO_TLS) as http:
        async with _joined(process, chats) as sockets:
            before = resident_mb(process)
            found: list[float] = []
            for chat, socket in enumerate(sockets):
                found += [resident_mb(process) async for _ in _told(http, chat, socket)]
            at_last = resident_mb(process)
        await asyncio.sleep(1)
        return max(found) - before, at_last - before, resident_mb(process) - before


async def _told(http: httpx.AsyncClient, chat: int, socket: ClientConnection) -> AsyncIterator[None]:
    """Post long messages and hear them; yields after each post."""
    heard = asyncio.create_task(_hear(socket, LONG))
    for _ in range(0, LONG, LONG_A_POST):
        (await http.post("/chats", json=[_long(chat)] * LONG_A_POST)).raise_for_status()
        yield
    await heard


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
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_socket(process, f"c{chat}")) for chat in range(count)]


def _socket(process: Process, chat: str) -> connect:
    url = f"{process.url.replace('http', 'ws', 1)}/ws/chats/{chat}?after=0"
    return connect(url, proxy=None, ping_interval=None)


if __name__ == "__main__":
    raise SystemExit(main())
