"""`/api/v1/insights` and `/api/v1/trends`: what was found out."""

from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_core import from_json

from api import exports
from api.answers import JsonAnswer
from api.dependencies import Owned
from api.errors import ApiError, Code, documented
from api.parameters.common import asked_by, parameters_of
from api.parameters.insights import InsightsParameters, RecentParameters, TrendsParameters, seal
from api.views.conversations import SENTIMENTS, insight_view
from core.clock import iso, iso_hour
from database import Database
from domain.analysis import SCORE_UNIT
from domain.buckets import DAY, MICROSECONDS
from schemas import InsightOut
from store.insights import listing
from store.insights.listing import InsightEntry, InsightPage, InsightWindow
from store.insights.trends import Counts, Point, Trends, trends
from store.insights.windows import Selection

router = APIRouter(prefix="/api/v1", tags=["insights"])
EXPORTED_AT_ONCE = 1_000
"""Rows in one short transaction of an export."""
Json = dict[str, Any]
REFUSALS = documented(Code.INVALID_QUERY, Code.RATE_LIMIT_EXCEEDED, Code.DATABASE_UNAVAILABLE)


class ListedInsight(InsightOut):
    """An insight and the conversation it is of."""

    conversation_id: str
    external_id: str | None
    author: str | None
    timestamp: str
    text: str
    text_truncated: bool = False
    metadata: dict[str, Any]


class TimeWindow(BaseModel):
    """From `start_time` to before `end_time`."""

    start_time: str
    end_time: str


class InsightsMetadata(BaseModel):
    """About a list of insights. Where no window was asked for, there is none."""

    total_count: int
    returned_count: int
    skipped_count: int
    start_time: str | None
    end_time: str | None
    time_window: TimeWindow | None
    next_cursor: str | None


class InsightsOut(BaseModel):
    """A page of insights, the newest first."""

    insights: list[ListedInsight]
    metadata: InsightsMetadata


class SentimentCounts(BaseModel):
    """How many insights of each sentiment."""

    positive: int
    neutral: int
    negative: int


class TrendsPoint(SentimentCounts):
    """One hour or day. `partial`: the window or the present cuts it."""

    start: str
    total: int
    mean_sentiment: float | None
    partial: bool


class TrendsBefore(BaseModel):
    """The window of the same length before."""

    total_insights: int
    sentiment_counts: SentimentCounts


class TrendsOut(BaseModel):
    """How sentiment and topics went."""

    window_days: float
    total_insights: int
    skipped_count: int
    sentiment_counts: SentimentCounts
    top_topics: list[tuple[str, int]]
    series: list[TrendsPoint]
    previous: TrendsBefore


@router.get(
    "/insights",
    response_model=InsightsOut,
    responses={
        200: {"content": {form: {"schema": {"type": "string"}} for form in (exports.CSV, exports.NDJSON)}},
        **REFUSALS,
    },
    openapi_extra=parameters_of(InsightsParameters),
)
async def insights(
    owned: Owned,
    request: Request,
    asked: Annotated[InsightsParameters, Depends(asked_by(InsightsParameters))],
) -> Response:
    """The insights of a window, newest first; as CSV or NDJSON, where `Accept` says so, all of them."""
    chosen = asked.chosen
    form = exports.wanted(",".join(request.headers.getlist("accept")))
    if form != exports.JSON:
        if beside := asked.model_fields_set & {"limit", "cursor"}:
            raise ApiError(Code.INVALID_QUERY, f"{', '.join(sorted(beside))}: an export is the whole window")
        return await _export(owned.database, chosen, form)
    read = partial(listing.list_with_totals, chosen=chosen, limit=asked.limit, before=asked.before)
    return JsonAnswer(_listing_view(await owned.database.read(read), chosen))


@router.get(
    "/insights/recent",
    response_model=InsightsOut,
    responses=REFUSALS,
    openapi_extra=parameters_of(RecentParameters),
)
async def recent(
    owned: Owned, asked: Annotated[RecentParameters, Depends(asked_by(RecentParameters))]
) -> Response:
    """The insights that were made last, whatever the time of the conversation."""
    found = await owned.database.read(partial(listing.list_recent, limit=asked.limit))
    return JsonAnswer(_listing_view(found, None))


@router.get(
    "/trends", response_model=TrendsOut, responses=REFUSALS, openapi_extra=parameters_of(TrendsParameters)
)
async def read_trends(
    owned: Owned, asked: Annotated[TrendsParameters, Depends(asked_by(TrendsParameters))]
) -> Response:
    """Sentiment and topics over a window: up to 7 days by the hour, longer ones by the UTC day."""
    now = owned.clock()
    start, end = asked.window(now)
    read = partial(trends, start=start, end=end, cluster=asked.cluster, now=now)
    return JsonAnswer(_trends_view(await owned.database.read(read), start, end))


async def _export(database: Database, chosen: Selection, form: str) -> Response:
    # The first page is read before the answer begins, while an error can still be one.
    first = await database.read_in_background(
        partial(listing.list_insights, chosen=chosen, limit=EXPORTED_AT_ONCE)
    )
    head, lines = _writer(form)
    name = "insights.csv" if form == exports.CSV else "insights.ndjson"
    return StreamingResponse(
        _stream(database, chosen, first, head, lines),
        media_type=form,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _writer(form: str) -> tuple[str, Callable[[Iterable[Json]], str]]:
    if form == exports.CSV:
        return exports.csv_header(), exports.csv_lines
    return "", exports.ndjson_lines


async def _stream(
    database: Database,
    chosen: Selection,
    page: InsightPage,
    head: str,
    lines: Callable[[Iterable[Json]], str],
) -> AsyncIterator[str]:
    yield head
    while True:
        yield lines(_listed_view(each) for each in page.insights)
        if page.next is None:
            return
        after = partial(listing.list_insights, chosen=chosen, limit=EXPORTED_AT_ONCE, before=page.next)
        page = await database.read_in_background(after)


# --- as clients see them ------------------------------------------------------------------------------------


def _listing_view(found: InsightWindow, chosen: Selection | None) -> Json:
    window = chosen and {"start_time": iso(chosen.start), "end_time": iso(chosen.end)}
    page = found.page
    return {
        "insights": [_listed_view(each) for each in page.insights],
        "metadata": {
            "total_count": found.total,
            "returned_count": len(page.insights),
            "skipped_count": found.skipped,
            **(window or {"start_time": None, "end_time": None}),
            "time_window": window,
            "next_cursor": seal(chosen, page.next) if chosen and page.next else None,
        },
    }


def _listed_view(listed: InsightEntry) -> Json:
    row, text, truncated = listed
    view: Json = {
        "conversation_id": row.id,
        "external_id": row.external_id,
        "author": row.author,
        "timestamp": iso(row.timestamp),
        "text": text,
    }
    if truncated:
        view["text_truncated"] = True
    view["metadata"] = {} if row.metadata is None else from_json(row.metadata)
    return view | insight_view(row)


def _trends_view(found: Trends, start: int, end: int) -> Json:
    days = (end - start) / MICROSECONDS[DAY]
    return {
        "window_days": int(days) if days.is_integer() else round(days, 4),
        "total_insights": sum(found.counts.values()),
        "skipped_count": found.skipped,
        "sentiment_counts": _counts_view(found.counts),
        "top_topics": found.top_topics,
        "series": [_point_view(point) for point in found.series],
        "previous": {
            "total_insights": sum(found.previous.values()),
            "sentiment_counts": _counts_view(found.previous),
        },
    }


def _counts_view(counts: Counts) -> Json:
    return {name: counts[sentiment] for sentiment, name in SENTIMENTS.items()}


def _point_view(point: Point) -> Json:
    # Spelt out, because a year has 365 of them, and a week 168.
    start, negative, neutral, positive, score_sum, partial = point
    total = positive + neutral + negative
    return {
        "start": iso_hour(start),
        "total": total,
        "positive": positive,
        "neutral": neutral,
        "negative": negative,
        "mean_sentiment": round(score_sum / total) / SCORE_UNIT if total else None,
        "partial": partial,
    }
