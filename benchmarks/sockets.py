"""Two hundred sockets in twenty chats: is every message heard once, in order, by all, and at what cost?

    python -m benchmarks.sockets [--full] [--seconds 20]

In each chat one of ten clients says ten messages a second, first with room for all of them (INBOUND_RPS=300), then
with room for half (100). The clients are this process, the service and the fake Grok are two others.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.processes import cpu_seconds, fake_grok, resident_mb, service
from benchmarks.results import Figure, Result, finish
from benchmarks.support.process import Process
from benchmarks.support.waiting import eventually
from benchmarks.timing import percentile

CHATS, LISTENERS, PER_SECOND = 20, 10, 10
SAID = "Message {number} of a chat in which somebody waits for a parcel that is late"
QUIET = 5
"""Seconds after which a chat is summarised."""
ALMOST = 0.9
"""A message is heard somewhat after it was stored, which is when the quiet begins."""
PATIENCE = 60


@dataclass
class Client:
    """One socket: what it heard and was told."""

    socket: ClientConnection
    positions: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    """Milliseconds from saying to draft_listener."""
    moments: list[float] = field(default_factory=list)
    """Seconds, on no matter which clock, at which a message was heard."""
    told: Counter[str] = field(default_factory=Counter)

    async def listen(self) -> None:
        """Take in frames for ever."""
        async for written in self.socket:
            frame: dict[str, Any] = json.loads(written)
            self.told[frame["type"]] += 1
            if frame["type"] == "message":
                message = frame["message"]
                self.positions.append(message["position"])
                self.ids.append(message["message_id"])
                self.moments.append(time.perf_counter())
                self.delays.append((self.moments[-1] - float(message["message_id"])) * 1_000)

    async def speak(self, seconds: float) -> None:
        """Say so many messages a second, each under the moment at which it is said."""
        begun = time.perf_counter()
        for number in range(round(seconds * PER_SECOND)):
            await asyncio.sleep(max(0.0, begun + number / PER_SECOND - time.perf_counter()))
            said = {"user_id": "u", "user_type": "customer", "message_content": SAID.format(number=number)}
            await self.socket.send(
                json.dumps({"type": "message", **said, "message_id": f"{time.perf_counter():.6f}"})
            )


@dataclass(frozen=True)
class Seen:
    """What came of it."""

    chats: list[list[Client]]
    """The speaker of each is the first."""
    memory: tuple[float, float]
    """Of the service, MB: a quarter of the time in, and at the end."""
    cpu: float
    """Seconds of it a second."""
    summaries: int

    def wrong(self) -> int:
        """Clients that did not hear exactly what was acknowledged, once and in order."""
        return sum(
            client.positions != [*range(1, chat[0].told["ack"] + 1)] or client.ids != chat[0].ids
            for chat in self.chats
            for client in chat
        )

    def quiet_periods(self) -> int:
        """How often a chat was quiet for long enough; one whose messages are all refused is so too."""
        times = [chat[0].moments for chat in self.chats]
        return (
            sum(later - earlier > ALMOST * QUIET for each in times for earlier, later in pairwise(each))
            + CHATS
        )

    def count(self, kind: str) -> int:
        """Frames of a kind that speakers got."""
        return sum(chat[0].told[kind] for chat in self.chats)


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sockets", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="for a minute each")
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    seconds = 60.0 if given.full else given.seconds
    figures = [figure for rate in (300, 100) for figure in _figures(rate, seconds)]
    sockets = CHATS * LISTENERS
    setting = f"SQLite, {sockets} sockets in {CHATS} chats, {PER_SECOND} messages/s in each for {seconds:g} s"
    return finish(Result(program="sockets", setting=setting, figures=tuple(figures)))


def _figures(rate: int, seconds: float) -> Iterator[Figure]:
    sys.stderr.write(f"INBOUND_RPS={rate}\n")
    given = {"INBOUND_RPS": rate, "CHAT_QUIET_SECONDS": QUIET}
    with (
        TemporaryDirectory(prefix="sockets-") as name,
        fake_grok(0.5) as grok,
        service(Path(name), grok, **given) as process,
    ):
        seen = asyncio.run(_talk(process, grok, seconds))
    said = round(seconds * PER_SECOND) * CHATS
    limits = f"INBOUND_RPS={rate}"
    answered = seen.count("ack") + seen.count("error")
    yield Figure(
        name=f"{limits}: messages neither acknowledged nor refused", value=said - answered, at_most=0
    )
    yield Figure(name=f"{limits}: refused", value=seen.count("error"), note=f"of {said:,}")
    yield Figure(
        name=f"{limits}: clients that missed, doubled or reordered any", value=seen.wrong(), at_most=0
    )
    delays = [each for chat in seen.chats for client in chat for each in client.delays]
    for percent in (50, 99):
        value = percentile(delays, percent)
        yield Figure(name=f"{limits}: said to heard, p{percent}", value=value, unit="ms", rounds=len(delays))
    share = seen.summaries / seen.quiet_periods()
    note = f"{seen.summaries} summaries"
    yield Figure(name=f"{limits}: summaries a quiet period of a chat", value=share, at_most=1, note=note)
    early, late = seen.memory
    yield Figure(name=f"{limits}: memory", value=late, unit="MB", note=f"{late - early:+.1f} MB meanwhile")
    yield Figure(name=f"{limits}: CPU of one core", value=seen.cpu * 100, unit="%")


async def _talk(process: Process, grok: str, seconds: float) -> Seen:
    url = process.url.replace("http", "ws", 1)
    async with AsyncExitStack() as stack:
        chats = [
            [
                Client(
                    await stack.enter_async_context(connect(f"{url}/ws/chats/c{chat}?after=0", proxy=None))
                )
                for _ in range(LISTENERS)
            ]
            for chat in range(CHATS)
        ]
        clients = [client for chat in chats for client in chat]
        listening = [asyncio.create_task(client.listen()) for client in clients]
        before = cpu_seconds(process)
        speaking = asyncio.gather(*(chat[0].speak(seconds) for chat in chats))
        await asyncio.sleep(seconds / 4)
        early = resident_mb(process)
        await speaking
        cpu = (cpu_seconds(process) - before) / seconds
        late = resident_mb(process)
        await eventually(lambda: all(client.told["summary"] for client in clients), PATIENCE)
        for each in listening:
            each.cancel()
    async with httpx.AsyncClient(trust_env=False) as http:
        stats = (await http.get(f"{grok}/__stats")).json()
    return Seen(chats, (early, late), cpu, stats["kinds"].get("summary", 0))


if __name__ == "__main__":
    raise SystemExit(main())
