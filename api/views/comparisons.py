"""Topics of two windows as clients see them."""

from collections.abc import Iterator
from typing import Any

from api.views.insights import listed_insight_view
from core.clock import iso
from domain.analysis import SCORE_UNIT
from store.insights.compared_topics import ComparedTopic, ComparedTopics
from store.insights.explanations import ExplainedTopic, Explanation
from store.insights.filtered_topics import Counted
from store.insights.topic_changes import Comparison

Json = dict[str, Any]
DIGITS = 6
"""Of shares."""
FLAT = ("count", "share", "negative_share", "mean_sentiment")
COLUMNS = (
    "slug",
    "label",
    *FLAT,
    *(f"previous_{name}" for name in FLAT),
    "change",
    "surprise",
    "first_seen",
    "last_seen",
    "sparkline",
)
"""Of a CSV."""


def topics_view(found: ComparedTopics, asked: Comparison, *, page: int, limit: int) -> Json:
    """A page of topics."""
    return {
        "topics": [*topic_views(found)],
        "total": found.total,
        "page": page,
        "limit": limit,
        "pages": -(-found.total // limit),
        "window": _window_view(asked.chosen.start, asked.chosen.end, found.now),
        "previous": _window_view(asked.before_start, asked.before_end, found.before),
        "history_days": found.history_days,
    }


def topic_views(found: ComparedTopics) -> Iterator[Json]:
    """Each topic of a page."""
    for each in found.page:
        yield {
            "slug": each.topic.slug,
            "label": each.topic.label,
            **_counted_view(each.now, found.now),
            "previous": _counted_view(each.before, found.before),
            "change": each.change,
            "surprise": None if each.surprise is None else round(each.surprise, 4),
            **_seen_view(each),
            "sparkline": [*each.sparkline],
        }


def flat(view: Json) -> Json:
    """The same for a CSV."""
    points = ";".join(map(str, view["sparkline"]))
    return view | {f"previous_{name}": view["previous"][name] for name in FLAT} | {"sparkline": points}


def _window_view(start: int, end: int, everything: Counted) -> Json:
    return _time_window(start, end) | {
        "total_insights": everything.n,
        "negative_share": _share(everything.negative, everything.n),
        "mean_sentiment": _mean(everything),
    }


def _counted_view(counted: Counted, everything: Counted) -> Json:
    return {
        "count": counted.n,
        "share": _share(counted.n, everything.n),
        "negative_share": _share(counted.negative, counted.n),
        "mean_sentiment": _mean(counted),
    }


def _seen_view(each: ComparedTopic) -> Json:
    return {
        "first_seen": None if each.seen is None else iso(each.seen.first),
        "last_seen": None if each.seen is None else iso(each.seen.last),
    }


def _share(n: int, of: int) -> float | None:
    return round(n / of, DIGITS) if of else None


def _mean(counted: Counted) -> float | None:
    return round(counted.score_sum / counted.scored) / SCORE_UNIT if counted.scored else None


def explanation_view(found: Explanation, window: tuple[int, int], before: tuple[int, int]) -> Json:
    """The change of a mean, by topic."""
    return {
        "change": _millionths(found.change),
        "mean": _millionths(found.mean),
        "baseline_mean": _millionths(found.before_mean),
        "total_insights": found.total,
        "baseline_insights": found.before_total,
        "window": _time_window(*window),
        "baseline": _time_window(*before),
        "topics": [_explained_view(each) for each in found.topics],
        "rest": {"mix": _millionths(found.rest_mix), "mood": _millionths(found.rest_mood)},
    }


def _explained_view(each: ExplainedTopic) -> Json:
    return {
        "slug": each.topic.slug,
        "label": each.topic.label,
        "mix": _millionths(each.mix),
        "mood": _millionths(each.mood),
        "typical": [listed_insight_view(entry) for entry in each.typical],
        "extreme": [listed_insight_view(entry) for entry in each.extreme],
    }


def _time_window(start: int, end: int) -> Json:
    return {"start_time": iso(start), "end_time": iso(end)}


def _millionths(value: int | None) -> float | None:
    return None if value is None else value / 1_000_000
