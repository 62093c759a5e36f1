"""How fast the dashboard is over a large database, and what fifty people who look at it cost the service.

    python -m benchmarks.dashboard [--rows 1000000]

Sessions speak Streamlit's protocol over its socket, as a browser does: they run a page, and run what is due again by
itself. A rerun is timed until its script has ended; drawing in a browser comes on top, and `make test-dashboard` times
that. Every rerun looks at a window that nobody has looked at before, so that nothing comes from the cache.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks import seeded
from benchmarks.results import ROOT, Figure, Result, finish
from benchmarks.support.process import Json, Process, client, free_port
from benchmarks.support.steady import post_steadily
from benchmarks.support.waiting import eventually
from benchmarks.timing import percentile

ROWS = 1_000_000
SESSIONS = 50
RERUNS = 15
DAYS = 7
PER_SECOND, SECONDS = 50, 20
VIEWS = ("changed", "day", "who", "cases", "conversations", "topics", "health")
MOST_RERUN_MS, MOST_SLOWER, MOST_REQUESTS, MOST_MB = 700, 1.3, 6, 400
FINISHED = {ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_EARLY_FOR_RERUN}
PATIENCE = 60


@dataclass
class Session:
    """A browser's tab as far as the dashboard's server knows it."""

    socket: ClientConnection
    view: str = VIEWS[0]
    due: dict[str, float] = field(default_factory=dict)
    """Fragments that run again by themselves, with their seconds."""

    async def run(self, view: str, query: str) -> float:
        """Open a view at an address; milliseconds until its script has ended."""
        self.view, self.due = view, {}
        since = time.perf_counter()
        await self._ask(query)
        while not await self._heard():
            pass
        return (time.perf_counter() - since) * 1_000

    async def stay(self) -> None:
        """Run what is due, for ever."""
        last = dict.fromkeys(self.due, time.monotonic())
        hearing = asyncio.create_task(self._hear_on())
        try:
            while True:
                await asyncio.sleep(0.1)
                for fragment, seconds in self.due.items():
                    if time.monotonic() - last.setdefault(fragment, 0.0) >= seconds:
                        last[fragment] = time.monotonic()
                        await self._ask("", fragment)
        finally:
            hearing.cancel()

    async def _ask(self, query: str, fragment: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_name = "" if self.view == VIEWS[0] else self.view
        message.rerun_script.fragment_id = fragment
        message.rerun_script.is_auto_rerun = bool(fragment)
        await self.socket.send(message.SerializeToString())

    async def _heard(self) -> bool:
        """Take in a message; whether it says that the script has ended."""
        message = ForwardMsg.FromString(bytes(await self.socket.recv(decode=False)))
        match message.WhichOneof("type"):
            case "auto_rerun":
                self.due[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            case "script_finished":
                return message.script_finished in FINISHED
            case "delta" if message.delta.new_element.WhichOneof("type") == "exception":
                raise RuntimeError(f"{self.view}: {message.delta.new_element.exception.message}")
        return False

    async def _hear_on(self) -> None:
        while True:
            await self._heard()


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[Session]:
    """A session, closed after the block."""
    url = f"ws://127.0.0.1:{port}/_stcore/stream"
    async with connect(url, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
        yield Session(socket)


@contextmanager
def dashboard(url: str) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """The dashboard of a service; its port and process."""
    port = free_port()
    environ = {**os.environ, "API_URL": url, "DASHBOARD_PORT": str(port)}
    command = [sys.executable, "-m", "dashboard"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL) as process:  # noqa: S603  our own
        try:
            yield port, process
        finally:
            process.terminate()


def addresses(last: date) -> Iterator[str]:
    """Queries of windows, each another one, from the last week back."""
    while True:
        yield f"from={last - timedelta(days=DAYS - 1)}&to={last}"
        last -= timedelta(days=1)


async def measured(url: str, port: int, pid: int, last: date) -> Sequence[Figure]:
    """All figures, in the order of the report."""
    await eventually(lambda: _is_up(port), seconds=PATIENCE)
    places = addresses(last)
    figures: list[Figure] = []
    async with client(url) as http:
        for view in VIEWS:
            figures += await _view(http, port, view, places)
        figures += await _beside(http, port, places)
    memory = psutil.Process(pid).memory_info().rss / 1_000_000
    figures.append(
        Figure(name="memory of the dashboard after all of it", value=memory, unit="MB", at_most=MOST_MB)
    )
    return figures


async def _view(http: httpx.AsyncClient, port: int, view: str, places: Iterator[str]) -> Sequence[Figure]:
    async with opened(port) as session:
        before = await _requests(http)
        await session.run(view, next(places))
        asked = await _requests(http) - before
        times = [await session.run(view, next(places)) for _ in range(RERUNS)]
    note = f"{min(times):.0f} to {max(times):.0f}"
    return [
        Figure(
            name=f"{view}: a rerun over a window that nobody has seen",
            value=median(times),
            unit="ms",
            at_most=MOST_RERUN_MS,
            rounds=RERUNS,
            note=note,
        ),
        Figure(name=f"{view}: requests of a first look", value=asked, at_most=MOST_REQUESTS),
    ]


async def _beside(http: httpx.AsyncClient, port: int, places: Iterator[str]) -> Sequence[Figure]:
    """Posts with nobody there, with fifty sessions, and with nobody again."""
    await post_steadily(http, 5 * PER_SECOND, PER_SECOND)
    before = await post_steadily(http, SECONDS * PER_SECOND, PER_SECOND)
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(opened(port)) for _ in range(SESSIONS)]
        for number, session in enumerate(sessions):
            await session.run(VIEWS[number % len(VIEWS)], next(places))
        staying = [asyncio.create_task(session.stay()) for session in sessions]
        meanwhile = await post_steadily(http, SECONDS * PER_SECOND, PER_SECOND)
        for each in staying:
            each.cancel()
        await asyncio.gather(*staying, return_exceptions=True)
    after = await post_steadily(http, SECONDS * PER_SECOND, PER_SECOND)
    alone, beside = percentile((*before, *after), 99), percentile(meanwhile, 99)
    return [
        Figure(name="p99 of a post, nobody there", value=alone, unit="ms", rounds=len(before) + len(after)),
        Figure(
            name=f"p99 of a post beside {SESSIONS} sessions", value=beside, unit="ms", rounds=len(meanwhile)
        ),
        Figure(name="the second over the first", value=beside / alone, at_most=MOST_SLOWER),
    ]


async def _requests(http: httpx.AsyncClient) -> float:
    """How many requests of the dashboard the service has answered."""
    text = (await http.get("/metrics")).text
    lines = (line for line in text.splitlines() if line.startswith("http_request_duration_seconds_count{"))
    return sum(float(line.rpartition(" ")[2]) for line in lines if "/metrics" not in line)


async def _is_up(port: int) -> bool:
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(f"http://127.0.0.1:{port}/_stcore/health")).is_success
        except httpx.HTTPError:
            return False


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.dashboard", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="no more than without")
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dashboard-")))
        copy = stack.enter_context(seeded.copied(seeded.database_url(rows)))
        given: Json = {"DATABASE_URL": copy, "GROK_MODE": "offline", "INBOUND_RPS": 0, "LOG_LEVEL": "WARNING"}
        service = stack.enter_context(Process(folder, **given))
        port, process = stack.enter_context(dashboard(service.url))
        last = _newest(service.url)
        figures = asyncio.run(measured(service.url, port, process.pid, last))
    setting = f"SQLite, {rows:,} conversations over 400 days, windows of {DAYS} days; {PER_SECOND} posts/s"
    return finish(Result(program="dashboard", setting=setting, figures=tuple(figures)))


def _newest(url: str) -> date:
    """The day of the newest conversation."""
    ever: Json = {"start_time": "2000-01-01", "end_time": "2100-01-01", "limit": 1}
    found = httpx.get(f"{url}/api/v1/insights", params=ever, trust_env=False, timeout=60).json()
    return datetime.fromisoformat(found["insights"][0]["timestamp"]).astimezone(UTC).date()


if __name__ == "__main__":
    raise SystemExit(main())
