"""Posts conversations over many connections as fast as they are answered, and reports the throughput.

    python -m benchmarks.driver http://127.0.0.1:8000/api/v1/conversations --connections 64 --seconds 5

A process of its own, so that it does not share an interpreter with what it measures; prints one line of JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from statistics import quantiles
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

END_OF_HEADERS = b"\r\n\r\n"
AUTHORS = 5_000


def text_of(number: int) -> str:
    """What the conversation with this number says: some 120 characters, in no other the same."""
    return (
        f"Order {number} should have come on Monday. It is Friday now, the tracking page has not moved since, "
        "and nobody answers the phone."
    )


def author_of(number: int) -> str:
    """The author of the conversation with this number."""
    return f"customer{number % AUTHORS}"


@dataclass
class Run:
    """What all connections share. Latencies in seconds; nothing counts before `counting_from`."""

    path: str
    bulk: int
    counting_from: float
    until: float
    key: str = ""
    sent: int = 0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def body(self) -> bytes:
        """The next request: about 220 bytes a conversation."""
        first, self.sent = self.sent, self.sent + max(1, self.bulk)
        items = [self._item(number) for number in range(first, self.sent)]
        content = json.dumps(items if self.bulk else items[0]).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        if self.key:
            head += f"Authorization: Bearer {self.key}\r\n"
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content

    def _item(self, number: int) -> dict[str, Any]:
        when = f"2026-01-20T10:{number // 60 % 60:02}:{number % 60:02}Z"
        return {"text": text_of(number), "author": author_of(number), "timestamp": when}

    def answered(self, since: float, now: float, status: int) -> None:
        if now >= self.counting_from:
            self.latencies.append(now - since)
            self.statuses[status] += 1


class Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, run: Run, done: "asyncio.Future[None]") -> None:
        self._run = run
        self._done = done
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._post()

    def _post(self) -> None:
        self._since = time.perf_counter()
        self._transport.write(self._run.body())

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(END_OF_HEADERS)
        if not found or len(body) < _length(head):
            return
        self._received = b""
        now = time.perf_counter()
        self._run.answered(self._since, now, int(head[9:12]))
        if now < self._run.until:
            self._post()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length: ")
    return int(rest.partition(b"\r\n")[0])


async def drive(
    url: str, connections: int, seconds: float, warm_up: float, bulk: int, key: str = ""
) -> dict[str, Any]:
    """Post for so many seconds after the warm-up; conversations a second and latencies in milliseconds."""
    where = urlsplit(url)
    loop = asyncio.get_running_loop()
    start = time.perf_counter() + warm_up
    run = Run(where.path, bulk, start, start + seconds, key)
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    for end in ends:
        await loop.create_connection(partial(Client, run, end), where.hostname or "", where.port or 80)
    await asyncio.gather(*ends)
    percentiles = quantiles(run.latencies, n=100)
    return {
        "per_second": len(run.latencies) * max(1, bulk) / seconds,
        "p50_ms": percentiles[49] * 1000,
        "p99_ms": percentiles[98] * 1000,
        "sent": run.sent,
        "statuses": {str(status): count for status, count in run.statuses.items()},
    }


def main() -> None:
    """Drive the address given on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.driver", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warm-up", type=float, default=1, help="seconds that do not count")
    parser.add_argument(
        "--bulk", type=int, default=0, help="conversations a request; 0: one, not in an array"
    )
    parser.add_argument("--key", default="", help="the API key that each request carries")
    given = parser.parse_args()
    found = uvloop.run(
        drive(given.url, given.connections, given.seconds, given.warm_up, given.bulk, given.key)
    )
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
