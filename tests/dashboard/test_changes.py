"""The sentence about what changed is true, whatever changed."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from client.answers import ComparedTopic, ComparedTopics, ComparedWindow, TopicFigures
from dashboard import changes, words
from dashboard.filters import LATEST_DAYS, latest

START = datetime(2026, 11, 16, tzinfo=UTC)
COUNTS = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 500), st.floats(-9, 9) | st.none()), max_size=8
)
PART = re.compile(r"([\d,]+) of ([\d,]+)")


def figures(count: int, total: int) -> dict[str, Any]:
    share = count / total if total else None
    return {"count": count, "share": share, "negative_share": None, "mean_sentiment": None}


def compared(counts: list[tuple[int, int, float | None]]) -> changes.Changes:
    total, before = sum(now for now, _, _ in counts), sum(then for _, then, _ in counts)
    topics = [
        ComparedTopic(
            slug=f"t{number}",
            label=f"T{number}",
            previous=TopicFigures(**figures(then, before)),
            change=now - then,
            surprise=surprise,
            first_seen=START,
            last_seen=START,
            sparkline=[],
            **figures(now, total),
        )
        for number, (now, then, surprise) in enumerate(counts)
    ]
    window: dict[str, Any] = {
        "start_time": START,
        "end_time": START,
        "negative_share": None,
        "mean_sentiment": None,
    }
    both = ComparedTopics(
        topics=topics,
        total=len(topics),
        page=1,
        limit=100,
        pages=1,
        window=ComparedWindow(total_insights=total, **window),
        previous=ComparedWindow(total_insights=before, **window),
        history_days=0,
    )
    return changes.merged(both, both)


@given(COUNTS)
def test_the_sentence_is_about_the_most_surprising_topic_and_its_counts(
    counts: list[tuple[int, int, float | None]],
) -> None:
    found = compared(counts)
    said = changes.sentence(found)

    parts = [tuple(int(each.replace(",", "")) for each in part) for part in PART.findall(said)]
    if found.topics and found.now.total_insights and found.before.total_insights:
        first = max(found.topics, key=lambda each: (abs(each.surprise or 0), abs(each.change)))
        named = next(each for each in found.topics if f"“{each.label}”" in said)
        assert abs(named.surprise or 0) == abs(first.surprise or 0)
        assert parts[:2] == [
            (named.count, found.now.total_insights),
            (named.previous.count, found.before.total_insights),
        ]
        assert ("more than chance explains" in said) == (abs(first.surprise or 0) < changes.SURPRISING)
        assert ("By chance alone" in said) == (abs(first.surprise or 0) >= found.alarming)
    else:
        assert "chance" not in said


@given(st.floats(1.3, 12))
def test_odds_are_those_of_the_surprise(surprise: float) -> None:
    shown = int(words.odds(10**-surprise).removeprefix("1 in ").replace(",", ""))

    assert abs(shown / min(10**surprise, 1e9) - 1) < 0.06


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 1000))
def test_the_newest_week_has_as_much_before_it(oldest: date, days: int) -> None:
    newest = oldest + timedelta(days=days)
    window = latest(oldest, newest)

    assert window.last == newest
    assert window.days <= LATEST_DAYS
    assert window.before.first >= oldest or days == 0
