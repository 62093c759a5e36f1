"""The whole service under test: in a thread beside the test, or as a process of its own that can be killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Row, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from api.server import SOCKETS
from core import clock as times
from core.settings import Settings
from main import create_app
from tests.fake_grok.server import KEY, FakeGrok
from tests.support.log_lines import Lines, captured
from tests.support.serving import Served, eventually, served

ROOT = Path(__file__).parents[2]
POSTS = "/api/v1/conversations"
ENDED = frozenset({"completed", "failed", "skipped"})
Json = dict[str, Any]

# As fast as the rules allow: a test waits for what it is about, not for patience and pace.
QUICK: Json = {
    "_env_file": None,
    "inbound_rps": 0,
    "outbound_rps": 100,
    "batch_flush_seconds": 0.05,
    "backoff_seconds": 0.05,
    "cooldown_seconds": 0.3,
}


def address(url: URL) -> str:
    """The database's address as it stands in the environment."""
    return url.render_as_string(hide_password=False)


async def rows(database: URL, statement: str, **values: object) -> Sequence[Row[Any]]:
    """What is in the database, behind the service's back."""
    engine = create_async_engine(database, poolclass=NullPool)
    async with engine.begin() as connection:
        result = await connection.execute(text(statement), values)
        found = result.all() if result.returns_rows else ()
    await engine.dispose()
    return found


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

    async def get(self, path: str, **params: Any) -> Json:
        """The answer to a GET, which has to be a 200."""
        response = await self.http.get(path, params=params)
        assert response.status_code == 200, response.text
        body: Json = response.json()
        return body

    async def one(self, id_: str, **params: Any) -> Json:
        """A conversation."""
        return await self.get(f"{POSTS}/{id_}", **params)

    async def ended(self, id_: str, seconds: float = 15, **params: Any) -> Json:
        """A conversation that has been completed, skipped or given up by then."""
        view = await self.one(id_, wait=seconds, **params)
        assert view["status"] in ENDED, view
        return view

    async def all_ended(self, ids: Sequence[str], seconds: float = 15) -> list[Json]:
        """The status of each of up to 500 conversations, once all have ended."""

        async def views() -> list[Json] | None:
            found = await self.all_of(ids)
            left = [each["conversation_id"] for each in found if each["status"] not in ENDED]
            if left:
                # Asking for all of them again and again would take the time that they need.
                await self.one(left[-1], wait=min(seconds, 10))
            return None if left else found

        found: list[Json] = await eventually(views, seconds)
        return found

    async def all_of(self, ids: Sequence[str]) -> list[Json]:
        """The status of each of up to 500 conversations, now."""
        response = await self.http.post(f"{POSTS}/status", json={"ids": ids})
        found: list[Json] = response.json()["conversations"]
        return found

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

    `given` are settings, and `clock` where it is not the machine's; `port` is any by default.
    """
    clock, port = given.pop("clock", times.now), given.pop("port", 0)
    where = {} if grok is None else {"grok_api_key": KEY, "grok_base_url": grok.url}
    mode = "offline" if grok is None else "real"
    named = {**QUICK, "database_url": address(database), "grok_mode": mode, **where, **given}
    return served(create_app(Settings(**named), clock), port=port, **SOCKETS)


@asynccontextmanager
async def running(database: URL, grok: Grok | None = None, **given: Any) -> AsyncIterator[Service]:
    """The service in a thread, with a client of it; `given` are settings."""
    with captured("INFO") as lines, serving(database, grok, **given) as server:
        async with client(server.url) as http:
            yield Service(server.url, http, database, lines)


def client(url: str) -> httpx.AsyncClient:
    """A client that waits long enough for a `?wait=`, and uses no proxy."""
    return httpx.AsyncClient(base_url=url, timeout=60, trust_env=False)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """The service as its operator starts it: a process, its environment, its output in a file.

    Used as a context, it is started, and killed at the end whatever has become of it.
    """

    def __init__(
        self, folder: Path, command: Sequence[str] = (), *, wait: bool = True, **environ: Any
    ) -> None:
        """`command` is what Python is given, `main.py` by default; `wait` is for `/health` to answer."""
        self.port = int(str(environ.get("PORT") or free_port()))
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = folder / f"output-{self.port}.txt"
        self._folder = folder
        self._wait = wait
        self._command = [sys.executable, *(command or [str(ROOT / "main.py")])]
        given = {"HOST": "127.0.0.1", "PORT": self.port, **environ}
        # Nothing of the environment of who runs the tests: a key in it would be used.
        self._environ = {"PATH": os.environ["PATH"], **{name: str(value) for name, value in given.items()}}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)
        if failure is not None:
            # Its output is gone by the time that anybody reads of the failure.
            for line in self.errors[-3:]:
                failure.add_note(line)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that was started last."""
        assert self._process is not None
        return self._process

    @property
    def said(self) -> str:
        """All that it wrote so far."""
        return self.output.read_text()

    @property
    def errors(self) -> list[str]:
        """The errors among it."""
        return [line for line in self.said.splitlines() if '"level": "error"' in line]

    def start(self, **environ: Any) -> None:
        """Start it (again), on the same port and database; `environ` counts from now on."""
        self._environ |= {name: str(value) for name, value in environ.items()}
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environ, stdout=output, stderr=output
            )
        if self._wait:
            self.until_healthy()

    def until_healthy(self, seconds: float = 30) -> None:
        """Wait until `/health` answers 200."""
        deadline = time.monotonic() + seconds
        while not self._health():
            assert self.process.poll() is None, f"it ended: {self.said}"
            assert time.monotonic() < deadline, f"no answer after {seconds:g} s: {self.said}"
            time.sleep(0.05)

    def drained(self, seconds: float) -> bool:
        """Whether within so many seconds nothing is left to analyse."""
        deadline = time.monotonic() + seconds
        while self._health().get("queue_size") != 0:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def _health(self) -> Json:
        """What `/health` says, nothing where it does not answer 200."""
        # Not by httpx: it takes 35 ms of CPU to make a client, which the service needs while it starts.
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            try:
                connection.request("GET", "/health")
                response = connection.getresponse()
                body: Json = json.load(response)
            except (OSError, HTTPException, ValueError):
                return {}
        return body if response.status == 200 else {}

    def end(self, number: signal.Signals, seconds: float = 30) -> float:
        """Send it the signal; how many seconds it took to be gone."""
        since = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(seconds)
        return time.monotonic() - since

    def exit_code(self, seconds: float = 30) -> int:
        """What it ended with by itself."""
        return self.process.wait(seconds)
