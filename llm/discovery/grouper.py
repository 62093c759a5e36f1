"""The child process that groups conversations, as the service sees it: `async with grouper() as child`.

Its memory goes back to the operating system when the run is over, because the process ends. It gets none of the
service's environment, so no secret of it.
"""

import asyncio
import json
import sys
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from core.children import end_child, send_to_child, start_child
from domain.analysis import ProviderFault

ROOT = Path(__file__).resolve().parents[2]
CHILD = (sys.executable, "-m", "llm.discovery.child")
ENVIRONMENT: Mapping[str, str] = {
    "HOME": str(
        ROOT
    ),  # wordllama asks for the home folder when it is imported, and a container's user may have none
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONDONTWRITEBYTECODE": "1",
}
LONGEST_ANSWER = 2**25
"""Bytes of a line: a group of a million conversations takes about 3 MB."""
ENCODER = json.JSONEncoder(separators=(",", ":"))

Row = tuple[int, int, bool, str, str, Sequence[int]]
"""Number, a number for who said it, whether in the window (or before it), language, text, numbers of topics."""


class Remembered(NamedTuple):
    """A group of an earlier run: id, language, packed members, and centroid in base 64."""

    id: str
    language: str
    members: bytes
    centroid: str


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A group as the child tells it; see `found.Group`. `members` are packed, `centroid` is in base 64."""

    language: str
    size: int
    members: bytes
    centroid: str
    people: int
    now: int
    before: int
    p: float
    grew: bool
    words: list[str]
    examples: list[int]
    former: str | None
    came_from: list[tuple[str, float]]
    topic: int | None
    explained: bool


@dataclass(frozen=True, slots=True)
class RunEnd:
    """Former groups that are gone, with the places of the groups that their conversations are in now, and their
    shares; and what the child has used."""

    lost: list[tuple[str, list[tuple[int, float]]]]
    cpu_seconds: float
    rss_bytes: int


class Grouper:
    """One run: `begin`, `add` the drawn texts, `fit`, `add` the others, `told`.

    Each raises ProviderFault if the child has died. `pid` is the child's process id.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._requests = cast(asyncio.StreamWriter, process.stdin)
        self._answers = cast(asyncio.StreamReader, process.stdout)

    async def begin(self, former: Sequence[Remembered], *, seed: int, min_people: int) -> None:
        """Say what the run begins with."""
        known = [(each.id, each.language, _text(each.members), each.centroid) for each in former]
        await self._send({"former": known, "seed": seed, "min_people": min_people})

    async def add(self, rows: Sequence[Row]) -> None:
        """Send a block of conversations. 200 keep the event loop busy for 1 ms."""
        await self._send(rows)

    async def fit(self) -> None:
        """Have the conversations that were sent so far grouped. Those that follow join these groups."""
        await self._send("fit")
        await self._answer()

    async def told(self) -> tuple[list[FoundGroup], RunEnd]:
        """All groups, and the end of the run."""
        await self._send("tell")
        groups = []
        while "lost" not in (answer := await self._answer()):
            groups.append(FoundGroup(**{**answer, "members": b64decode(answer["members"])}))
        return groups, RunEnd(**answer)

    async def _send(self, request: object) -> None:
        try:
            await send_to_child(self._requests, ENCODER.encode(request).encode() + b"\n")
        except OSError as error:
            raise _died() from error

    async def _answer(self) -> dict[str, Any]:
        line = await self._answers.readline()
        if not line:
            raise _died()
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def grouper(command: Sequence[str] = CHILD) -> AsyncIterator[Grouper]:
    """A child process for one run; leaving kills it. Raises ProviderFault if it cannot start."""
    process = await _start(command)
    try:
        yield Grouper(process)
    finally:
        await end_child(process)


async def _start(command: Sequence[str]) -> asyncio.subprocess.Process:
    try:
        return await start_child(command, folder=ROOT, environment=ENVIRONMENT, limit=LONGEST_ANSWER)
    except OSError as error:
        raise ProviderFault(
            "unreachable", f"the child process cannot start: {type(error).__name__}"
        ) from error


def _text(packed: bytes) -> str:
    return b64encode(packed).decode()


def _died() -> ProviderFault:
    return ProviderFault("unreachable", "the child process that groups conversations has died")
