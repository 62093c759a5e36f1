"""Posts conversations one at a time at an even rate, whatever the answers take, until it is told to stop.

    python -m benchmarks.pressure http://127.0.0.1:8000 --rate 500

A process of its own. On SIGTERM it prints, as a line of JSON, how many it sent, how many were answered 202, and
for how many seconds it ran.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks.results import ROOT

CONNECTIONS = 16
PATH = "/api/v1/conversations"
POSTS = 500
"""A second: as many as a cap of 10 calls with batches of 50 can analyse."""


@dataclass
class Pressure:
    """A running one; what it said is there when it has ended."""

    process: "subprocess.Popen[str]"
    sent: int = 0
    accepted: int = 0
    seconds: float = field(default=1.0)


@contextmanager
def pressed(url: str, rate: float = POSTS) -> Iterator[Pressure]:
    """Posts while the block runs."""
    command = [sys.executable, "-m", "benchmarks.pressure", url, "--rate", str(rate)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own
        pressure = Pressure(process)
        try:
            yield pressure
        finally:
            process.terminate()
            said, _ = process.communicate(timeout=60)
    told = json.loads(said)
    pressure.sent, pressure.accepted, pressure.seconds = told["sent"], told["accepted"], told["seconds"]


def _request(number: int) -> bytes:
    text = f"Order {number} should have come on Monday and the tracking has not moved since; nobody answers."
    body = json.dumps({"text": text, "author": f"author_{number % 5_000}"}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _connection(host: str, port: int, queue: "asyncio.Queue[bytes]", statuses: list[int]) -> None:
    """Send what is queued, one after the other."""
    reader, writer = await asyncio.open_connection(host, port)
    while True:
        writer.write(await queue.get())
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.lower().partition(b"content-length: ")
        await reader.readexactly(int(rest.partition(b"\r\n")[0]))
        statuses.append(int(head[9:12]))


async def press(url: str, rate: float) -> dict[str, float]:
    """Post until SIGTERM."""
    where = urlsplit(url)
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    statuses: list[int] = []
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sent, began = 0, time.monotonic()
    async with asyncio.TaskGroup() as group:
        connections = [
            group.create_task(_connection(where.hostname or "", where.port or 80, queue, statuses))
            for _ in range(CONNECTIONS)
        ]
        while not stop.is_set():
            due = int((time.monotonic() - began) * rate)
            for number in range(sent, due):
                queue.put_nowait(_request(number))
            sent = max(sent, due)
            await asyncio.sleep(1 / rate)
        for each in connections:
            each.cancel()
    return {"sent": sent, "accepted": statuses.count(202), "seconds": time.monotonic() - began}


def main() -> int:
    """Press the service given on the command line; 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pressure", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=POSTS, help="posts a second (default: %(default)s)")
    given = parser.parse_args()
    sys.stdout.write(json.dumps(asyncio.run(press(given.url, given.rate))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
