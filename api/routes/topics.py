"""`/api/v1/topics`: which topics there are, and how people change them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from sqlalchemy import Connection, Row

from api import downloads, exports
from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.errors import documented
from api.openapi import json_body
from api.parameters.common import once_each
from api.parameters.topics import AllTopicsParameters, HistoryParameters
from api.parsing import parse_body, read_json
from api.routes.jobs import accepted
from api.views.topics import COLUMNS, change_view, topic_view
from core.errors import NoSuchTopic
from schemas import (
    Code,
    JobOut,
    TopicChange,
    TopicHistoryOut,
    TopicMerge,
    TopicOut,
    TopicsOut,
    TopicSplit,
    UndoneOut,
)
from store.topics import catalogue, changes

router = APIRouter(prefix="/api/v1/topics", tags=["topics"], dependencies=[Depends(once_each)])
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
CHANGE, MERGE, SPLIT = TypeAdapter(TopicChange), TypeAdapter(TopicMerge), TypeAdapter(TopicSplit)
SENT = (Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
Changes = Sequence[Row[Any]]
LATER: dict[int | str, Any] = {202: {"model": JobOut, "description": "It is under way; poll `Location`"}}


@router.get(
    "/all", response_model=TopicsOut, responses=downloads.FORMS | documented(*SHARED, Code.OVERLOADED)
)
async def page(
    resources: ResourcesDep, request: Request, query: Annotated[AllTopicsParameters, Query()]
) -> Response:
    """Which topics there are, by slug, with their meanings and other names. With `Accept` all as a file."""
    form = downloads.asked_form(request)
    if form != exports.JSON:
        await downloads.note_download(resources, request, query.model_fields_set, "topics.export")
        pages = _pages(resources, query)
        return await downloads.download(resources, pages, form, "topics", COLUMNS, TopicOut, bom=query.bom)
    found = await _page(resources, query, query.limit + 1, query.cursor)
    shown = found[: query.limit]
    cursor = shown[-1].slug if len(found) > len(shown) else None
    return JSONResponse({"topics": [topic_view(each) for each in shown], "next_cursor": cursor})


async def _page(
    resources: Resources, query: AllTopicsParameters, limit: int, after: str | None
) -> list[catalogue.Topic]:
    read = partial(catalogue.page, limit=limit, after=after, state=query.state)
    return list(await resources.database.read(read))


async def _pages(resources: Resources, query: AllTopicsParameters) -> downloads.Pages:
    after: str | None = None
    while found := await _page(resources, query, downloads.AT_ONCE, after):
        yield [topic_view(each) for each in found]
        after = found[-1].slug


@router.patch(
    "/{topic_id}",
    response_model=TopicOut,
    responses=documented(*SENT, Code.NOT_FOUND, Code.CONFLICT, *SHARED),
    openapi_extra=json_body(TopicChange),
)
async def change(resources: ResourcesDep, topic_id: str, request: Request) -> Response:
    """Rename, describe or hide a topic, or move it under another. What is left out stays as it is."""
    new = parse_body(CHANGE, await read_json(request)).model_dump(exclude_unset=True)
    topic = await resources.curation.edit(_known(topic_id), new, asked(request.scope).actor)
    await resources.topics.refresh()
    return JSONResponse(topic_view(topic))


@router.post(
    "/merge",
    status_code=202,
    response_model=JobOut,
    responses=documented(*SENT, Code.NOT_FOUND, Code.CONFLICT, *SHARED),
    openapi_extra=json_body(TopicMerge),
)
async def merge(resources: ResourcesDep, request: Request) -> Response:
    """Merge topics into one: every count, filter and export is then of their union, of the past too."""
    new = parse_body(MERGE, await read_json(request))
    job = await resources.curation.merge(new.sources, new.into, asked(request.scope).actor)
    return await accepted(resources, job)


@router.post(
    "/{topic_id}/split",
    status_code=202,
    response_model=JobOut,
    responses=documented(*SENT, Code.NOT_FOUND, Code.CONFLICT, *SHARED),
    openapi_extra=json_body(TopicSplit),
)
async def split(resources: ResourcesDep, topic_id: str, request: Request) -> Response:
    """Move conversations that are there, by their words, a proposed group or a question, to a topic of their own."""
    new = parse_body(SPLIT, await read_json(request))
    how = {name: value for name in ("words", "group", "ask") if (value := getattr(new, name)) is not None}
    actor = asked(request.scope).actor
    job = await resources.curation.split(_known(topic_id), new.slug, how, actor)
    return await accepted(resources, job)


@router.post(
    "/undo", response_model=UndoneOut, responses=LATER | documented(Code.NOT_FOUND, Code.CONFLICT, *SHARED)
)
async def undo(resources: ResourcesDep, request: Request) -> Response:
    """Take the newest change of topics back that still stands."""
    undone = await resources.curation.undo(asked(request.scope).actor)
    if undone.job is not None:
        return await accepted(resources, undone.job)
    await resources.topics.refresh()
    return JSONResponse({"change": undone.change})


@router.get("/changes", response_model=TopicHistoryOut, responses=documented(*SHARED))
async def all_changes(resources: ResourcesDep, query: Annotated[HistoryParameters, Query()]) -> Response:
    """What was done to all topics, the newest first: the first one that still stands is what `undo` takes back."""
    return await _changes(resources, query, partial(changes.history, number=None))


@router.get(
    "/{topic_id}/history",
    response_model=TopicHistoryOut,
    responses=documented(Code.NOT_FOUND, *SHARED),
)
async def history(
    resources: ResourcesDep, topic_id: str, query: Annotated[HistoryParameters, Query()]
) -> Response:
    """What was done to a topic, the newest first, also what was taken back."""
    return await _changes(resources, query, partial(_history, name=_known(topic_id)))


async def _changes(resources: Resources, query: HistoryParameters, read: Callable[..., Changes]) -> Response:
    found = await resources.database.read(partial(read, limit=query.limit + 1, before=query.before))
    shown = found[: query.limit]
    cursor = str(shown[-1].number) if len(found) > len(shown) else None
    return JSONResponse({"changes": [change_view(each) for each in shown], "next_cursor": cursor})


def _history(connection: Connection, *, name: str, limit: int, before: int | None) -> Changes:
    number = changes.topic_named(connection, name).number
    return changes.history(connection, number, limit=limit, before=before)


def _known(topic_id: str) -> str:
    """A name as it may be looked up. Raises NoSuchTopic for what no topic can be called."""
    if "\0" in topic_id:
        raise NoSuchTopic
    return topic_id
