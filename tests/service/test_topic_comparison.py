"""`/api/v1/topics` and `/api/v1/explain` over HTTP."""

import csv
import json
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from core.clock import iso
from tests.support import insights_api
from tests.support.insight_data import A_DAY, AN_HOUR, NOON, an_analysis, an_insight, store
from tests.support.insights_api import Api, Json

WINDOW = {"start_time": iso(NOON - A_DAY), "end_time": iso(NOON)}


@pytest.fixture(scope="module")
async def api(shared_database_url: URL) -> AsyncIterator[Api]:
    """For all tests of the module, which only read."""
    async with insights_api.opened(shared_database_url) as opened:
        await opened.fill(fill)
        yield opened


def fill(connection: Connection) -> None:
    late, happy = an_analysis(-6_500, clusters=["delay", "refund"]), an_analysis(9_000, clusters=["praise"])
    stored = [
        an_insight(1, NOON - 1, late),
        an_insight(2, NOON - AN_HOUR, happy),
        an_insight(3, NOON - A_DAY - 1, late),
        an_insight(4, NOON - A_DAY - 2, an_analysis(0, clusters=["refund"])),
        an_insight(5, NOON - 30 * A_DAY, happy),
    ]
    store(connection, stored)


async def test_topics_of_a_day_against_the_day_before(api: Api) -> None:
    answer = await api.get("topics", **WINDOW)
    by_slug = {topic["slug"]: topic for topic in answer["topics"]}
    points = by_slug["delay"].pop("sparkline")

    assert [topic["slug"] for topic in answer["topics"]] == ["delay", "praise", "refund"]
    assert by_slug["delay"] == {
        "slug": "delay",
        "label": "Delay",
        "count": 1,
        "share": 0.5,
        "negative_share": 1.0,
        "mean_sentiment": -0.65,
        "previous": {"count": 1, "share": 0.5, "negative_share": 1.0, "mean_sentiment": -0.65},
        "change": 0,
        "surprise": 0.0,
        "first_seen": iso(NOON - A_DAY - 1),
        "last_seen": iso(NOON - 1),
    }
    assert points == [0] * 23 + [1]
    assert by_slug["praise"]["previous"]["mean_sentiment"] is None
    assert (by_slug["refund"]["change"], by_slug["praise"]["change"]) == (-1, 1)
    assert (answer["total"], answer["page"], answer["limit"], answer["pages"]) == (3, 1, 100, 1)
    assert answer["window"] == {**WINDOW, "total_insights": 2, "negative_share": 0.5, "mean_sentiment": 0.125}
    assert answer["previous"]["start_time"] == iso(NOON - 2 * A_DAY)


async def test_another_window_filters_order_and_pages(api: Api) -> None:
    other = {"compare_start_time": iso(NOON - 31 * A_DAY), "compare_end_time": iso(NOON - 29 * A_DAY)}
    answer = await api.get("topics", **WINDOW, **other, sort="-previous.count", limit=1)
    assert ([topic["slug"] for topic in answer["topics"]], answer["pages"]) == (["praise"], 3)
    second = await api.get("topics", **WINDOW, **other, sort="-previous.count", limit=1, page=2)
    assert [topic["slug"] for topic in second["topics"]] == ["delay"]

    negative = await api.get("topics", **WINDOW, sentiment="negative", min_confidence=0.5, analyzer="grok")
    assert [(topic["slug"], topic["share"]) for topic in negative["topics"]] == [
        ("delay", 1.0),
        ("refund", 1.0),
    ]


async def test_all_topics_as_csv_and_ndjson(api: Api) -> None:
    as_csv = await api.http.get("/api/v1/topics", params=WINDOW, headers={"Accept": "text/csv"})
    as_lines = await api.http.get("/api/v1/topics", params=WINDOW, headers={"Accept": "application/x-ndjson"})
    rows = [*csv.DictReader(as_csv.text.splitlines())]
    lines = [json.loads(line) for line in as_lines.text.splitlines()]

    assert [(row["slug"], row["count"], row["previous_count"]) for row in rows] == [
        ("delay", "1", "1"),
        ("praise", "1", "0"),
        ("refund", "1", "2"),
    ]
    assert rows[0]["sparkline"].split(";")[-1] == "1"
    assert [line["slug"] for line in lines] == ["delay", "praise", "refund"]


async def test_a_day_is_explained_by_its_topics(api: Api) -> None:
    answer = await api.get("explain", **WINDOW, baseline="2d")
    delay = next(topic for topic in answer["topics"] if topic["slug"] == "delay")

    assert (answer["mean"], answer["baseline_mean"], answer["change"]) == (0.125, -0.325, 0.45)
    assert (answer["total_insights"], answer["baseline_insights"]) == (2, 2)
    assert answer["baseline"] == {"start_time": iso(NOON - 3 * A_DAY), "end_time": iso(NOON - A_DAY)}
    parts = [
        Decimal(str(each[kind])) for each in (*answer["topics"], answer["rest"]) for kind in ("mix", "mood")
    ]
    assert sum(parts) == Decimal("0.45")
    assert [entry["conversation_id"] for entry in delay["typical"]] == ["conv_1"]
    assert [entry["grok_analysis"]["sentiment_score"] for entry in delay["extreme"]] == [-0.65]


async def test_nothing_is_explained_by_nothing(api: Api) -> None:
    answer = await api.get("explain", start_time="2020-01-01", end_time="2020-01-02")

    assert (answer["change"], answer["mean"], answer["topics"]) == (None, None, [])
    assert answer["rest"] == {"mix": 0.0, "mood": 0.0}


@pytest.mark.parametrize("baseline", ["", "28", "0d", "28 d", "-1d", "28y", "9999w"])
async def test_a_baseline_is_a_length_of_time(api: Api, baseline: str) -> None:
    assert "baseline" in await api.refused("explain", {**WINDOW, "baseline": baseline})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"start_time": iso(NOON)}, "end_time"),
        ({"end_time": iso(NOON)}, "start_time"),
        ({**WINDOW, "compare_start_time": iso(NOON)}, "compare_end_time"),
        (
            {**WINDOW, "compare": "previous", "compare_start_time": iso(0), "compare_end_time": iso(1)},
            "compare",
        ),
        ({**WINDOW, "compare_start_time": iso(2), "compare_end_time": iso(1)}, "compare_start_time"),
        ({**WINDOW, "compare": "next"}, "compare"),
        ({**WINDOW, "sort": "sparkline"}, "sort: must be one of slug, label, "),
        ({**WINDOW, "page": 0}, "page"),
        ({**WINDOW, "sentiment": "angry"}, "sentiment"),
    ],
)
async def test_a_bad_parameter_is_refused_by_name(api: Api, given: Json, named: str) -> None:
    said = await api.refused("topics", given)

    assert named in said
    assert not said.startswith("sort: sort:")
