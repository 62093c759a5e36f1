"""Downloads of whole lists as CSV, NDJSON or Parquet, page by page."""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from api import exports
from api.access import asked
from api.dependencies import Resources
from api.errors import ApiError
from schemas import Code

if TYPE_CHECKING:
    from api.parquet import ParquetFile

Views = Sequence[Mapping[str, Any]]
AT_ONCE = 1_000
"""Entries that a download reads in one short transaction."""
TEXT = {"schema": {"type": "string"}}
FORMS: dict[int | str, Any] = {
    200: {
        "content": {
            exports.CSV: TEXT,
            exports.NDJSON: TEXT,
            exports.PARQUET: {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
SUFFIXES = {exports.CSV: "csv", exports.NDJSON: "ndjson", exports.PARQUET: "parquet"}


def asked_form(request: Request) -> str:
    """The media type in which a list is to be answered."""
    return exports.preferred_form(",".join(request.headers.getlist("accept")))


async def note_download(resources: Resources, request: Request, given: set[str], action: str) -> None:
    """Note a download in the audit log. Raises ApiError for a page of it: it is the whole list."""
    if beside := given & {"limit", "cursor", "page"}:
        names = ", ".join(sorted(beside))
        raise ApiError(Code.INVALID_QUERY, f"{names}: not allowed with an export, which is the whole list")
    # While the service is open everybody is `anonymous`, and a full disk must not keep anybody from reading.
    if resources.settings.auth_required:
        await resources.access.audit.record(asked(request.scope)._replace(action=action, outcome="ok"))


async def download(
    pages: AsyncIterator[Views],
    form: str,
    name: str,
    columns: Sequence[str],
    model: type[BaseModel],
    *,
    bom: bool,
) -> StreamingResponse:
    """A file of these pages. The first is read before the answer begins, while an error can still be answered.

    A CSV has these columns, Parquet the fields of the model; `bom` puts a byte order mark before a CSV.
    """
    all_pages = _again(await anext(pages, ()), pages)
    if form == exports.PARQUET:
        return attachment(parquet(all_pages, model.model_fields), form, name)
    return attachment(_lines(all_pages, form, columns, bom), form, name)


def attachment(pieces: AsyncIterable[str | bytes], form: str, name: str) -> StreamingResponse:
    """A download under a name, without its suffix."""
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{SUFFIXES[form]}"'}
    return StreamingResponse(pieces, media_type=form, headers=disposition)


async def parquet(
    pages: AsyncIterable[Iterable[Mapping[str, Any]]], fields: Mapping[str, FieldInfo]
) -> AsyncIterator[bytes]:
    """The pieces of a Parquet file of these pages, made in a thread: a row group takes a tenth of a second."""
    # A thread of its own: each of a pool's threads would keep memory of its own after it has written a row group.
    with ThreadPoolExecutor(max_workers=1) as thread:
        run = partial(asyncio.get_running_loop().run_in_executor, thread)
        file = await run(_parquet_file, fields)
        async for page in pages:
            yield await run(file.add, page)
        yield await run(file.end)


def _parquet_file(fields: Mapping[str, FieldInfo]) -> "ParquetFile":
    # Here, because a service that is never asked for it does without pyarrow.
    from api.parquet import ParquetFile

    return ParquetFile(fields)


async def of_one(views: Views) -> AsyncIterator[Views]:
    """A list of a single page."""
    yield views


async def _again(first: Views, rest: AsyncIterator[Views]) -> AsyncIterator[Views]:
    yield first
    async for page in rest:
        yield page


async def _lines(pages: AsyncIterator[Views], form: str, columns: Sequence[str], bom: bool) -> exports.Lines:
    if form == exports.CSV:
        yield exports.csv_head(columns, bom=bom)
    async for page in pages:
        yield _page(page, form, columns)


def _page(views: Views, form: str, columns: Sequence[str]) -> str:
    if form != exports.CSV:
        return exports.ndjson_lines(views)
    return exports.csv_rows(_cells(view, columns) for view in views)


def _cells(view: Mapping[str, Any], columns: Sequence[str]) -> Iterator[object]:
    for name in columns:
        value = view[name]
        yield _cell(value) if isinstance(value, list) else value


def _cell(items: Sequence[object]) -> str:
    """Words joined by `;`, and anything else as JSON."""
    if all(isinstance(item, str) for item in items):
        return ";".join(map(str, items))
    return json.dumps(items, ensure_ascii=False)
