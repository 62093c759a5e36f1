"""`/api/v1/facets` and the list at `/api/v1/summaries`: what there is of a field, and which chats are open."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection

from api import downloads, exports
from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.json_response import JsonAnswer
from api.own_fields import fields_of_insights
from api.parameters.cases import METADATA, POSSIBLE, CasesParameters, FacetsParameters
from api.parameters.common import once_each, parameters_of, query_parameters
from api.routes.insights import check_fields, check_metadata, check_topic
from api.views.cases import CASE_COLUMNS, case_view
from domain.fields.filters import FIELD
from schemas import CaseOut, CasesOut, Code, FacetOut, FacetsOut
from store.insights.case_list import CasePage, Moment, count_cases, list_cases
from store.insights.facets import FacetSelection, list_facets
from store.insights.windows import topic_number

router = APIRouter(prefix="/api/v1", tags=["insights"], dependencies=[Depends(once_each)])
REFUSALS = documented(
    Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE, Code.OVERLOADED
)
FACET_COLUMNS = ("value", "count")
MOST_VALUES = 100_000
"""Values in a download."""


@router.get(
    "/facets",
    response_model=FacetsOut,
    responses=downloads.FORMS | REFUSALS,
    openapi_extra=parameters_of(FacetsParameters),
)
async def facets(
    resources: ResourcesDep,
    request: Request,
    query: Annotated[FacetsParameters, Depends(query_parameters(FacetsParameters))],
) -> Response:
    """The values of a field in a window, the commonest first, each with how many insights have it.

    `field.NAME=value` narrows those of a field of FIELDS_FILE, of the analyzer and of the model.
    """
    if query.field.startswith(METADATA):
        await check_metadata(resources, [query.field.removeprefix(METADATA)])
    await _check_own_field(resources, query.own_field)
    await _check_narrowed(resources, query)
    form = downloads.asked_form(request)
    limit = query.limit if form == exports.JSON else MOST_VALUES
    chosen = FacetSelection(query.field, query.start, query.end, query.narrowed)
    found, has_more = await resources.database.read_in_background(
        partial(list_facets, chosen=chosen, limit=limit)
    )
    views = [{"value": value, "count": n} for value, n in found]
    if form != exports.JSON:
        await downloads.note_download(resources, request, query.model_fields_set, "facets.export")
        pages = downloads.of_one(views)
        return await downloads.download(
            resources, pages, form, "facets", FACET_COLUMNS, FacetOut, bom=query.bom
        )
    return JsonAnswer({"field": query.field, "values": views, "has_more": has_more})


async def _check_own_field(resources: Resources, name: str | None) -> None:
    """Raises ApiError 400 for a name that no field has, or only a text."""
    if name is None:
        return
    known = await fields_of_insights(resources)
    if name not in known:
        there = f": {', '.join(sorted(known))}" if known else ", which is not set"
        raise ApiError(Code.INVALID_QUERY, f"field: must be one of {POSSIBLE}{there}")
    if known[name].types == {"text"}:
        raise ApiError(Code.INVALID_QUERY, f"field: {name} is a text, and texts are not counted")


async def _check_narrowed(resources: Resources, query: FacetsParameters) -> None:
    """Raises ApiError 400 for filters by fields that narrow nothing here, or can find nothing."""
    if query.narrowed and not query.can_be_narrowed:
        reason = "narrows the values of fields of FIELDS_FILE, of analyzer and of model only"
        raise ApiError(Code.INVALID_QUERY, f"{FIELD}{query.narrowed[0].name}: {reason}")
    await check_fields(resources, query.narrowed)


@router.get(
    "/summaries",
    response_model=CasesOut,
    responses=downloads.FORMS | REFUSALS,
    openapi_extra=parameters_of(CasesParameters),
)
async def summaries(
    resources: ResourcesDep,
    request: Request,
    query: Annotated[CasesParameters, Depends(query_parameters(CasesParameters))],
) -> Response:
    """Chats with their summaries, the newest first, and how many there are of each outcome.

    With `Accept` all of them as a file.
    """
    await check_topic(resources, query.chosen.cluster)
    form = downloads.asked_form(request)
    if form != exports.JSON:
        await downloads.note_download(resources, request, query.model_fields_set, "summaries.export")
        cases = _pages(resources, query)
        return await downloads.download(
            resources, cases, form, "summaries", CASE_COLUMNS, CaseOut, bom=query.bom
        )
    page = await _read(resources, query, query.limit, query.after)
    counts = await resources.database.read(partial(_count, query))
    cursor = None if page.next is None else query.next_page(page.next)
    views = [*map(case_view, page.cases)]
    return JsonAnswer({"summaries": views, "counts": counts, "next_cursor": cursor})


async def _read(resources: Resources, query: CasesParameters, limit: int, after: Moment | None) -> CasePage:
    return await resources.database.read(partial(_list, query, limit=limit, after=after))


def _list(query: CasesParameters, connection: Connection, limit: int, after: Moment | None) -> CasePage:
    chosen = query.selection(topic_number(connection, query.chosen.cluster) or 0)
    return list_cases(connection, chosen, limit=limit, after=after)


def _count(query: CasesParameters, connection: Connection) -> dict[str, int]:
    return count_cases(connection, query.selection(topic_number(connection, query.chosen.cluster) or 0))


async def _pages(resources: Resources, query: CasesParameters) -> downloads.Pages:
    after: Moment | None = None
    while True:
        page = await _read(resources, query, downloads.AT_ONCE, after)
        yield [*map(case_view, page.cases)]
        if page.next is None:
            return
        after = page.next
