"""Downloads: lists as CSV or NDJSON, for those who ask for that with `Accept`."""

from collections.abc import AsyncIterable, Collection, Iterable
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from api import exports
from api.access import asked
from api.dependencies import Resources
from api.errors import ApiError
from schemas import Code

EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {"content": {form: {"schema": {"type": "string"}} for form in (exports.CSV, exports.NDJSON)}}
}
"""What a route answers besides JSON, for its document."""


def form_of(request: Request) -> str:
    """The media type that a request prefers."""
    return exports.preferred_form(",".join(request.headers.getlist("accept")))


def refuse_paging(given: Collection[str]) -> None:
    """Raises ApiError 400 if parameters of a page come with a download."""
    if given:
        reason = f"{', '.join(sorted(given))}: not allowed with an export, which is the whole window"
        raise ApiError(Code.INVALID_QUERY, reason)


async def note_export(resources: Resources, request: Request, action: str) -> None:
    """Note a download in the audit log, where access is closed."""
    # While the service is open everybody is `anonymous`, and a full disk must not keep anybody from reading.
    if resources.settings.auth_required:
        entry = asked(request.scope)._replace(action=action, outcome="ok")
        await resources.access.audit.record(entry)


def download(lines: AsyncIterable[str] | Iterable[str], name: str, form: str) -> StreamingResponse:
    """The lines as a file with this name and the form's ending."""
    ending = "csv" if form == exports.CSV else "ndjson"
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{ending}"'}
    return StreamingResponse(lines, media_type=form, headers=disposition)
