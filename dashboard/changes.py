"""What changed between two windows, as rows and as a sentence: no drawing, no calls."""

from collections.abc import Sequence
from math import log10
from typing import NamedTuple

from client.answers import ComparedTopic, ComparedTopics, ComparedWindow, TopicFigures
from dashboard import words
from dashboard.text import Row

SURPRISING = 1.3
"""A surprise that stands for 5 %: docs/ANALYSIS.md."""
SHOWN = 10


class Changes(NamedTuple):
    """The topics of a window beside those of the one before, the most surprising first."""

    topics: Sequence[ComparedTopic]
    total: int
    """How many topics there are; `topics` may be fewer, the largest rises and falls."""
    now: ComparedWindow
    before: ComparedWindow

    @property
    def alarming(self) -> float:
        """The surprise that one of so many topics reaches by chance in a twentieth of all windows."""
        return SURPRISING + log10(max(self.total, 1))


def merged(rises: ComparedTopics, falls: ComparedTopics) -> Changes:
    """Both ends of the list of topics, sorted by surprise, as one."""
    both = {each.slug: each for each in (*rises.topics, *falls.topics)}
    topics = sorted(both.values(), key=lambda each: (-abs(each.surprise or 0), -abs(each.change), each.slug))
    return Changes(topics, rises.total, rises.window, rises.previous)


def sentence(changes: Changes) -> str:
    """What changed most, in plain English; true for every reader who recounts it."""
    if not changes.topics:
        return "No conversation of either window has a topic."
    first = changes.topics[0]
    if not changes.before.total_insights or not changes.now.total_insights:
        return _without_comparison(changes)
    surprise = abs(first.surprise or 0)
    if surprise >= changes.alarming:
        odds = words.odds(10**-surprise)
        return f"{_counts(first, changes)} By chance alone a topic changes as much in {odds} windows."
    if surprise >= SURPRISING:
        opening = "One topic stands out, but among"
        return f"{opening} {changes.total:,} topics one may by chance. {_counts(first, changes)}"
    return f"No topic changed more than chance explains. The least usual: {_counts(first, changes)}"


def _counts(topic: ComparedTopic, changes: Changes) -> str:
    now, before = _part(topic, changes.now), _part(topic.previous, changes.before)
    return f"“{topic.label}” is in {now} conversations, in the window before it was in {before}."


def _part(figures: TopicFigures, window: ComparedWindow) -> str:
    return f"{figures.count:,} of {window.total_insights:,} ({words.percent(figures.share or 0)})"


def _without_comparison(changes: Changes) -> str:
    if not changes.now.total_insights:
        return f"There are no conversations in this window; the one before has {changes.before.total_insights:,}."
    common = max(changes.topics, key=lambda each: each.count)
    part = _part(common, changes.now)
    opening = "There is nothing to compare with: the window before is empty. The commonest topic is"
    return f"{opening} “{common.label}”, in {part} conversations."


def rows(changes: Changes) -> list[Row]:
    """A row for each topic."""
    return [
        {
            "slug": each.slug,
            "topic": each.label,
            "n": each.count,
            "before": each.previous.count,
            "change": each.change,
            "share": percent(each.share),
            "share before": percent(each.previous.share),
            "negative": percent(each.negative_share),
            "likely": likely(each, changes),
            "surprise": each.surprise,
            "when": each.sparkline,
            "first seen": each.first_seen,
        }
        for each in changes.topics
    ]


def percent(share: float | None) -> float | None:
    """A share in percent."""
    return None if share is None else share * 100


def likely(topic: ComparedTopic, changes: Changes) -> str:
    """Whether a change is more than chance, in our own words."""
    if topic.surprise is None:
        return "too few"
    if abs(topic.surprise) >= changes.alarming:
        return "a change"
    return "perhaps" if abs(topic.surprise) >= SURPRISING else "chance"
