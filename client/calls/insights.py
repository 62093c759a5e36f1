"""Calls about insights and trends."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from ..answers import ComparedTopics, Explanation, InsightsPage, OwnFields, Trends
from ..wire import Call
from .building import getting, reader

Time = datetime | str
"""A `datetime`, or a text in ISO 8601; without an offset it is UTC."""
Sort = Literal["-timestamp", "timestamp", "score", "-score", "confidence", "-confidence"]
"""The order of a list; `-` stands for descending."""
Asked = str | bool | tuple[float | None, float | None]
"""What a field of FIELDS_FILE has to be: a value, or for a number its least and its most."""
Interval = Literal["hour", "day", "week", "month"]
"""The length of the buckets of a series."""


def insights_page(
    *,
    start_time: Time | None = None,
    end_time: Time | None = None,
    sentiment: str | None = None,
    min_confidence: float | None = None,
    cluster: str | None = None,
    author: str | None = None,
    keyword: str | None = None,
    analyzer: str | None = None,
    model: str | None = None,
    language: str | None = None,
    metadata: Mapping[str, str] | None = None,
    fields: Mapping[str, Asked] | None = None,
    sort: Sort = "-timestamp",
    limit: int = 100,
    cursor: str | None = None,
    history: bool = False,
) -> Call[InsightsPage]:
    """A page of 1 to 1,000 insights of the window `[start_time, end_time)`.

    `language` is a code of ISO 639-1. `metadata` filters by keys of the senders' metadata, those that the service's
    METADATA_KEYS names, and `fields` by fields of its FIELDS_FILE: `{"urgency": "high", "refund": (100, None)}`. With
    `history`, each has its earlier versions.

    A cursor carries its own window and filters. Beside it they may be left out, but not be others.
    """
    window = {"start_time": start_time, "end_time": end_time}
    filters = {"sentiment": sentiment, "min_confidence": min_confidence, "cluster": cluster, "author": author}
    more = {"keyword": keyword, "analyzer": analyzer, "model": model, "language": language}
    pairs = {f"metadata.{key}": value for key, value in (metadata or {}).items()} | by_fields(fields)
    # The default is not sent, so that a cursor of another order can come alone.
    page = {"sort": None if sort == "-timestamp" else sort, "limit": limit, "cursor": cursor}
    page |= {"include": "history" if history else None}
    return getting("/api/v1/insights", reader(InsightsPage), {**window, **filters, **more, **pairs, **page})


def by_fields(fields: Mapping[str, Asked] | None) -> dict[str, object]:
    """The parameters that filter by fields of FIELDS_FILE."""
    found: dict[str, object] = {}
    for name, asked in (fields or {}).items():
        if isinstance(asked, tuple):
            least, most = asked
            found |= {f"field.{name}.min": least, f"field.{name}.max": most}
        else:
            found[f"field.{name}"] = str(asked).lower() if isinstance(asked, bool) else asked
    return found


def recent_insights(*, limit: int = 100) -> Call[InsightsPage]:
    """The insights that were made last, whatever the time of the conversation."""
    return getting("/api/v1/insights/recent", reader(InsightsPage), {"limit": limit})


def trends(
    *,
    days: int | None = None,
    start_time: Time | None = None,
    end_time: Time | None = None,
    interval: Interval | None = None,
    tz: str | None = None,
    min_confidence: float | None = None,
    analyzer: str | None = None,
    cluster: str | None = None,
    fields: Mapping[str, Asked] | None = None,
) -> Call[Trends]:
    """Sentiment and topics over the last days (7, 1 to 365) or over a window, in a time zone (UTC) by an interval."""
    window = {"days": days, "start_time": start_time, "end_time": end_time, "interval": interval, "tz": tz}
    filters = {"min_confidence": min_confidence, "analyzer": analyzer, "cluster": cluster}
    return getting("/api/v1/trends", reader(Trends), {**window, **filters, **by_fields(fields)})


def compare_topics(
    *,
    start_time: Time,
    end_time: Time,
    compare_start_time: Time | None = None,
    compare_end_time: Time | None = None,
    sentiment: str | None = None,
    min_confidence: float | None = None,
    analyzer: str | None = None,
    fields: Mapping[str, Asked] | None = None,
    sort: str = "-count",
    limit: int = 100,
    page: int = 1,
) -> Call[ComparedTopics]:
    """The topics of a window, compared with another one: by default that of the same length before it."""
    window = {"start_time": start_time, "end_time": end_time}
    other = {"compare_start_time": compare_start_time, "compare_end_time": compare_end_time}
    filters: dict[str, object] = {
        "sentiment": sentiment,
        "min_confidence": min_confidence,
        "analyzer": analyzer,
    }
    filters |= by_fields(fields)
    given = {**window, **other, **filters, "sort": sort, "limit": limit, "page": page}
    return getting("/api/v1/topics", reader(ComparedTopics), given)


def explain(
    *,
    start_time: Time,
    end_time: Time,
    baseline: str = "28d",
    fields: Mapping[str, Asked] | None = None,
) -> Call[Explanation]:
    """Why a window's mean sentiment differs from that of the time before it: the part of each topic."""
    given = {"start_time": start_time, "end_time": end_time, "baseline": baseline}
    return getting("/api/v1/explain", reader(Explanation), {**given, **by_fields(fields)})


def own_fields() -> Call[OwnFields]:
    """What FIELDS_FILE asks for, and how many insights have which version of it."""
    return getting("/api/v1/fields", reader(OwnFields))
