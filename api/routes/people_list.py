"""`/api/v1/people`: who wrote in a window, and what they have in it."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api import downloads, exports
from api.dependencies import Resources, ResourcesDep
from api.errors import documented
from api.json_response import JsonAnswer
from api.parameters.common import once_each, parameters_of, query_parameters
from api.parameters.people import PeopleParameters, next_people
from api.views.people_list import PEOPLE_COLUMNS, listed_person_view
from schemas import Code, PeopleOut, PersonItem
from store.insights.people_list import PeoplePage, list_people
from store.insights.people_sums import Place

router = APIRouter(prefix="/api/v1/people", tags=["people"], dependencies=[Depends(once_each)])
REFUSALS = documented(
    Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE, Code.OVERLOADED
)


@router.get(
    "",
    response_model=PeopleOut,
    responses=downloads.FORMS | REFUSALS,
    openapi_extra=parameters_of(PeopleParameters),
)
async def page(
    resources: ResourcesDep,
    request: Request,
    query: Annotated[PeopleParameters, Depends(query_parameters(PeopleParameters))],
) -> Response:
    """Who wrote in a role in the conversations of a window: a page of JSON, or with `Accept` all as a file.

    A person counts in every analysed conversation in which they wrote at least one message in that role.
    """
    form = downloads.asked_form(request)
    if form != exports.JSON:
        await downloads.note_download(resources, request, query.model_fields_set, "people.export")
        pages = _pages(resources, query)
        return await downloads.download(
            resources, pages, form, "people", PEOPLE_COLUMNS, PersonItem, bom=query.bom
        )
    found = await _read(resources, query, query.limit, query.after)
    cursor = None if found.next is None else next_people(query.window, query.order, found.next)
    return JsonAnswer({"people": [*map(listed_person_view, found.people)], "next_cursor": cursor})


async def _read(resources: Resources, query: PeopleParameters, limit: int, after: Place | None) -> PeoplePage:
    read = partial(list_people, window=query.window, sort=query.order, limit=limit, after=after)
    return await resources.database.read(read)


async def _pages(resources: Resources, query: PeopleParameters) -> downloads.Pages:
    after: Place | None = None
    while True:
        found = await _read(resources, query, downloads.AT_ONCE, after)
        yield [*map(listed_person_view, found.people)]
        if found.next is None:
            return
        after = found.next
