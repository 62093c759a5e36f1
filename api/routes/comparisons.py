"""`/api/v1/topics` and `/api/v1/explain`: what changed, and why, topic by topic."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api import exports
from api.dependencies import ResourcesDep
from api.downloads import FORMS, asked_form, download, note_download, of_one
from api.errors import documented
from api.json_response import JsonAnswer
from api.parameters.common import parameters_of, query_parameters
from api.parameters.comparisons import ExplainParameters, TopicsParameters
from api.routes.insights import check_fields
from api.views.comparisons import COLUMNS, explanation_view, flat, topic_views, topics_view
from schemas import Code, ComparedTopicOut, ComparedTopicsOut, ExplanationOut
from store.insights.explanations import explain
from store.insights.topic_changes import topic_changes

router = APIRouter(prefix="/api/v1", tags=["topics"])
REFUSALS = documented(
    Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE, Code.OVERLOADED
)


@router.get(
    "/topics",
    response_model=ComparedTopicsOut,
    responses=FORMS | REFUSALS,
    openapi_extra=parameters_of(TopicsParameters),
)
async def topics(
    resources: ResourcesDep,
    request: Request,
    query: Annotated[TopicsParameters, Depends(query_parameters(TopicsParameters))],
) -> Response:
    """What changed: the topics of a window, compared with another one. With `Accept` all of them as a file.

    `field.NAME=value` narrows both by a field of FIELDS_FILE; by a number `field.NAME.min=` and `field.NAME.max=`.
    """
    asked, form = query.comparison, asked_form(request)
    await check_fields(resources, asked.chosen.fields)
    compute = partial(
        topic_changes, days=resources.topic_days, asked=asked, sort=query.order, descending=query.descending
    )
    # Filters have insights read one by one, which must not keep others waiting.
    read = partial(resources.database.read_replica, is_long=asked.is_filtered)
    if form == exports.JSON:
        found = await read(partial(compute, limit=query.limit, offset=query.offset))
        return JsonAnswer(topics_view(found, asked, page=query.page, limit=query.limit))
    await note_download(resources, request, query.model_fields_set, "topics.export")
    views = [*topic_views(await read(compute))]
    pages = of_one([*map(flat, views)] if form == exports.CSV else views)
    return await download(resources, pages, form, "topics", COLUMNS, ComparedTopicOut, bom=query.bom)


@router.get(
    "/explain",
    response_model=ExplanationOut,
    responses=REFUSALS,
    openapi_extra=parameters_of(ExplainParameters),
)
async def read_explanation(
    resources: ResourcesDep,
    query: Annotated[ExplainParameters, Depends(query_parameters(ExplainParameters))],
) -> Response:
    """Why the mean sentiment of a window differs from that of the time before: the part of each topic.

    `field.NAME=value` narrows both windows by a field of FIELDS_FILE; by a number `field.NAME.min=` and
    `field.NAME.max=`.
    """
    await check_fields(resources, query.fields)
    compute = partial(
        explain, days=resources.topic_days, window=query.window, before=query.before, fields=query.fields
    )
    # Filters have insights read one by one, which must not keep others waiting.
    found = await resources.database.read_replica(compute, is_long=bool(query.fields))
    return JsonAnswer(explanation_view(found, query.window, query.before))
