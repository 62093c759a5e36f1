"""Why a window differs: buckets of days, parts that add up, and a sentence that is true."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.answers import Explanation, Trends
from client.calls.insights import Interval
from dashboard import reasons
from dashboard.address import Window

DATES = st.dates(date(1970, 1, 1), date(2199, 12, 31))
FRIDAY = Window(date(2026, 11, 13), date(2026, 11, 13))
LENGTHS: list[Interval] = ["day", "week", "month"]


def insight(id_: str, score: float) -> dict[str, Any]:
    found = {
        "sentiment_score": score,
        "clusters": ["late"],
        "keywords": [],
        "confidence": 0.9,
        "reasoning": "",
    }
    return {
        "conversation_id": id_,
        "external_id": None,
        "author": "ann",
        "timestamp": datetime(2026, 11, 13, 9, tzinfo=UTC),
        "text": "a  text\nof two lines",
        "metadata": {},
        "grok_analysis": found,
        "sentiment": "negative",
        "language": "en",
        "analyzer": "offline",
        "model": "rules",
        "partial": False,
        "cached": False,
        "analysed_at": datetime(2026, 11, 13, 9, tzinfo=UTC),
    }


def explanation(**given: Any) -> Explanation:
    day = {"start_time": FRIDAY.start, "end_time": FRIDAY.end}
    late = {"slug": "late", "label": "Late", "mix": -0.01, "mood": -0.08}
    kind = {"slug": "kind", "label": "Kind", "mix": 0.03, "mood": 0.01}
    whole = {
        "change": -0.04,
        "mean": -0.24,
        "baseline_mean": -0.2,
        "total_insights": 40,
        "baseline_insights": 900,
        "window": day,
        "baseline": day,
        "topics": [
            kind | {"typical": [], "extreme": []},
            late | {"typical": [insight("c1", -0.3), insight("c2", -0.4)], "extreme": [insight("c1", -0.3)]},
        ],
        "rest": {"mix": 0.0, "mood": 0.01},
    }
    return Explanation.model_validate(whole | given)


@pytest.mark.parametrize("length", LENGTHS)
@given(day=DATES)
def test_each_day_is_in_one_bucket_and_the_next_begins_behind_it(length: Interval, day: date) -> None:
    own = reasons.bucket(day, length)

    assert own.first <= day <= own.last
    assert reasons.bucket(own.first, length) == reasons.bucket(own.last, length) == own
    assert reasons.bucket(own.last + timedelta(days=1), length).first == own.last + timedelta(days=1)


@given(first=DATES, length=st.integers(0, 20_000), baseline=st.sampled_from([*reasons.BASELINES]))
def test_a_chart_has_the_window_and_few_enough_bars(first: date, length: int, baseline: Any) -> None:
    window = Window(first, first + timedelta(days=length))
    shown = reasons.around(window, baseline)
    days = {"day": 1, "week": 7, "month": 28}[reasons.interval(shown)]

    assert shown.first <= window.first
    assert window.last < shown.last
    assert shown.first >= date(1970, 1, 1)
    assert shown.days / days <= 900  # the service gives up to 4,000 points


@given(parts=st.lists(st.tuples(*[st.integers(-(10**6), 10**6)] * 2), min_size=1, max_size=6))
def test_the_last_row_is_the_sum_of_those_above_it(parts: list[tuple[int, int]]) -> None:
    every = [{"mix": mix / 10**6, "mood": mood / 10**6} for mix, mood in parts]
    topics = [
        each | {"slug": f"t{number}", "label": "T", "typical": [], "extreme": []}
        for number, each in enumerate(every[1:])
    ]
    *rows, total = reasons.parts(explanation(topics=topics, rest=every[0]))

    assert {row["id"] for row in rows} == {"", *(each["slug"] for each in topics)}
    for name in ("moved", "mix", "mood"):
        assert total[name] == pytest.approx(sum(float(str(row[name])) for row in rows), abs=1e-9)


def test_the_sentence_names_what_moved_it_most() -> None:
    assert reasons.sentence(explanation(), FRIDAY, "28d") == (
        "The mean sentiment on Fri 13 Nov 2026 is -0.24 (n = 40), 0.04 lower than in the 28 days before"
        " (-0.20, n = 900). “Late” moved it most, by -0.090: mostly because what was said about it was worse."
    )


def test_a_topic_that_moved_by_its_part_is_said_to() -> None:
    found = explanation(topics=explanation().model_dump()["topics"][:1], change=0.05)

    assert "“Kind” moved it most, by +0.040: mostly because it was another part" in reasons.sentence(
        found, FRIDAY, "7d"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mean": None, "change": None}, "No conversation on Fri 13 Nov 2026 has a sentiment."),
        ({"baseline_mean": None, "change": None}, "There is nothing to compare it with"),
        ({"change": 0.004}, "about as in the 28 days before"),
        ({"total_insights": 19}, "So few conversations may differ by chance alone."),
        ({"topics": []}, "(-0.20, n = 900)."),
    ],
)
def test_what_can_not_be_compared_is_not(given: dict[str, Any], said: str) -> None:
    sentence = reasons.sentence(explanation(**given), FRIDAY, "28d")

    assert said in sentence
    assert "moved it most" not in sentence or "change" in given


def test_a_conversation_that_is_typical_and_extreme_stands_once() -> None:
    cases = reasons.cases(explanation(), None)

    assert [(id_, row["case"], row["score"]) for id_, row in cases] == [
        ("c1", "typical, extreme", -0.3),
        ("c2", "typical", -0.4),
    ]
    assert cases[0][1]["text"] == "a text of two lines"
    assert reasons.cases(explanation(), "kind") == []


def test_days_begin_and_end_with_conversations() -> None:
    points = [
        {
            "start": datetime(2026, 11, day, tzinfo=UTC),
            "total": total,
            "positive": 0,
            "neutral": 0,
            "negative": total // 2,
            "mean_sentiment": -0.1 if total else None,
            "partial": False,
        }
        for day, total in ((11, 0), (12, 4), (13, 0), (14, 30), (15, 0))
    ]
    counts = {"positive": 0, "neutral": 0, "negative": 0}
    found = Trends.model_validate(
        {
            "interval": "day",
            "tz": "UTC",
            "window_days": 5,
            "total_insights": 34,
            "skipped_count": 0,
            "sentiment_counts": counts,
            "top_topics": [],
            "series": points,
            "previous": {"total_insights": 0, "sentiment_counts": counts},
        }
    )
    rows = reasons.days(found, FRIDAY, "day")

    assert [(row["id"], row["n"], row["is shown"], row["is few"]) for row in rows] == [
        ("2026-11-12", 4, False, True),
        ("2026-11-13", 0, True, True),
        ("2026-11-14", 30, False, False),
    ]
    assert [row["negative"] for row in rows] == [0.5, None, 0.5]
