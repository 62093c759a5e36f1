"""Downloads of whole lists as CSV or NDJSON, page by page."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from api import exports
from api.access import asked
from api.dependencies import Resources
from api.errors import ApiError
from schemas import Code

Views = Sequence[Mapping[str, Any]]
AT_ONCE = 1_000
"""Entries that a download reads in one short transaction."""
FORMS: dict[int | str, Any] = {
    200: {"content": {form: {"schema": {"type": "string"}} for form in (exports.CSV, exports.NDJSON)}}
}


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
    pages: AsyncIterator[Views], form: str, name: str, columns: Sequence[str]
) -> StreamingResponse:
    """A file of these pages. The first is read before the answer begins, while an error can still be answered."""
    first = await anext(pages, ())
    suffix = "csv" if form == exports.CSV else "ndjson"
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{suffix}"'}
    return StreamingResponse(_lines(first, pages, form, columns), media_type=form, headers=disposition)


async def of_one(views: Views) -> AsyncIterator[Views]:
    """A list of a single page."""
    yield views


async def _lines(
    first: Views, rest: AsyncIterator[Views], form: str, columns: Sequence[str]
) -> AsyncIterator[str]:
    if form == exports.CSV:
        yield exports.csv_rows([columns])
    yield _page(first, form, columns)
    async for page in rest:
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
