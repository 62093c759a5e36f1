"""The parent's side of `llm.offline.child`: starts the child process, asks it, and replaces it when it dies or hangs.

Its work is CPU-bound, and on the event loop or in a thread it would cost intake a third of its throughput. So it
runs in one child process, `python -m llm.offline.child`, which reads requests and writes answers as lines of JSON.
The child exits at the end of its input, so it cannot outlive its parent, however that dies.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from core import cpus
from core.children import send_to_child
from domain.analysis import BeforeSend, ProviderFault

ROOT = Path(__file__).resolve().parents[2]
CHILD = (sys.executable, "-m", "llm.offline.child")
SECONDS_TO_END = 0.5
LONGEST_ANSWER = 2**23  # bytes; 256 rows need under 2**20, and asyncio's own limit is 2**16
ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class _Child:
    process: asyncio.subprocess.Process
    requests: asyncio.StreamWriter
    answers: asyncio.StreamReader


class ChildProcess:
    """A child process that answers requests, one after another; leaving the block ends it.

    It starts with the first request, and again with the first one after it has died or the topics have changed.
    """

    def __init__(
        self, topics: Mapping[str, str], *, timeout_seconds: float = 60, command: Sequence[str] = CHILD
    ) -> None:
        """Without topics the child knows languages only."""
        self._topics = topics
        self._command = command
        self._timeout = timeout_seconds
        # The CPUs allowed now: later the event loop and the writer are bound to a single one.
        self._cpus = cpus.allowed()
        self._lock = asyncio.Lock()
        self._child: _Child | None = None
        self._told: Mapping[str, str] = {}
        self._last_id = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        await self._end(patience=SECONDS_TO_END)

    @property
    def pid(self) -> int | None:
        """The child's process id; None if it does not run."""
        child = self._child
        return child.process.pid if child and child.process.returncode is None else None

    async def start(self) -> None:
        """Start the child. Raises ProviderFault if that fails."""
        try:
            await self.call({})
        except BaseException:
            await self._end()
            raise

    async def call(self, request: Mapping[str, object], before_send: BeforeSend | None = None) -> list[Any]:
        """The rows that the child answers. Concurrent calls are answered one after another.

        Raises ProviderFault if the child has died (the next call starts a new one), does not answer in time, or
        this is closed.
        """
        async with self._lock:
            child = await self._ensure_child()
            await (before_send or _no_pace)()
            return await self._request_in_time(child, request)

    async def _ensure_child(self) -> _Child:
        if self._child and self.pid and self._told == dict(self._topics):
            return self._child
        if self._closed:
            raise ProviderFault("unreachable", "the offline analyzer is closed")
        await self._end()
        try:
            return await self._start_child()
        except OSError as error:
            reason = f"the child process cannot start: {type(error).__name__}"
            raise ProviderFault("unreachable", reason) from error

    async def _start_child(self) -> _Child:
        child = self._child = await _spawn(self._command)
        cpus.spread(self._cpus, child.process.pid)
        self._told = dict(self._topics)
        await send_to_child(child.requests, _line(self._told))
        return child

    async def _request_in_time(self, child: _Child, request: Mapping[str, object]) -> list[Any]:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._request(child, request)
        except TimeoutError:
            await self._end()
            raise ProviderFault("timeout", f"the child did not answer within {self._timeout:g} s") from None
        except OSError as error:
            await self._end()
            raise ProviderFault(
                "unreachable", f"the child process has died: {type(error).__name__}"
            ) from error

    async def _request(self, child: _Child, request: Mapping[str, object]) -> list[Any]:
        """Send a request and read its answer. Ids let it skip the answers of earlier, cancelled calls."""
        self._last_id += 1
        await send_to_child(child.requests, _line({"id": self._last_id, **request}))
        while line := await child.answers.readline():
            answer: dict[str, Any] = json.loads(line)
            if answer["id"] == self._last_id:
                return list(answer["rows"])
        raise ConnectionResetError("end of answers")

    async def _end(self, *, patience: float = 0) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.requests.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await child.process.wait()
        with suppress(ProcessLookupError):
            child.process.kill()
        await child.process.wait()


async def _spawn(command: Sequence[str]) -> _Child:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_ANSWER,
    )
    requests, answers = cast(asyncio.StreamWriter, process.stdin), cast(asyncio.StreamReader, process.stdout)
    return _Child(process, requests, answers)


async def _no_pace() -> None:
    """What costs nothing is not paced."""


def _line(value: object) -> bytes:
    return ENCODER.encode(value).encode() + b"\n"
