"""What the service answers about insights and trends."""

from typing import Any

from pydantic import AwareDatetime, Field

from client.answers.base import Answer
from client.answers.conversations import Insight


class ListedInsight(Insight):
    """An insight and the conversation it is of; `text` is the first 2,000 characters."""

    conversation_id: str
    external_id: str | None
    author: str | None
    timestamp: AwareDatetime
    text: str
    text_truncated: bool = False
    metadata: dict[str, Any]
    redactions: dict[str, int] = Field(default_factory=dict)


class SentimentCounts(Answer):
    """How many insights of each sentiment."""

    positive: int
    neutral: int
    negative: int
    unsure: int = 0


class InsightsMetadata(Answer):
    """About a list of insights. Where no window was asked for, there is none."""

    total_count: int
    returned_count: int
    skipped_count: int
    start_time: AwareDatetime | None
    end_time: AwareDatetime | None
    next_cursor: str | None
    sentiment_counts: SentimentCounts | None = None
    """Only with a keyword."""
    total_is_exact: bool | None = None
    """Only with a keyword: false while words of some conversations are not in the index yet."""


class InsightsPage(Answer):
    """A page of insights, in the order that was asked for."""

    insights: list[ListedInsight]
    metadata: InsightsMetadata


class TrendsPoint(SentimentCounts):
    """One hour, day, week or month; `start` is in local time. `partial`: the window or the present cuts it."""

    start: AwareDatetime
    total: int
    mean_sentiment: float | None
    partial: bool


class TrendsBefore(Answer):
    """The window of the same length before."""

    total_insights: int
    sentiment_counts: SentimentCounts


class Trends(Answer):
    """How sentiment and topics went; `top_topics` are pairs of a topic and its count."""

    interval: str
    tz: str
    window_days: float
    total_insights: int
    skipped_count: int
    sentiment_counts: SentimentCounts
    top_topics: list[tuple[str, int]]
    series: list[TrendsPoint]
    previous: TrendsBefore
