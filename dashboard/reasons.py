"""Why a window differs from the time before it, as rows and as a sentence: no drawing, no calls."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, timedelta

from client.answers import ExplainedPart, ExplainedTopic, Explanation, ListedInsight, Trends, TrendsPoint
from client.calls.insights import Interval
from dashboard import words
from dashboard.address import Baseline, Window
from dashboard.charts import FEW
from dashboard.text import Row

BASELINES: Mapping[Baseline, str] = {
    "7d": "the 7 days before",
    "14d": "the 14 days before",
    "28d": "the 28 days before",
    "91d": "the 13 weeks before",
}
LONGER = 7
"""Days behind the window that the chart has too, so that one can go on from day to day."""
EARLIEST = date(1970, 1, 1)
DAILY, WEEKLY = 120, 730
"""Up to how many days a chart has a bar for each day, and for each week."""
SAME = 0.005
"""A smaller change of the mean is not seen in two digits."""
PREVIEW = 300
REST, SUM = "", "="
"""The ids of the two last rows of the parts; no topic has such a name."""


def around(window: Window, baseline: Baseline) -> Window:
    """What the chart shows: what the window is compared with, the window, and a week after it."""
    before = timedelta(days=int(baseline.removesuffix("d")))
    first = max(window.first - before, min(EARLIEST, window.first))
    return Window(first, window.last + timedelta(days=LONGER))


def interval(shown: Window) -> Interval:
    """What a bar of the chart stands for."""
    if shown.days <= DAILY:
        return "day"
    return "week" if shown.days <= WEEKLY else "month"


def bucket(day: date, length: Interval) -> Window:
    """The day, the week or the month that a day is in."""
    if length == "week":
        first = day - timedelta(days=day.weekday())
        return Window(first, first + timedelta(days=6))
    if length == "month":
        first = day.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
        return Window(first, following - timedelta(days=1))
    return Window(day, day)


def days(found: Trends, window: Window, length: Interval) -> list[Row]:
    """A row for each bucket from the first that has conversations to the last; `id` is its first day."""
    filled = [number for number, each in enumerate(found.series) if each.total]
    series = found.series[filled[0] : filled[-1] + 1] if filled else []
    return [_day(each, window, length) for each in series]


def _day(point: TrendsPoint, window: Window, length: Interval) -> Row:
    own = bucket(point.start.astimezone(UTC).date(), length)
    return {
        "id": own.first.isoformat(),
        "when": words.span(*own),
        "n": point.total,
        "mean": point.mean_sentiment,
        "negative": point.negative / point.total if point.total else None,
        "said": f"{words.span(*own)}: {words.score(point.mean_sentiment)}, {words.n(point.total)}",
        "is shown": own.last >= window.first and own.first <= window.last,
        "is few": point.total < FEW,
    }


def marked(window: Window, length: Interval) -> str | None:
    """The id of the bucket that the window is, if it is one."""
    return window.first.isoformat() if window == bucket(window.first, length) else None


def sentence(found: Explanation, window: Window, baseline: Baseline) -> str:
    """By how much the mean differs, and what moved it most; true for every reader who recounts it."""
    when, before = _when(window), BASELINES[baseline]
    if found.mean is None:
        return f"No conversation {when} has a sentiment."
    mean = f"The mean sentiment {when} is {words.score(found.mean)} ({words.n(found.total_insights)})"
    if found.change is None or found.baseline_mean is None:
        return f"{mean}. There is nothing to compare it with: {before} have no conversation with a sentiment."
    was = f"{words.score(found.baseline_mean)}, {words.n(found.baseline_insights)}"
    compared = f"{mean}, {_difference(found.change)} in {before} ({was})."
    if min(found.total_insights, found.baseline_insights) < FEW:
        return f"{compared} So few conversations may differ by chance alone."
    return f"{compared} {_foremost(found.topics)}".rstrip()


def _when(window: Window) -> str:
    if window.days == 1:
        return f"on {words.day(window.first)}"
    return f"from {words.span(*window)}"


def _difference(change: float) -> str:
    if abs(change) < SAME:
        return "about as"
    return f"{abs(change):.2f} {'higher' if change > 0 else 'lower'} than"


def _foremost(topics: Sequence[ExplainedTopic]) -> str:
    if not topics:
        return ""
    first = max(topics, key=lambda each: abs(each.mix + each.mood))
    return f"“{first.label}” moved it most, by {first.mix + first.mood:+.3f}: {_how(first)}."


def _how(part: ExplainedPart) -> str:
    """The larger of the two ways in which a topic moves a mean."""
    if abs(part.mood) >= abs(part.mix):
        return f"mostly because what was said about it was {'better' if part.mood > 0 else 'worse'}"
    return "mostly because it was another part of all conversations than before"


def parts(found: Explanation) -> list[Row]:
    """What each topic did to the mean, the rest, and all of it together, which is the change."""
    ordered = sorted(found.topics, key=lambda each: -abs(each.mix + each.mood))
    rows = [_part(each.slug, each.label, each) for each in ordered]
    return [*rows, _part(REST, "All other topics", found.rest), _total(found)]


def _part(id_: str, name: str, part: ExplainedPart) -> Row:
    return {"id": id_, "topic": name, "moved": part.mix + part.mood, "mix": part.mix, "mood": part.mood}


def _total(found: Explanation) -> Row:
    every = [*found.topics, found.rest]
    mix, mood = sum(each.mix for each in every), sum(each.mood for each in every)
    return {"id": SUM, "topic": "Together, the change", "moved": mix + mood, "mix": mix, "mood": mood}


def cases(found: Explanation, topic: str | None) -> list[tuple[str, Row]]:
    """The typical and the extreme conversations, with their ids; of one topic, if one is named."""
    chosen = [each for each in found.topics if topic in (None, each.slug)]
    return [case for each in chosen for case in _cases(each)]


def _cases(topic: ExplainedTopic) -> list[tuple[str, Row]]:
    typical = {each.conversation_id: each for each in topic.typical}
    extreme = {each.conversation_id: each for each in topic.extreme}
    kinds = {id_: _kind(id_ in typical, id_ in extreme) for id_ in (*typical, *extreme)}
    return [(id_, _case(topic, kind, (typical | extreme)[id_])) for id_, kind in kinds.items()]


def _kind(is_typical: bool, is_extreme: bool) -> str:
    if is_typical and is_extreme:
        return "typical, extreme"
    return "typical" if is_typical else "extreme"


def _case(topic: ExplainedTopic, kind: str, insight: ListedInsight) -> Row:
    return {
        "topic": topic.label,
        "case": kind,
        "score": insight.grok_analysis.sentiment_score,
        "text": " ".join(insight.text[:PREVIEW].split()),
        "when": insight.timestamp,
        "author": insight.author,
        "analyzer": insight.analyzer,
    }
