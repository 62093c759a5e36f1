"""`/api/v1/insights` and `/api/v1/trends`: lists, exports and counts of insights."""

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api import exports
from api.dependencies import Resources, ResourcesDep
from api.downloads import FORMS, Attachment, asked_form, note_download, parquet
from api.errors import ApiError, documented
from api.json_response import JsonAnswer
from api.own_fields import fields_of_insights
from api.parameters.common import parameters_of, query_parameters
from api.parameters.insights import InsightsParameters, RecentParameters
from api.parameters.trends import TrendsParameters
from api.parquet.answers import field_columns
from api.views.insights import exported_insight_view, insights_view, listed_insight_view, trends_view
from database import Database
from domain.fields.filters import FieldFilter, why_not_found
from domain.topics import unknown_topic
from schemas import Code, CorrectionColumns, ExportedInsight, GrokAnalysis, InsightsOut, TrendsOut
from store.insights import listing, metadata
from store.insights.entries import Beside, InsightPage
from store.insights.listing import InsightWindow
from store.insights.topic_names import names_near
from store.insights.trends import trends
from store.insights.windows import Selection

router = APIRouter(prefix="/api/v1", tags=["insights"])
FILING_SECONDS = 10
"""After how long to ask again while older insights are being filed."""
EXPORT_PAGE = 1_000
"""Rows that an export reads in one short transaction."""
PARQUET_COLUMNS = (*exports.COLUMNS, "participants", "fields", "fields_version")
FIELDS = ExportedInsight.model_fields | GrokAnalysis.model_fields | CorrectionColumns.model_fields
REFUSALS = documented(
    Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE, Code.OVERLOADED
)


@router.get(
    "/insights",
    response_model=InsightsOut,
    responses=FORMS | REFUSALS,
    openapi_extra=parameters_of(InsightsParameters),
)
async def insights(
    resources: ResourcesDep,
    request: Request,
    query: Annotated[InsightsParameters, Depends(query_parameters(InsightsParameters))],
) -> Response:
    """The insights of a window: a page of JSON, or with `Accept` the whole window as CSV, NDJSON or Parquet.

    `metadata.KEY=value` filters by a key of the sender's metadata that METADATA_KEYS names, `field.NAME=value` by a
    field of FIELDS_FILE; by a number `field.NAME.min=` and `field.NAME.max=`.
    """
    selection = query.selection
    await check_topic(resources, selection.cluster)
    await check_metadata(resources, [key for key, _ in selection.metadata])
    await check_fields(resources, selection.fields)
    form = asked_form(request)
    if form != exports.JSON:
        await note_download(resources, request, query.model_fields_set, "insights.export")
        return await _export(resources, query, form)
    beside = Beside(history=query.with_history)
    read = partial(
        listing.list_with_totals, chosen=selection, limit=query.limit, after=query.after, beside=beside
    )
    return JsonAnswer(insights_view(await resources.database.read_replica(read), selection))


@router.get(
    "/insights/recent",
    response_model=InsightsOut,
    responses=FORMS | REFUSALS,
    openapi_extra=parameters_of(RecentParameters),
)
async def recent(
    resources: ResourcesDep,
    request: Request,
    query: Annotated[RecentParameters, Depends(query_parameters(RecentParameters))],
) -> Response:
    """The insights that were produced last, whatever the time of their conversations. With `Accept` as a file."""
    form = asked_form(request)
    beside = _beside(form, history=query.with_history)
    read = partial(listing.list_recent, limit=query.limit, beside=beside)
    found = await resources.database.read_replica(read)
    if form != exports.JSON:
        await note_download(resources, request, set(), "insights.export")
        return await _download(resources, _of_one(found.page), form, query.bom)
    return JsonAnswer(insights_view(found, None))


@router.get(
    "/trends", response_model=TrendsOut, responses=REFUSALS, openapi_extra=parameters_of(TrendsParameters)
)
async def read_trends(
    resources: ResourcesDep, query: Annotated[TrendsParameters, Depends(query_parameters(TrendsParameters))]
) -> Response:
    """Sentiment and topics over a window, by the hour, day, week or month of a time zone.

    `field.NAME=value` narrows them by a field of FIELDS_FILE; by a number `field.NAME.min=` and `field.NAME.max=`.
    """
    await check_topic(resources, query.cluster)
    await check_fields(resources, query.fields)
    now = resources.clock()
    start, end = query.window(now)
    compute = partial(
        trends,
        start=start,
        end=end,
        cluster=query.cluster,
        now=now,
        calendar=query.calendar,
        min_confidence=query.percent,
        analyzer=query.analyzer,
        fields=query.fields,
        days=resources.topic_days,
    )
    found = await resources.database.read_replica(compute, is_long=query.reads_insights)
    return JsonAnswer(trends_view(found, query.calendar, start, end))


async def check_metadata(resources: Resources, keys: Sequence[str]) -> None:
    """Raises ApiError 400 for a key that is not one of METADATA_KEYS, 503 while insights are being filed under it."""
    declared = resources.settings.metadata_keys
    if any(key not in declared for key in keys):
        known = f"METADATA_KEYS names {', '.join(declared)}" if declared else "METADATA_KEYS is not set"
        raise ApiError(Code.INVALID_QUERY, f"metadata.KEY: not a key to filter by; {known}")
    if keys and set(keys).intersection(await resources.database.read(metadata.unfiled_keys)):
        reason = "METADATA_KEYS has changed and older insights are still being filed by the new keys"
        raise ApiError(Code.OVERLOADED, reason, retry_after=FILING_SECONDS)


async def check_fields(resources: Resources, filters: Sequence[FieldFilter]) -> None:
    """Raises ApiError 400 for a field that there is not, or a value that it cannot have."""
    if filters:
        reason = why_not_found(filters, await fields_of_insights(resources))
        if reason is not None:
            raise ApiError(Code.INVALID_QUERY, reason)


async def check_topic(resources: Resources, cluster: str | None) -> None:
    """Raises ApiError 400 for a topic that nobody knows."""
    if cluster is None:
        return
    near = await resources.database.read(partial(names_near, name=cluster))
    if near is not None:
        raise ApiError(Code.INVALID_QUERY, f"cluster: {unknown_topic(near)}")


def _beside(form: str, *, history: bool) -> Beside:
    """What is read for this form beside insights. Raises ApiError 400 for a history that the form has no place for."""
    if history and form in (exports.CSV, exports.PARQUET):
        raise ApiError(Code.INVALID_QUERY, "include: history comes as JSON and NDJSON only")
    return Beside(people=form in (exports.NDJSON, exports.PARQUET), history=history)


async def _export(resources: Resources, query: InsightsParameters, form: str) -> Response:
    # The first page is read before the response starts, while an error can still be answered as one.
    selection, beside = query.selection, _beside(form, history=query.with_history)
    read = partial(listing.list_with_totals, chosen=selection, limit=EXPORT_PAGE, beside=beside)
    first = await resources.database.read_replica(read)
    pages = _pages(resources.database, selection, first, beside)
    return await _download(resources, pages, form, query.bom)


async def _download(
    resources: Resources, pages: AsyncIterator[InsightPage], form: str, bom: bool
) -> Response:
    # NDJSON has no columns.
    known = {} if form == exports.NDJSON else await fields_of_insights(resources)
    own = field_columns(known)
    if form != exports.PARQUET:
        return Attachment(_lines(pages, form, bom, [*own]), form, "insights")
    fields = {name: FIELDS[name] for name in PARQUET_COLUMNS} | own
    return await parquet(resources, (_rows(page) async for page in pages), fields, "insights")


def _rows(page: InsightPage) -> Iterator[exports.View]:
    return map(exports.flat_insight, map(exported_insight_view, page.insights))


async def _lines(
    pages: AsyncIterator[InsightPage], form: str, bom: bool, own: Sequence[str]
) -> exports.Lines:
    if form == exports.CSV:
        yield exports.csv_head((*exports.COLUMNS, *own), bom=bom)
    async for page in pages:
        if form == exports.CSV:
            yield exports.csv_lines(map(listed_insight_view, page.insights), own)
        else:
            yield exports.ndjson_lines(map(exported_insight_view, page.insights))


async def _of_one(page: InsightPage) -> AsyncIterator[InsightPage]:
    yield page


async def _pages(
    database: Database, selection: Selection, first: InsightWindow, beside: Beside
) -> AsyncIterator[InsightPage]:
    page = first.page
    read = partial(
        listing.list_insights, chosen=selection, limit=EXPORT_PAGE, total=first.total, beside=beside
    )
    yield page
    while page.next is not None:
        page = await database.read_replica(partial(read, after=page.next))
        yield page
