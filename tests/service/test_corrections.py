"""Corrections as clients make them and see them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import URL

from core.clock import iso
from tests.support import insights_api
from tests.support.insight_data import A_DAY, NOON, an_analysis, an_insight, store
from tests.support.insights_api import Api, Json

WINDOW = {"start_time": iso(NOON - A_DAY), "end_time": iso(NOON)}


@pytest.fixture
async def api(database_url: URL) -> AsyncIterator[Api]:
    async with insights_api.opened(database_url) as opened:
        unclear = an_insight(1, NOON - 2, an_analysis(8_000, 40, ["praise"]))
        await opened.fill(lambda connection: store(connection, [unclear, an_insight(2, NOON - 1)]))
        yield opened


async def say(api: Api, body: Json, id_: str = "conv_1") -> httpx.Response:
    return await api.http.post(f"/api/v1/conversations/{id_}/corrections", json=body)


async def counts(api: Api) -> Any:
    found = await api.get("trends", **WINDOW, interval="day")
    return found["sentiment_counts"], found["top_topics"]


async def test_what_is_corrected_counts_and_what_the_model_says_stays_beside_it(api: Api) -> None:
    answer = await say(api, {"sentiment": "negative", "clusters": ["Delay", "refund"]})

    assert answer.status_code == 200, answer.text
    expected = {
        "sentiment": "negative",
        "clusters": ["delay", "refund"],
        "outcome": None,
        "made_at": iso(NOON),
        "made_by": "unknown",
        "model": {
            "sentiment": "positive",
            "sentiment_score": 0.8,
            "clusters": ["praise"],
            "confidence": 0.4,
            "outcome": None,
        },
    }
    assert answer.json()["insight"]["correction"] == expected
    negative = (await api.get("insights", **WINDOW, sentiment="negative", cluster="delay"))["insights"]
    assert [each["conversation_id"] for each in negative] == ["conv_2", "conv_1"]
    assert negative[1]["grok_analysis"]["sentiment_score"] == -0.6
    assert [each["correction"] for each in negative] == [None, expected]
    assert await counts(api) == (
        {"positive": 0, "neutral": 0, "negative": 2, "unsure": 0},
        [["delay", 2], ["refund", 1]],
    )


async def test_a_correction_can_be_taken_back_in_part_and_whole(api: Api) -> None:
    before = await counts(api)
    await say(api, {"sentiment": "negative", "clusters": ["delay"]})
    part = (await say(api, {"clusters": None})).json()["insight"]
    assert (part["sentiment"], part["grok_analysis"]["clusters"]) == ("negative", ["praise"])

    path = "/api/v1/conversations/conv_1/corrections"
    assert [(await api.http.delete(path)).status_code for _ in range(2)] == [204, 204]
    assert await counts(api) == before
    one = (await api.get("conversations/conv_1", include="history"))["insight"]
    assert one["correction"] is None
    assert [(each["origin"], each["clusters"]) for each in one["history"]] == [
        ("correction", ["praise"]),
        ("correction", ["delay"]),
    ]


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, "needs at least one of sentiment, clusters and outcome"),
        ({"sentiment": "unsure"}, "sentiment"),
        ({"clusters": []}, "clusters"),
        (
            {"clusters": ["delay", "delay", "delai"]},
            "clusters.2: no topic of this name is known; similar ones: delay",
        ),
        ({"clusters": ["!"]}, "clusters"),
        ({"outcome": "perhaps"}, "outcome"),
        ({"score": 1}, "score"),
    ],
)
async def test_what_is_wrong_is_named(api: Api, body: Json, details: str) -> None:
    answer = await say(api, body)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_schema")
    assert details in answer.json()["details"]


async def test_what_is_not_there_cannot_be_corrected(api: Api) -> None:
    outcome, unknown = await say(api, {"outcome": "yes"}), await say(api, {"sentiment": "neutral"}, "conv_9")

    assert (outcome.status_code, outcome.json()["error"]) == (409, "conflict")
    assert outcome.json()["details"] == "outcome: there is no summary of what was analysed"
    assert (unknown.status_code, unknown.json()["error"]) == (404, "not_found")
