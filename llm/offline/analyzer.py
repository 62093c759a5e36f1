"""The offline analyzer: who answers in Grok's place where there is no key.

Analysing is arithmetic, and arithmetic on the event loop or in a thread of it costs intake a third of its
throughput. So it is done in one child process, `python -m llm.offline.child`, which reads requests and writes
answers as lines of JSON. The end of its input ends it: it cannot outlive its parent, however that one dies.
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
from domain.analysis import ProviderFault, Reply, Usage, validate_row
from domain.summaries import DraftListener, Material, Summarised
from llm import summary_answers

MODEL = "vader-1"  # part of the cache's key: count up when the rules change
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
    """`analysis.Analyzer` without a network: `async with OfflineAnalyzer(topics) as analyzer`.

    Entering starts the child process and raises ProviderFault where it does not come up; leaving ends it.
    """

    name = "offline"
    model = MODEL
    fixed_tokens = 0
    summary_version = SUMMARY_MODEL

    def __init__(
        self, topics: Mapping[str, str], *, timeout_seconds: float = 60, command: Sequence[str] = CHILD
    ) -> None:
        self.prompt_version = ",".join(topics)
        self._topics = topics
        self._command = command
        self._timeout = timeout_seconds
        # Where this process may run before its event loop has a CPU for itself and the writer.
        self._cpus = cpus.allowed()
        self._turn = asyncio.Lock()
        self._child: _Child | None = None
        self._asked = 0
        self._closed = False

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
        """The child's process id, None while there is none alive."""
        child = self._child
        return child.process.pid if child and child.process.returncode is None else None

    async def analyse(self, texts: Sequence[str], before_send: Callable[[], Awaitable[None]]) -> Reply:
        """One row per text, in the order asked. Calls may overlap; they are answered one after another.

        Raises ProviderFault where the child is gone (the next call starts another), does not answer in time,
        or this analyzer is closed.
        """
        rows = await self._answered({"texts": list(texts)}, before_send)
        return Reply(rows=[validate_row(row) for row in rows], model=self.model)

    async def summarise(
        self,
        material: Material,
        before_send: Callable[[], Awaitable[None]],
        on_draft: DraftListener | None = None,
    ) -> Summarised:
        """A summary by extracts, there all at once. Everything else as in `analyse`."""
        (answer,) = await self._answered({"summarise": material.document}, before_send)
        summary = summary_answers.validate_summary(answer, material.citable)
        return Summarised(summary=summary, raw=ENCODER.encode(answer), model=SUMMARY_MODEL)

    def worst_summary(self, material: Material) -> Usage:
        """Nothing: there are no tokens and no bill."""
        return Usage()

    def worst_case(self, texts: Sequence[str]) -> Usage:
        """Nothing: there are no tokens and no bill."""
        return Usage()

    async def _running(self) -> _Child:
        if self._child and self.pid:
            return self._child
        if self._closed:
            raise ProviderFault("unreachable", "the offline analyzer is closed")
        await self._end()
        try:
            self._child = await _spawn(self._command)
        except OSError as error:
            raise ProviderFault("unreachable", f"no child process: {type(error).__name__}") from error
        cpus.spread(self._cpus, self._child.process.pid)
        self._child.requests.write(_line(dict(self._topics)))
        return self._child

    async def _answered(
        self, request: Mapping[str, object], before_send: Callable[[], Awaitable[None]]
    ) -> list[dict[str, object]]:
        async with self._turn:
            child = await self._running()
            await before_send()
            return await self._in_time(child, request)

    async def _in_time(self, child: _Child, request: Mapping[str, object]) -> list[dict[str, object]]:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(child, request)
        except TimeoutError:
            await self._end()
            raise ProviderFault("timeout", f"no answer from the child in {self._timeout:g} s") from None
        except OSError as error:
            await self._end()
            raise ProviderFault("unreachable", f"the child is gone: {type(error).__name__}") from error

    async def _ask(self, child: _Child, request: Mapping[str, object]) -> list[dict[str, object]]:
        """A call that was cancelled leaves its answer behind, hence the numbers: who comes next skips it."""
        self._asked += 1
        child.requests.write(_line({"id": self._asked, **request}))
        await child.requests.drain()
        while line := await child.answers.readline():
            answer: dict[str, Any] = json.loads(line)
            if answer["id"] == self._asked:
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
    """Entering is no call: there is nothing to pace."""


def _line(value: object) -> bytes:
    return ENCODER.encode(value).encode() + b"\n"
