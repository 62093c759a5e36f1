"""The service as its operator starts it, for whoever measures it or tries to break it; and clients of it."""

import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import httpx
from sqlalchemy.engine import URL

ROOT = Path(__file__).parents[2]
POSTS = "/api/v1/conversations"
Json = dict[str, Any]
OWN_PORTS = range(20_000, 32_000)
"""Below those that systems give out: until a server has started, one of these may go to somebody else's."""
PATIENCE = 120
"""Seconds for a start or an end: on a machine with five times the work that it can do, a start took over 30."""
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: else httpx reads the machine's certificates for each, which takes 22 ms of CPU."""


def address(url: URL) -> str:
    """The database's address as it stands in the environment."""
    return url.render_as_string(hide_password=False)


def client(url: str) -> httpx.AsyncClient:
    """A client that waits long enough for a `?wait=`, and uses no proxy."""
    return httpx.AsyncClient(base_url=url, timeout=90, trust_env=False, verify=NO_TLS)


def free_port() -> int:
    """A port that nobody listens on just now, and that the system gives to nobody who does not ask for it."""
    while True:
        port = secrets.choice(OWN_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


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
        if self._process is None:
            raise RuntimeError("it was never started")
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
            self._process = subprocess.Popen(  # noqa: S603  our own
                self._command, cwd=self._folder, env=self._environ, stdout=output, stderr=output
            )
        if self._wait:
            self.until_healthy()

    def become(self, command: Sequence[str]) -> None:
        """Start it again as another program: `command` is what Python is given from now on."""
        self._command[1:] = command
        self.start()

    def until_healthy(self, seconds: float = PATIENCE) -> None:
        """Wait until `/healthz` answers 200, which a closed service does for everybody."""
        deadline = time.monotonic() + seconds
        while not self._answer("/healthz"):
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended: {self.said}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer after {seconds:g} s: {self.said}")
            time.sleep(0.05)

    def drained(self, seconds: float, headers: Mapping[str, str] = MappingProxyType({})) -> bool:
        """Whether within so many seconds nothing is left to analyse; a closed service wants a key in `headers`."""
        deadline = time.monotonic() + seconds
        while self._answer("/health", headers).get("queue_size") != 0:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def _answer(self, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> Json:
        """What it says at a path, nothing where it does not answer 200."""
        # Not by httpx: it takes 35 ms of CPU to make a client, which the service needs while it starts.
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            try:
                connection.request("GET", path, headers=dict(headers))
                response = connection.getresponse()
                body: Json = json.load(response)
            except (OSError, HTTPException, ValueError):
                return {}
        return body if response.status == 200 else {}

    def end(self, number: signal.Signals, seconds: float = PATIENCE) -> float:
        """Send it the signal; how many seconds it took to be gone."""
        since = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(seconds)
        return time.monotonic() - since

    def exit_code(self, seconds: float = PATIENCE) -> int:
        """What it ended with by itself."""
        return self.process.wait(seconds)
