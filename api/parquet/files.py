"""Parquet files as the service makes them: rows go to a child process, and pieces of the file come back."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

from pydantic.fields import FieldInfo

from api.errors import ApiError
from api.exports import ndjson_lines
from api.parquet.columns import columns_of
from core import cpus
from core.children import end_child, send_to_child, start_child
from core.errors import InsightsError
from schemas import Code

ROOT = Path(__file__).resolve().parents[2]
CHILD = (sys.executable, "-m", "api.parquet.child")
ENVIRONMENT: Mapping[str, str] = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""All that the child gets: none of the service's, so no secret of it."""
AT_ONCE = 2
WAIT_SECONDS = 20.0
"""How long a file waits for its turn. A file of 300,000 insights takes as long."""
PIECE_BYTES = 2**16

RowPages = AsyncIterable[Iterable[Mapping[str, Any]]]


class ParquetFailed(InsightsError):
    """The child process ended before the file did."""


class ParquetFiles:
    """Writes files, at most two at once: each has a process of about 90 MB for as long as it is being read."""

    def __init__(
        self, *, at_once: int = AT_ONCE, wait_seconds: float = WAIT_SECONDS, command: Sequence[str] = CHILD
    ) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._wait_seconds = wait_seconds
        self._command = command
        # Those allowed now: the event loop is bound to a single one later, and children inherit that.
        self._cpus = cpus.allowed()

    async def write(self, pages: RowPages, fields: Mapping[str, FieldInfo]) -> AsyncGenerator[bytes, None]:
        """The pieces of a file of these rows; closing the iterator ends the process.

        Whoever reads slowly has the pages read slowly. Raises ApiError if too many files are being written, before
        the first piece, and ParquetFailed if the process cannot start or dies.
        """
        async with self._turn(), self._child() as child:
            feeding = asyncio.create_task(_feed(child, pages, fields))
            try:
                while piece := await cast(asyncio.StreamReader, child.stdout).read(PIECE_BYTES):
                    yield piece
                await feeding
                if code := await child.wait():
                    raise ParquetFailed(f"the process that writes Parquet ended with {code}")
            finally:
                feeding.cancel()
                await asyncio.wait([feeding])

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._turns.acquire()
        except TimeoutError:
            busy = "as many Parquet files as this process writes at once are being downloaded"
            raise ApiError(Code.OVERLOADED, busy, retry_after=round(self._wait_seconds)) from None
        try:
            yield
        finally:
            self._turns.release()

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[asyncio.subprocess.Process]:
        child = await _start(self._command)
        try:
            cpus.spread(self._cpus, child.pid)
            yield child
        finally:
            await end_child(child)


async def _start(command: Sequence[str]) -> asyncio.subprocess.Process:
    try:
        return await start_child(command, folder=ROOT, environment=ENVIRONMENT, limit=PIECE_BYTES)
    except OSError as error:
        raise ParquetFailed(
            f"the process that writes Parquet cannot start: {type(error).__name__}"
        ) from error


async def _feed(child: asyncio.subprocess.Process, pages: RowPages, fields: Mapping[str, FieldInfo]) -> None:
    """Hand over the rows, and the end of them. Where they break off the child is killed: its file must not end."""
    to_child = cast(asyncio.StreamWriter, child.stdin)
    try:
        await _hand_over(to_child, json.dumps(columns_of(fields)) + "\n")
        async for page in pages:
            await _hand_over(to_child, ndjson_lines(page))
        to_child.close()
    except BaseException:
        with suppress(ProcessLookupError):
            child.kill()
        raise


async def _hand_over(to_child: asyncio.StreamWriter, lines: str) -> None:
    try:
        await send_to_child(to_child, lines.encode())
    except OSError as error:
        raise ParquetFailed(f"the process that writes Parquet has died: {type(error).__name__}") from error
