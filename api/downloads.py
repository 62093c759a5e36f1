"""Downloads of whole lists as CSV, NDJSON or Parquet, page by page."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.types import Receive, Scope, Send

from api import exports
from api.access import asked
from api.dependencies import Resources
from api.errors import ApiError
from api.parquet.files import RowPages
from schemas import Code

Views = Sequence[Mapping[str, Any]]
Pages = AsyncGenerator[Views, None]
Item = TypeVar("Item")
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


class Attachment(StreamingResponse):
    """A download under a name, without its suffix. However it ends, the pieces are closed, and what they hold."""

    def __init__(self, pieces: exports.Pieces, form: str, name: str) -> None:
        disposition = {"Content-Disposition": f'attachment; filename="{name}.{SUFFIXES[form]}"'}
        super().__init__(pieces, media_type=form, headers=disposition)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces):
            await super().__call__(scope, receive, send)


async def download(
    resources: Resources,
    pages: Pages,
    form: str,
    name: str,
    columns: Sequence[str],
    model: type[BaseModel],
    *,
    bom: bool,
) -> Attachment:
    """A file of these pages. The first is read before the answer begins, while an error can still be answered.

    A CSV has these columns, Parquet the fields of the model; `bom` puts a byte order mark before a CSV.
    """
    all_pages = _again(await anext(pages, ()), pages)
    if form == exports.PARQUET:
        return await parquet(resources, all_pages, model.model_fields, name)
    return Attachment(_lines(all_pages, form, columns, bom), form, name)


async def parquet(
    resources: Resources, pages: RowPages, fields: Mapping[str, FieldInfo], name: str
) -> Attachment:
    """A Parquet file of these pages, whose process has begun. Raises ApiError if too many are being written."""
    pieces = resources.parquet.write(pages, fields)
    return Attachment(_again(await anext(pieces), pieces), exports.PARQUET, name)


async def of_one(views: Views) -> Pages:
    """A list of a single page."""
    yield views


async def _again(first: Item, rest: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    async with aclosing(rest):
        yield first
        async for each in rest:
            yield each


async def _lines(pages: Pages, form: str, columns: Sequence[str], bom: bool) -> exports.Lines:
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
