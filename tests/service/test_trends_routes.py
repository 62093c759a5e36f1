"""`/api/v1/trends` over HTTP, and what the OpenAPI document says of it and of insights."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from core.clock import iso
from tests.support import insights_api
from tests.support.insight_data import (
    A_DAY,
    AN_HOUR,
    NOON,
    UNSURE_ANALYSIS,
    an_analysis,
    an_insight,
    store,
    store_skipped,
)
from tests.support.insights_api import Api, Json

NOTHING = {"positive": 0, "neutral": 0, "negative": 0, "unsure": 0}


@pytest.fixture
async def api(database_url: URL) -> AsyncIterator[Api]:
    async with insights_api.opened(database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
async def empty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """Over an empty SQLite file, for what never reaches the database."""
    file = tmp_path_factory.mktemp("routes") / "insights.db"
    async with insights_api.opened(URL.create("sqlite+aiosqlite", database=str(file))) as opened:
        yield opened


async def test_the_trends_of_two_days(api: Api) -> None:
    def fill(connection: Connection) -> None:
        late = an_analysis(-6_500, clusters=["delay", "refund"])
        happy = an_analysis(9_000, clusters=["praise"])
        stored = [
            an_insight(1, NOON - 1, late),
            an_insight(2, NOON - 2, happy),
            an_insight(3, NOON - A_DAY, late),
            an_insight(4, NOON - 2 * A_DAY - 1, happy),
            an_insight(5, NOON, happy),
        ]
        store(connection, stored)
        store_skipped(connection, [NOON - AN_HOUR, NOON])

    await api.fill(fill)
    answer = await api.get("trends", days=2)
    series = answer.pop("series")

    assert answer == {
        "interval": "hour",
        "tz": "UTC",
        "window_days": 2,
        "total_insights": 3,
        "skipped_count": 1,
        "sentiment_counts": NOTHING | {"positive": 1, "negative": 2},
        "top_topics": [["delay", 2], ["refund", 2], ["praise", 1]],
        "versions": [
            {
                "analyzer": "grok",
                "model": "grok-4.3",
                "prompt_version": None,
                "first_bucket": iso(NOON - A_DAY),
                "last_bucket": iso(NOON - AN_HOUR),
            }
        ],
        "previous": {"total_insights": 1, "sentiment_counts": NOTHING | {"positive": 1}},
    }
    assert len(series) == 48
    assert series[-1] == {
        "start": iso(NOON - AN_HOUR),
        "total": 2,
        "positive": 1,
        "neutral": 0,
        "negative": 1,
        "unsure": 0,
        "mean_sentiment": 0.125,
        "partial": False,
        "mixed": False,
    }
    assert series[-2] == {
        "start": iso(NOON - 2 * AN_HOUR),
        "total": 0,
        **NOTHING,
        "mean_sentiment": None,
        "partial": False,
        "mixed": False,
    }


async def test_a_mean_is_told_to_four_places(api: Api) -> None:
    scores = (-1_000, -1_000, 1_000)
    found = [an_insight(number, NOON - number, an_analysis(score)) for number, score in enumerate(scores, 1)]

    await api.fill(lambda connection: store(connection, found))

    assert (await api.get("trends", days=1))["series"][-1]["mean_sentiment"] == -0.0333


async def test_what_is_unsure_is_counted_and_is_in_no_mean(api: Api) -> None:
    found = [
        an_insight(1, NOON - 1, an_analysis(-6_000)),
        an_insight(2, NOON - 2, UNSURE_ANALYSIS),
        an_insight(3, NOON - AN_HOUR - 1, UNSURE_ANALYSIS),
    ]

    await api.fill(lambda connection: store(connection, found))

    answer = await api.get("trends", days=1)
    before, last = answer["series"][-2:]
    assert answer["total_insights"] == 3
    assert answer["sentiment_counts"] == NOTHING | {"negative": 1, "unsure": 2}
    assert (last["total"], last["unsure"], last["mean_sentiment"]) == (2, 1, -0.6)
    assert (before["total"], before["unsure"], before["mean_sentiment"]) == (1, 1, None)


async def test_longer_windows_are_shown_in_days_cut_at_their_ends(api: Api) -> None:
    await api.fill(lambda connection: store(connection, [an_insight(1, NOON - 1)]))

    answer = await api.get("trends", days=8)

    assert [point["start"] for point in answer["series"]] == [
        f"2025-03-{day}T00:00:00.000000Z" for day in range(23, 32)
    ]
    assert [point["partial"] for point in answer["series"]] == [True] + [False] * 7 + [True]
    assert answer["series"][-1]["total"] == answer["total_insights"] == 1


async def test_a_cluster_narrows_everything(api: Api) -> None:
    late, happy = an_analysis(clusters=["delay"]), an_analysis(9_000, clusters=["praise"])
    stored = [
        an_insight(1, NOON - 1, late),
        an_insight(2, NOON - 2, happy),
        an_insight(3, NOON - 8 * A_DAY, late),
    ]
    await api.fill(lambda connection: store(connection, stored))

    answer = await api.get("trends", cluster="delay")

    assert answer["window_days"] == 7
    assert answer["total_insights"] == 1
    assert answer["top_topics"] == [["delay", 1]]
    assert sum(point["total"] for point in answer["series"]) == 1
    assert answer["previous"]["total_insights"] == 1


async def test_a_window_of_its_own(empty: Api) -> None:
    answer = await empty.get("trends", start_time="2025-01-01T12:00:00Z", end_time="2025-01-03T00:00:00Z")
    nothing = await empty.get("trends", start_time="2025-01-01", end_time="2025-01-01")
    whole = await empty.get("trends", start_time="2020-01-01", end_time="2030-01-01")

    assert answer["window_days"] == 1.5
    assert len(answer["series"]) == 36
    assert (nothing["window_days"], nothing["series"]) == (0, [])
    assert nothing["previous"] == {"total_insights": 0, "sentiment_counts": NOTHING}
    assert len(whole["series"]) == 3_653


async def test_the_series_goes_by_the_clocks_of_a_zone(api: Api) -> None:
    """On the day on which Berlin puts its clocks forward, and on the days around it."""
    hours = [an_insight(number, NOON - number * AN_HOUR) for number in range(1, 73)]
    await api.fill(lambda connection: store(connection, hours))

    window = {"start_time": "2025-03-29T00:00:00+01:00", "end_time": "2025-04-01T00:00:00+02:00"}
    answer = await api.get("trends", **window, tz="Europe/Berlin", interval="day")

    assert (answer["interval"], answer["tz"]) == ("day", "Europe/Berlin")
    assert [(point["start"], point["total"]) for point in answer["series"]] == [
        ("2025-03-29T00:00:00.000000+01:00", 24),
        ("2025-03-30T00:00:00.000000+01:00", 23),
        ("2025-03-31T00:00:00.000000+02:00", 14),
    ]


async def test_trends_can_be_narrowed_by_confidence_and_analyzer(api: Api) -> None:
    stored = [
        an_insight(1, NOON - 1, an_analysis(confidence=79)),
        an_insight(2, NOON - 2, an_analysis(confidence=80)),
        an_insight(3, NOON - 3, an_analysis(confidence=90), analyzer="offline"),
    ]
    await api.fill(lambda connection: store(connection, stored))

    sure = await api.get("trends", min_confidence=0.8)
    assert (sure["total_insights"], sure["top_topics"]) == (2, [["delay", 2]])
    both = await api.get("trends", min_confidence=0.8, analyzer="offline")
    assert (both["total_insights"], sum(point["total"] for point in both["series"])) == (1, 1)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"days": 0}, "days"),
        ({"days": 366}, "days"),
        ({"days": "week"}, "days"),
        ({"days": ["1", "2"]}, "days"),
        ({"days": 7, "start_time": "2025-01-01", "end_time": "2025-01-02"}, "days"),
        ({"start_time": "2025-01-01"}, "end_time"),
        ({"end_time": "2025-01-01"}, "start_time"),
        ({"start_time": "2025-01-02", "end_time": "2025-01-01"}, "start_time"),
        ({"start_time": "2000-01-01", "end_time": "2025-01-01"}, "end_time"),
        ({"cluster": ""}, "cluster"),
        ({"sentiment": "positive"}, "sentiment"),
        ({"interval": "year"}, "interval"),
        ({"interval": "hour", "start_time": "2020-01-01", "end_time": "2025-01-01"}, "4,000"),
        ({"tz": "Europe/Berlln"}, "Europe/Berlin"),
        ({"tz": "berlin"}, "Europe/Berlin"),
        ({"tz": "../../etc/passwd"}, "tz"),
        ({"min_confidence": 2}, "min_confidence"),
    ],
)
async def test_a_bad_parameter_is_refused_by_name(empty: Api, given: Json, named: str) -> None:
    assert named in await empty.refused("trends", given)


async def test_a_time_zone_that_nobody_knows_is_refused_with_its_parameter_once(empty: Api) -> None:
    said = "tz: no time zone of this name is known, such as Europe/Berlin"

    assert await empty.refused("trends", {"tz": "../../etc/passwd"}) == said


async def test_every_parameter_and_form_is_documented(empty: Api) -> None:
    paths = (await empty.http.get("/openapi.json")).json()["paths"]

    def parameters(path: str) -> set[str]:
        return {each["name"] for each in paths[f"/api/v1/{path}"]["get"]["parameters"]}

    window = {"start_time", "end_time", "cluster"}
    filters = {"min_confidence", "sentiment", "author", "keyword", "analyzer", "model", "language"}
    assert parameters("insights") == window | filters | {"limit", "sort", "cursor", "bom", "include"}
    assert parameters("insights/recent") == {"limit", "bom", "include"}
    narrowed = {"min_confidence", "analyzer"}
    assert parameters("trends") == window | narrowed | {"days", "interval", "tz"}
    answers = paths["/api/v1/insights"]["get"]["responses"]
    files = {"text/csv", "application/x-ndjson", "application/vnd.apache.parquet"}
    assert set(answers["200"]["content"]) == {"application/json"} | files
    assert {"400", "429", "503"} <= set(answers)
