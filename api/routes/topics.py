"""`/api/v1/topics`: which topics there are."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from api import exports
from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.parameters.common import once_each
from api.parameters.topics import AllTopicsParameters
from api.views.topics import COLUMNS, topic_cells, topic_view
from schemas import Code, TopicsOut
from store.topics import catalogue

router = APIRouter(prefix="/api/v1/topics", tags=["topics"], dependencies=[Depends(once_each)])
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
AT_ONCE = 1_000
"""Topics that an export reads in one short transaction."""
EXPORTED: dict[int | str, Any] = {
    200: {"content": {form: {"schema": {"type": "string"}} for form in (exports.CSV, exports.NDJSON)}}
}


@router.get("/all", response_model=TopicsOut, responses=EXPORTED | documented(*SHARED))
async def page(
    resources: ResourcesDep, request: Request, query: Annotated[AllTopicsParameters, Query()]
) -> Response:
    """Which topics there are, by slug, with their meanings and other names. With `Accept` all as CSV or NDJSON."""
    form = exports.preferred_form(",".join(request.headers.getlist("accept")))
    if form != exports.JSON:
        return _export(resources, query, form)
    found = await _page(resources, query, query.limit + 1, query.cursor)
    shown = found[: query.limit]
    cursor = shown[-1].slug if len(found) > len(shown) else None
    return JSONResponse({"topics": [topic_view(each) for each in shown], "next_cursor": cursor})


async def _page(
    resources: Resources, query: AllTopicsParameters, limit: int, after: str | None
) -> list[catalogue.Topic]:
    read = partial(catalogue.page, limit=limit, after=after, state=query.state)
    return list(await resources.database.read(read))


def _export(resources: Resources, query: AllTopicsParameters, form: str) -> Response:
    if beside := query.model_fields_set & {"limit", "cursor"}:
        names = ", ".join(sorted(beside))
        raise ApiError(Code.INVALID_QUERY, f"{names}: not allowed with an export, which has all topics")
    name = "topics.csv" if form == exports.CSV else "topics.ndjson"
    download = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_lines(resources, query, form), media_type=form, headers=download)


async def _lines(resources: Resources, query: AllTopicsParameters, form: str) -> AsyncIterator[str]:
    if form == exports.CSV:
        yield exports.csv_rows([COLUMNS])
    after: str | None = None
    while found := await _page(resources, query, AT_ONCE, after):
        if form == exports.CSV:
            yield exports.csv_rows(topic_cells(each) for each in found)
        else:
            yield exports.ndjson_lines(topic_view(each) for each in found)
        after = found[-1].slug
