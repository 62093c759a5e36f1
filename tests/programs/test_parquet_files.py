"""The process that writes Parquet: at the reader's pace, never left behind, and never a file that only looks whole."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from hashlib import sha3_512
from io import BytesIO
from typing import Any

import psutil
import pytest
from pyarrow import parquet
from pydantic import BaseModel

from api.errors import ApiError
from api.parquet.files import CHILD, ParquetFailed, ParquetFiles, RowPages
from benchmarks.support.waiting import eventually
from schemas import Code

DIES = (sys.executable, "-c", "import sys; sys.stdin.readline(); sys.stdout.write('PAR1'); sys.exit(3)")


class Line(BaseModel):
    number: int
    text: str


FIELDS = Line.model_fields


class Pages:
    """Pages of rows that do not compress, and how many were asked for."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[Sequence[dict[str, Any]]]:
        while self.given < self.most:
            self.given += 1
            yield [
                {"number": n, "text": sha3_512(b"%d %d" % (self.given, n)).hexdigest() * 4}
                for n in range(1_000)
            ]


async def broken() -> AsyncIterator[Sequence[dict[str, Any]]]:
    yield [{"number": 1, "text": "a"}]
    raise OSError("no database")


async def collect(pieces: list[bytes], pages: RowPages, command: Sequence[str] = CHILD) -> None:
    async for piece in ParquetFiles(command=command).write(pages, FIELDS):
        pieces.append(piece)  # noqa: PERF401  those before an error as well


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if "api.parquet.child" in child.cmdline()}


async def test_a_file_is_whole_and_its_process_gone() -> None:
    pieces = [piece async for piece in ParquetFiles().write(Pages(3), FIELDS)]

    table = parquet.ParquetFile(BytesIO(b"".join(pieces))).read()
    assert pieces[0][:4] == b"PAR1"
    assert table["number"].to_pylist() == [*range(1_000)] * 3
    assert not children()


async def test_a_reader_who_waits_has_no_more_pages_read_and_who_leaves_ends_the_process() -> None:
    pages = Pages(200)
    async with aclosing(ParquetFiles().write(pages, FIELDS)) as pieces:
        await anext(pieces)
        (pid,) = children()
        # Until both pipes are full; the child's CPU time stands still then.
        await eventually(lambda: psutil.Process(pid).status() == "sleeping" and pages.given > 2)
        assert pages.given < 50

    assert not psutil.pid_exists(pid)


async def test_a_file_whose_rows_break_off_breaks_off_as_well() -> None:
    pieces: list[bytes] = []
    with pytest.raises(OSError, match="no database"):
        await collect(pieces, broken())

    assert b"".join(pieces) in (b"", b"PAR1")
    assert not children()


@pytest.mark.parametrize("command", [DIES, ("no such program",)])
async def test_a_process_that_dies_or_cannot_start_is_told_of(command: Sequence[str]) -> None:
    with pytest.raises(ParquetFailed):
        await collect([], Pages(100), command)


async def test_one_file_too_many_waits_and_is_refused_after_a_while() -> None:
    files = ParquetFiles(at_once=1, wait_seconds=0.05)
    async with aclosing(files.write(Pages(1), FIELDS)) as first:
        await anext(first)
        with pytest.raises(ApiError) as refused:
            await anext(files.write(Pages(1), FIELDS))

    assert (refused.value.code, refused.value.retry_after) == (Code.OVERLOADED, 0)
    assert [piece async for piece in files.write(Pages(1), FIELDS)]


async def test_a_caller_who_gives_up_leaves_no_process() -> None:
    for patience in (0.0, 0.01, 0.05, 0.1):
        asking = asyncio.create_task(collect([], Pages(1_000)))
        await asyncio.wait([asking], timeout=patience)
        asking.cancel()
        await asyncio.wait([asking])
        assert not children()
