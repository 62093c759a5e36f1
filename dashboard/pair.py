"""Two topics side by side, as rows and as a sentence: no drawing, no calls."""

from collections.abc import Sequence
from typing import NamedTuple

from client.answers import ComparedTopic, ComparedTopics, ComparedWindow
from dashboard import words
from dashboard.charts import FEW
from dashboard.text import Row

SAME = 0.005
"""A smaller difference of means is not seen in two digits."""


class Pair(NamedTuple):
    """Two topics of a window."""

    one: ComparedTopic
    two: ComparedTopic
    window: ComparedWindow


def pair(found: ComparedTopics, one: str | None, two: str | None) -> Pair | None:
    """Two topics by their slugs; None if one of them is in neither window."""
    by_slug = {each.slug: each for each in found.topics}
    if one in by_slug and two in by_slug:
        return Pair(by_slug[one], by_slug[two], found.window)
    return None


def sentence(both: Pair) -> str:
    """Which is more common, and of which people speak worse; true for every reader who recounts it."""
    one, two = sorted((both.one, both.two), key=lambda each: -each.count)
    parts = f"“{one.label}” is in {_part(one, both.window)} conversations, “{two.label}” in {_part(two, both.window)}."
    if one.mean_sentiment is None or two.mean_sentiment is None:
        return parts
    if min(one.count, two.count) < FEW:
        return f"{parts} That is too few to say of which people speak worse."
    return f"{parts} {_worse(one, two, one.mean_sentiment - two.mean_sentiment)}"


def _part(topic: ComparedTopic, window: ComparedWindow) -> str:
    return f"{topic.count:,} of {window.total_insights:,} ({words.percent(topic.share or 0)})"


def _worse(one: ComparedTopic, two: ComparedTopic, difference: float) -> str:
    means = f"{words.score(one.mean_sentiment)} and {words.score(two.mean_sentiment)}"
    if abs(difference) < SAME:
        return f"Their mean sentiments are about the same: {means}."
    worse = one if difference < 0 else two
    return f"The mean sentiment is lower where it is about “{worse.label}”: {means}."


def rows(both: Pair) -> list[Row]:
    """A row for each of the two."""
    return [_row(both.one), _row(both.two)]


def _row(topic: ComparedTopic) -> Row:
    return {
        "topic": topic.label,
        "n": topic.count,
        "share": topic.share,
        "negative": topic.negative_share,
        "mean": topic.mean_sentiment,
        "before": topic.previous.count,
        "change": topic.change,
        "negative before": topic.previous.negative_share,
        "mean before": topic.previous.mean_sentiment,
        "first seen": topic.first_seen,
    }


def points(both: Pair) -> list[Row]:
    """How many conversations each of the two has in the 24 equal parts of the window."""
    return [point for topic in (both.one, both.two) for point in _points(topic, both.window)]


def _points(topic: ComparedTopic, window: ComparedWindow) -> Sequence[Row]:
    length = (window.end_time - window.start_time) / len(topic.sparkline)
    return [
        {"when": (window.start_time + number * length).isoformat(), "n": count, "topic": topic.label}
        for number, count in enumerate(topic.sparkline)
    ]
