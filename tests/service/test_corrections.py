"""Corrections as clients make them and see them."""

import csv
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from core.clock import iso
from store.insights import field_filing
from tests.support import insights_api
from tests.support.field_data import FIELDS, SAID
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
        "fields": None,
        "made_at": iso(NOON),
        "made_by": "unknown",
        "model": {
            "sentiment": "positive",
            "sentiment_score": 0.8,
            "clusters": ["praise"],
            "confidence": 0.4,
            "outcome": None,
            "fields": None,
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
        ({}, "needs at least one of sentiment, clusters, outcome, fields and withdrawn_fields"),
        ({"sentiment": "unsure"}, "sentiment"),
        ({"clusters": []}, "clusters"),
        (
            {"clusters": ["delay", "delay", "delai"]},
            "clusters.2: no topic of this name is known; similar ones: delay",
        ),
        ({"clusters": ["!"]}, "clusters"),
        ({"outcome": "perhaps"}, "outcome"),
        ({"score": 1}, "score"),
        ({"fields": {}}, "fields"),
        ({"fields": {"Urgency": "low"}}, "fields"),
        ({"fields": {"urgency": {"value": "low"}}}, "fields.urgency: must be a text, a number, true, false"),
        ({"fields": {"wishes": [1]}}, "fields.wishes: must be a text, a number, true, false"),
        (
            {"fields": {"urgency": "low"}, "withdrawn_fields": ["urgency"]},
            "withdrawn_fields[0]: is in fields",
        ),
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


# --- fields ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def fields(api: Api) -> Api:
    """The same with an insight that answers fields, `conv_3`."""

    def fill(connection: Connection) -> None:
        field_filing.declare_fields(connection, FIELDS, at=NOON)
        store(connection, [an_insight(3, NOON - 3, an_analysis(fields=FIELDS.read(SAID)))])

    await api.fill(fill)
    return api


async def test_a_field_is_found_counted_and_shown_as_corrected(fields: Api) -> None:
    answer = await say(
        fields, {"fields": {"urgency": "low", "refund_amount": None, "place": "attic"}}, "conv_3"
    )

    assert answer.status_code == 200, answer.text
    counted = {**SAID, "urgency": "low", "refund_amount": None, "place": "attic"}
    assert answer.json()["insight"]["fields"] == counted
    correction = answer.json()["insight"]["correction"]
    assert correction["fields"] == {"urgency": "low", "refund_amount": None, "place": "attic"}
    assert correction["model"]["fields"] == SAID
    found = await fields.get("insights", **WINDOW, **{"field.urgency": "low"})
    assert (found["metadata"]["total_count"], found["insights"][0]["fields"]) == (1, counted)
    trend = await fields.get("trends", **WINDOW, interval="day", **{"field.urgency": "low"})
    assert trend["total_insights"] == 1
    assert (await fields.get("insights", **WINDOW, **{"field.refund_amount.min": 0}))["insights"] == []
    values = (await fields.get("facets", **WINDOW, field="urgency"))["values"]
    assert [(each["value"], each["count"]) for each in values if each["count"]] == [("low", 1)]
    file = await fields.http.get("/api/v1/insights", params=WINDOW, headers={"Accept": "text/csv"})
    [row] = [each for each in csv.DictReader(file.text.splitlines()) if each["conversation_id"] == "conv_3"]
    assert (row["urgency"], row["refund_amount"], row["place"], row["corrected"]) == (
        "low",
        "",
        "attic",
        "true",
    )


async def test_fields_are_taken_back_and_what_else_was_said_stays(fields: Api) -> None:
    await say(fields, {"sentiment": "positive", "fields": {"urgency": "low", "damaged": False}}, "conv_3")
    part = (await say(fields, {"withdrawn_fields": ["urgency"]}, "conv_3")).json()["insight"]
    assert (part["fields"], part["correction"]["fields"]) == ({**SAID, "damaged": False}, {"damaged": False})

    whole = (await say(fields, {"fields": None}, "conv_3")).json()["insight"]
    assert (whole["fields"], whole["correction"]["fields"], whole["sentiment"]) == (SAID, None, "positive")
    assert whole["correction"]["model"]["fields"] == SAID


@pytest.mark.parametrize(
    ("said", "details"),
    [
        ({"urgency": "top"}, "fields.urgency must be one of high, normal, low"),
        ({"urgency": None}, "fields.urgency must not be null"),
        ({"damaged": 1}, "fields.damaged must be true or false"),
        ({"refund_amount": 5_001}, "fields.refund_amount is outside [0, 5000]"),
        ({"wishes": "refund"}, "fields.wishes must be a list"),
        ({"place": "x" * 41}, "fields.place has more than 40 characters"),
        (
            {"color": "red"},
            "fields.color: no such field; there are urgency, refund_amount, damaged, wishes, place",
        ),
    ],
)
async def test_a_value_that_a_field_cannot_have_is_named(fields: Api, said: Json, details: str) -> None:
    answer = await say(fields, {"fields": {"damaged": False} | said}, "conv_3")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_schema")
    assert answer.json()["details"] == details
    assert (await fields.get("conversations/conv_3"))["insight"]["correction"] is None


async def test_an_insight_without_answers_has_no_field_to_correct(fields: Api) -> None:
    answer = await say(fields, {"fields": {"urgency": "low"}})

    assert (answer.status_code, answer.json()["details"]) == (
        409,
        "fields: this insight has no answers to fields",
    )
