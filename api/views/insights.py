"""Insights and trends as clients see them."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from api.parameters.insights import seal
from api.views.conversations import insight_view, maker_view, participant_view, version_view
from core.clock import iso, iso_in_zone
from domain.analysis import SCORE_UNIT, SENTIMENT_NAMES
from domain.buckets import DAY, MICROSECONDS
from store.insights.entries import InsightEntry
from store.insights.listing import InsightWindow
from store.insights.makers import Maker
from store.insights.trends import Calendar, Point, Trends
from store.insights.windows import Counts, Selection

Json = dict[str, Any]


def insights_view(found: InsightWindow, selection: Selection | None) -> Json:
    """A page of insights; `selection` is None where the request named no window."""
    window = selection and {"start_time": iso(selection.start), "end_time": iso(selection.end)}
    page = found.page
    return {
        "insights": [listed_insight_view(listed) for listed in page.insights],
        "metadata": {
            "total_count": found.total,
            "returned_count": len(page.insights),
            "skipped_count": found.skipped,
            **(window or {"start_time": None, "end_time": None}),
            "time_window": window,
            "next_cursor": seal(selection, page.next) if selection and page.next else None,
            **({} if found.counts is None else _keyword_view(found.counts, found.is_exact)),
        },
    }


def _keyword_view(counts: Counts, is_exact: bool) -> Json:
    return {"sentiment_counts": _counts_view(counts), "total_is_exact": is_exact}


def listed_insight_view(listed: InsightEntry) -> Json:
    """An insight together with its conversation."""
    row, text = listed.row, listed.text
    view: Json = {
        "conversation_id": row.id,
        "external_id": row.external_id,
        "author": row.author,
        "timestamp": iso(row.timestamp),
        "text": text,
    }
    if listed.truncated:
        view["text_truncated"] = True
    view["metadata"] = {} if row.metadata is None else from_json(row.metadata)
    view["redactions"] = {} if row.redactions is None else from_json(row.redactions)
    view |= insight_view(listed)
    return view if listed.history is None else {**view, "history": [*map(version_view, listed.history)]}


def exported_insight_view(listed: InsightEntry) -> Json:
    """The same with those who wrote in it, for a line of NDJSON."""
    return listed_insight_view(listed) | {"participants": [*map(participant_view, listed.participants)]}


def trends_view(found: Trends, calendar: Calendar, start: int, end: int) -> Json:
    """The trends of the window `[start, end)`, UTC microseconds."""
    days = (end - start) / MICROSECONDS[DAY]
    return {
        "interval": str(calendar.length(start, end)),
        "tz": calendar.zone.key,
        "window_days": int(days) if days.is_integer() else round(days, 4),
        "total_insights": sum(found.counts.values()),
        "skipped_count": found.skipped,
        "sentiment_counts": _counts_view(found.counts),
        "top_topics": found.top_topics,
        "series": [_point_view(point) for point in found.series],
        "versions": _versions_view(found.series),
        "previous": {
            "total_insights": sum(found.previous.values()),
            "sentiment_counts": _counts_view(found.previous),
        },
    }


def _counts_view(counts: Counts) -> Json:
    return {name: counts[sentiment] for sentiment, name in SENTIMENT_NAMES.items()}


def _versions_view(series: Sequence[Point]) -> list[Json]:
    """Who made the insights of the series, and in which buckets first and last, in that order."""
    spans: dict[Maker, tuple[Point, Point]] = {}
    for point in series:
        if point.negative or point.neutral or point.positive or point.unsure:
            for maker in sorted(point.makers):
                first, _ = spans.get(maker, (point, point))
                spans[maker] = first, point
    return [
        {
            **maker_view(maker),
            "first_bucket": iso_in_zone(first.start, first.offset),
            "last_bucket": iso_in_zone(last.start, last.offset),
        }
        for maker, (first, last) in spans.items()
    ]


def _point_view(point: Point) -> Json:
    # Spelt out, because a year has 365 points and a week 168.
    start, offset, negative, neutral, positive, unsure, score_sum, partial, makers = point
    scored = positive + neutral + negative
    return {
        "start": iso_in_zone(start, offset),
        "total": scored + unsure,
        "positive": positive,
        "neutral": neutral,
        "negative": negative,
        "unsure": unsure,
        "mean_sentiment": round(score_sum / scored) / SCORE_UNIT if scored else None,
        "partial": partial,
        "mixed": len(makers) > 1,
    }
