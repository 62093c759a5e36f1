"""`/api/v1/audit`: who did what, for admins."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from api import exports
from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.downloads import Attachment
from api.errors import documented
from api.parameters.access import AuditParameters
from api.parameters.common import once_each
from api.views.access import AUDIT_COLUMNS, entry_view
from schemas import AuditOut, Code
from store.access import audit as store
from store.access.audit import AuditFilter, NumberedEntry

router = APIRouter(prefix="/api/v1/audit", tags=["access"], dependencies=[Depends(once_each)])
AT_ONCE = 1_000
"""Entries that an export reads in one short transaction."""
CSV: dict[int | str, Any] = {200: {"content": {exports.CSV: {"schema": {"type": "string"}}}}}


@router.get(
    "",
    response_model=AuditOut,
    responses={**CSV, **documented(Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)},
)
async def page(
    resources: ResourcesDep, request: Request, query: Annotated[AuditParameters, Query()]
) -> Response:
    """Entries of the audit log, the newest first; with `Accept: text/csv` all of them as CSV."""
    if exports.preferred_form(request.headers.get("accept", "")) == exports.CSV:
        entry = asked(request.scope)._replace(action="audit.export", outcome="ok")
        await resources.access.audit.record(entry)
        return Attachment(_csv(resources, query), exports.CSV, "audit")
    found = await _page(resources, query.filter, query.limit + 1, query.before)
    shown = found[: query.limit]
    cursor = str(shown[-1].number) if len(found) > len(shown) else None
    return JSONResponse({"entries": [entry_view(each.entry) for each in shown], "next_cursor": cursor})


async def _page(
    resources: Resources, chosen: AuditFilter, limit: int, before: int | None
) -> list[NumberedEntry]:
    read = partial(store.list_entries, chosen=chosen, limit=limit, before=before)
    return await resources.database.read(read)


async def _csv(resources: Resources, query: AuditParameters) -> exports.Lines:
    yield exports.csv_head(AUDIT_COLUMNS, bom=query.bom)
    before: int | None = None
    while found := await _page(resources, query.filter, AT_ONCE, before):
        yield exports.csv_rows(entry_view(each.entry).values() for each in found)
        before = found[-1].number
