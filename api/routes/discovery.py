"""`/api/v1/topics/discover` and `/api/v1/topics/proposals`: groups of conversations that might be topics."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from sqlalchemy import Connection, Row

from api.access import asked
from api.dependencies import Resources, ResourcesDep
from api.errors import ApiError, documented
from api.openapi import json_body
from api.parameters.common import once_each
from api.parameters.insights import SENTIMENT_OF
from api.parameters.proposals import MembersParameters, ProposalsParameters
from api.parsing import parse_body, read_json
from api.routes.bulk_summaries import ensure_topic
from api.routes.jobs import accepted
from api.views.insights import listed_insight_view
from api.views.proposals import proposal_view, suggested_slug
from domain import topics
from domain.analysis import CONFIDENCE_UNIT
from domain.packed_numbers import unpacked
from schemas import (
    Acceptance,
    Code,
    DiscoveryFilter,
    JobOut,
    NewDiscovery,
    ProposalOut,
    ProposalPageOut,
    ProposalsOut,
)
from store.discovery import acceptance, asking, proposals
from store.discovery.acceptance import TopicMade
from store.discovery.texts import GroupedBy, slugs_of
from store.insights.listing import insights_of
from store.topics import catalogue

router = APIRouter(prefix="/api/v1/topics", tags=["topics"], dependencies=[Depends(once_each)])
NEW, NAMED = TypeAdapter(NewDiscovery), TypeAdapter(Acceptance)
SENT = (Code.INVALID_SCHEMA, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
SHARED = (Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)
SHOWN = 3
"""Examples of a proposal in a list; one that is looked at by itself has all."""
NO_PROPOSAL = "No proposal has this id"
DECIDED = "It is not proposed any more"


@router.post(
    "/discover",
    status_code=202,
    response_model=JobOut,
    responses=documented(*SENT, *SHARED),
    openapi_extra=json_body(NewDiscovery),
)
async def discover(resources: ResourcesDep, request: Request) -> Response:
    """Look for topics in the conversations of a window; without one, of the last seven days."""
    new = parse_body(NEW, await read_json(request))
    chosen = _grouped_by(new.filter)
    if chosen.cluster is not None and not await _is_topic(resources, chosen.cluster):
        await ensure_topic(resources, chosen.cluster)
    now, by = resources.clock(), asked(request.scope).actor
    window = (now - asking.WEEK, now)
    if new.window is not None:
        window = new.window.start_time, new.window.end_time
    ask = partial(asking.ask_for, window=window, chosen=chosen, by=by, now=now)
    return await accepted(resources, await resources.database.write(ask))


@router.get("/proposals", response_model=ProposalsOut, responses=documented(*SHARED))
async def page(resources: ResourcesDep, query: Annotated[ProposalsParameters, Query()]) -> Response:
    """Groups that might be topics, the largest first."""

    def read(connection: Connection) -> dict[str, Any]:
        rows = proposals.page(connection, query.state, limit=query.limit + 1, after=query.after)
        shown = rows[: query.limit]
        last = shown[-1] if len(rows) > len(shown) else None
        return {
            "proposals": _views(connection, shown),
            "next_cursor": None if last is None else f"{last.size}-{last.number}",
        }

    return JSONResponse(await resources.database.read(read))


@router.get(
    "/proposals/{proposal_id}",
    response_model=ProposalPageOut,
    responses=documented(Code.NOT_FOUND, *SHARED),
)
async def one(
    resources: ResourcesDep, proposal_id: str, query: Annotated[MembersParameters, Query()]
) -> Response:
    """A group, and its conversations in the order of their intake."""

    def read(connection: Connection) -> dict[str, Any]:
        row = _found(proposals.get(connection, proposal_id))
        members = unpacked(row.members)
        first = bisect_right(members, query.after)
        some = members[first : first + query.limit]
        more = first + len(some) < len(members)
        (view,) = _views(connection, [row], shown=None)
        insights = [listed_insight_view(each) for each in insights_of(connection, some)]
        return {**view, "insights": insights, "next_cursor": str(some[-1]) if more else None}

    return JSONResponse(await resources.database.read(read))


@router.post(
    "/proposals/{proposal_id}/accept",
    status_code=202,
    response_model=JobOut,
    responses=documented(Code.NOT_FOUND, Code.CONFLICT, *SENT, *SHARED),
    openapi_extra=json_body(Acceptance),
)
async def accept(resources: ResourcesDep, proposal_id: str, request: Request) -> Response:
    """Make a topic of a group. The job files its conversations under it; it counts as they are filed."""
    named = parse_body(NAMED, await read_json(request))
    by, now = asked(request.scope).actor, resources.clock()

    def write(connection: Connection) -> str:
        row = _found(proposals.get(connection, proposal_id))
        slug = topics.slug(named.slug or named.label or suggested_slug(row))
        if not slug:
            raise ApiError(Code.INVALID_SCHEMA, "slug: must contain a letter or digit")
        meaning = row.description or ", ".join(json.loads(row.words))
        made = acceptance.make_topic(
            connection, proposal_id, slug=slug, label=named.label, description=meaning, by=by, now=now
        )
        if made is not TopicMade.MADE:
            raise ApiError(
                Code.CONFLICT, DECIDED if made is TopicMade.TOO_LATE else "A topic has this name already"
            )
        return asking.file_conversations(connection, proposal_id, by=by, now=now)

    return await accepted(resources, await resources.database.write(write))


@router.post(
    "/proposals/{proposal_id}/reject",
    response_model=ProposalOut,
    responses=documented(Code.NOT_FOUND, Code.CONFLICT, *SHARED),
)
async def reject(resources: ResourcesDep, proposal_id: str, request: Request) -> Response:
    """Refuse a group. It is not proposed again, however often it is found."""
    by, now = asked(request.scope).actor, resources.clock()

    def write(connection: Connection) -> dict[str, Any]:
        _found(proposals.get(connection, proposal_id))
        if not proposals.note_rejected(connection, proposal_id, by=by, now=now):
            raise ApiError(Code.CONFLICT, DECIDED)
        (view,) = _views(connection, [_found(proposals.get(connection, proposal_id))])
        return view

    return JSONResponse(await resources.database.write(write))


def _grouped_by(given: DiscoveryFilter) -> GroupedBy:
    percent = (given.min_confidence, given.max_confidence)
    least, most = (None if each is None else round(each * CONFIDENCE_UNIT) for each in percent)
    sentiment = None if given.sentiment is None else SENTIMENT_OF[given.sentiment]
    return GroupedBy(sentiment, least, most, given.analyzer, given.model, given.cluster)


async def _is_topic(resources: Resources, name: str) -> bool:
    return await resources.database.read(partial(catalogue.number_of, name=name)) is not None


def _found(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise ApiError(Code.NOT_FOUND, NO_PROPOSAL)
    return row


def _views(
    connection: Connection, rows: Sequence[Row[Any]], shown: int | None = SHOWN
) -> list[dict[str, Any]]:
    slugs = slugs_of(connection, {number for row in rows for number in (row.part_of, row.topic)} - {None})
    numbers = {row.id: json.loads(row.examples)[:shown] for row in rows}
    entries = {
        each.row.conversation: each
        for each in insights_of(connection, [number for some in numbers.values() for number in some])
    }
    return [
        proposal_view(row, slugs, [entries[number] for number in numbers[row.id] if number in entries])
        for row in rows
    ]
