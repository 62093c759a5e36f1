"""The offline analyzer, which replaces Grok if there is no API key.

Its work is CPU-bound, and on the event loop or in a thread it would cost intake a third of its throughput. So it
runs in one child process, `python -m llm.offline.child`, which reads requests and writes answers as lines of JSON.
The child exits at the end of its input, so it cannot outlive its parent, however that dies.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from core import cpus
from domain.analysis import ProviderFault, Reply, Usage
from domain.row_validation import validate_row
from domain.summaries import DraftListener, Material, Summarised
from llm import summary_answers

MODEL = "vader-3"  # part of the cache key: raise the number when the rules change
SUMMARY_MODEL = "luhn-1"  # the same for summaries

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


class OfflineAnalyzer:
    """An Analyzer without a network: `async with OfflineAnalyzer(topics) as analyzer`.

    Entering starts the child process and raises ProviderFault if that fails; leaving ends it.
    """

    name = "offline"
    model = MODEL
    fixed_tokens = 0
    summary_version = SUMMARY_MODEL

    def __init__(
        self, topics: Mapping[str, str], *, timeout_seconds: float = 60, command: Sequence[str] = CHILD
    ) -> None:
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

    @property
    def prompt_version(self) -> str:
        """The topics that are told now."""
        return ",".join(self._topics)

    async def __aenter__(self) -> Self:
        try:
            await self.analyse([], _no_pace)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        await self._end(patience=SECONDS_TO_END)

    @property
    def pid(self) -> int | None:
        """The child's process id; None if it does not run."""
        child = self._child
        return child.process.pid if child and child.process.returncode is None else None

    async def analyse(self, texts: Sequence[str], before_send: Callable[[], Awaitable[None]]) -> Reply:
        """Return one row per text, in the same order. Concurrent calls are answered one after another.

        Raises ProviderFault if the child has died (the next call starts a new one), does not answer in time, or
        this analyzer is closed.
        """
        rows = await self._call({"texts": list(texts)}, before_send)
        return Reply(rows=[validate_row(row) for row in rows], model=self.model)

    async def summarise(
        self,
        material: Material,
        before_send: Callable[[], Awaitable[None]],
        on_draft: DraftListener | None = None,
    ) -> Summarised:
        """Summarise by extracting sentences; `on_draft` is never called. Otherwise like `analyse`."""
        (answer,) = await self._call({"summarise": material.document}, before_send)
        summary = summary_answers.validate_summary(answer, material.citable)
        return Summarised(summary=summary, raw=ENCODER.encode(answer), model=SUMMARY_MODEL)

    def worst_summary(self, material: Material) -> Usage:
        """No usage: the offline analyzer costs nothing."""
        return Usage()

    def worst_case(self, texts: Sequence[str]) -> Usage:
        """No usage: the offline analyzer costs nothing."""
        return Usage()

    async def _ensure_child(self) -> _Child:
        if self._child and self.pid and self._told == dict(self._topics):
            return self._child
        if self._closed:
            raise ProviderFault("unreachable", "the offline analyzer is closed")
        await self._end()
        try:
            self._child = await _spawn(self._command)
        except OSError as error:
            reason = f"the child process cannot start: {type(error).__name__}"
            raise ProviderFault("unreachable", reason) from error
        cpus.spread(self._cpus, self._child.process.pid)
        self._told = dict(self._topics)
        self._child.requests.write(_line(self._told))
        return self._child

    async def _call(
        self, request: Mapping[str, object], before_send: Callable[[], Awaitable[None]]
    ) -> list[dict[str, object]]:
        async with self._lock:
            child = await self._ensure_child()
            await before_send()
            return await self._request_in_time(child, request)

    async def _request_in_time(self, child: _Child, request: Mapping[str, object]) -> list[dict[str, object]]:
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

    async def _request(self, child: _Child, request: Mapping[str, object]) -> list[dict[str, object]]:
        """Send a request and read its answer. Ids let it skip the answers of earlier, cancelled calls."""
        self._last_id += 1
        child.requests.write(_line({"id": self._last_id, **request}))
        await child.requests.drain()
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
    """The empty request that starts the child is not paced."""


def _line(value: object) -> bytes:
    return ENCODER.encode(value).encode() + b"\n"
