"""What the service answers about insights and trends."""

from typing import Any

from pydantic import AwareDatetime, Field

from .base import Answer
from .conversations import Insight


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
    mixed: bool = False
    """Whether its insights were made by several analyzers, models or versions of the prompt."""


class TrendsVersion(Answer):
    """What made insights of the window, and in which of its buckets it did first and last."""

    analyzer: str
    model: str
    prompt_version: str | None
    first_bucket: AwareDatetime
    last_bucket: AwareDatetime


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
    versions: list[TrendsVersion] = Field(default_factory=list)
    previous: TrendsBefore


class TopicFigures(Answer):
    """A topic's insights in a window; shares and the mean are null without insights."""

    count: int
    share: float | None
    negative_share: float | None
    mean_sentiment: float | None


class ComparedTopic(TopicFigures):
    """A topic in a window and, as `previous`, in the one that it is compared with."""

    slug: str
    label: str
    previous: TopicFigures
    change: int
    surprise: float | None
    first_seen: AwareDatetime | None
    last_seen: AwareDatetime | None
    sparkline: list[int]


class ComparedWindow(Answer):
    """A window, and what all its insights add up to."""

    start_time: AwareDatetime
    end_time: AwareDatetime
    total_insights: int
    negative_share: float | None
    mean_sentiment: float | None


class ComparedTopics(Answer):
    """A page of the topics of a window."""

    topics: list[ComparedTopic]
    total: int
    page: int
    limit: int
    pages: int
    window: ComparedWindow
    previous: ComparedWindow
    history_days: int


class ExplainedPart(Answer):
    """A part of the change of a mean."""

    mix: float
    mood: float


class ExplainedTopic(ExplainedPart):
    """The part of a topic, with typical and extreme conversations of the window."""

    slug: str
    label: str
    typical: list[ListedInsight]
    extreme: list[ListedInsight]


class TimeWindow(Answer):
    """A window, the end excluded."""

    start_time: AwareDatetime
    end_time: AwareDatetime


class Explanation(Answer):
    """The change of the mean sentiment. All parts add up to `change`, which is null if a window has no insights."""

    change: float | None
    mean: float | None
    baseline_mean: float | None
    total_insights: int
    baseline_insights: int
    window: TimeWindow
    baseline: TimeWindow
    topics: list[ExplainedTopic]
    rest: ExplainedPart
