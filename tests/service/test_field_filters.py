"""Filters, facets, trends and topics by fields of one's own, over HTTP."""

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from core.clock import iso
from domain.fields.parsing import parse_fields
from store.insights.field_filing import declare_fields
from tests.support import insights_api
from tests.support.field_data import CHANGED, FIELDS, SAID
from tests.support.insight_data import A_DAY, NOON, an_analysis, an_insight, store
from tests.support.insights_api import Api

WINDOW = {"start_time": iso(NOON - A_DAY), "end_time": iso(NOON)}
ANSWERS: list[dict[str, Any]] = [
    {"urgency": "high", "refund_amount": 150, "damaged": True},
    {"urgency": "high", "refund_amount": 500, "damaged": False, "wishes": []},
    {"urgency": "low", "refund_amount": None, "damaged": None, "wishes": ["refund", "apology"]},
    {"urgency": "normal", "refund_amount": 20, "damaged": None, "wishes": None},
]
"""Of the insights 1 to 4. The fifth has none."""


OF_SUMMARIES = parse_fields("fields: [{name: mood, type: boolean, meaning: is it good, for: summaries}]")
"""No insight has an answer to it."""


def fill(connection: Connection) -> None:
    declare_fields(connection, FIELDS, at=NOON)
    declare_fields(connection, CHANGED, at=NOON + 1)
    declare_fields(connection, OF_SUMMARIES, at=NOON + 1)
    answers = [FIELDS.read({**SAID, **each}) for each in ANSWERS]
    slugs = (("refund",), ("delay",), ("refund",), ("billing",), ("refund",))
    stored = [
        an_insight(n, NOON - n, an_analysis(-1_000 * n, clusters=named, fields=fields))
        for n, (named, fields) in enumerate(zip(slugs, [*answers, None], strict=True), 1)
    ]
    store(connection, stored)


@pytest.fixture
async def api(database_url: URL) -> AsyncIterator[Api]:
    async with insights_api.opened(database_url) as opened:
        await opened.fill(fill)
        yield opened


async def found(api: Api, **filters: Any) -> list[str]:
    asked = {f"field.{name.replace('__', '.')}": value for name, value in filters.items()}
    answer = await api.get("insights", **WINDOW, **asked)
    assert answer["metadata"]["total_count"] == len(answer["insights"])
    return [each["conversation_id"].removeprefix("conv_") for each in answer["insights"]]


async def test_insights_are_found_by_the_answers_to_fields(api: Api) -> None:
    assert await found(api, urgency="high") == ["1", "2"]
    assert await found(api, damaged="true") == ["1"]
    assert await found(api, damaged="false") == ["2"]
    assert await found(api, wishes="apology") == ["1", "3"]
    assert await found(api, refund_amount__min=150) == ["1", "2"]
    assert await found(api, refund_amount__max=150) == ["1", "4"]
    assert await found(api, refund_amount__min=150.5, refund_amount__max=500) == ["2"]
    assert await found(api, refund_amount__min=501) == []
    assert await found(api, urgency="high", damaged="false") == ["2"]

    page = await api.get("insights", **WINDOW, **{"field.urgency": "high"}, limit=1, sort="score")
    cursor = page["metadata"]["next_cursor"]
    rest = await api.get("insights", cursor=cursor, **{"field.urgency": "high"})
    assert [each["conversation_id"] for each in rest["insights"]] == ["conv_1"]
    assert rest["metadata"]["total_count"] == 2
    assert "field.urgency" in await api.refused("insights", {"cursor": cursor, "field.urgency": "low"})


async def test_trends_and_topics_are_narrowed_and_values_are_counted(api: Api) -> None:
    trends = await api.get("trends", days=1, **{"field.urgency": "high"})
    assert (trends["total_insights"], trends["top_topics"]) == (2, [["delay", 1], ["refund", 1]])
    topics = await api.get("topics", **WINDOW, **{"field.refund_amount.max": "150"})
    assert {each["slug"]: each["count"] for each in topics["topics"]} == {"refund": 1, "billing": 1}


async def test_an_explanation_is_narrowed_in_both_windows(api: Api) -> None:
    earlier = [(6, "high", 4_000), (7, "low", -9_000)]

    def fill_before(connection: Connection) -> None:
        made = [
            (n, an_analysis(score, clusters=["refund"], fields=FIELDS.read({**SAID, "urgency": urgency})))
            for n, urgency, score in earlier
        ]
        store(connection, [an_insight(n, NOON - A_DAY - n, analysis) for n, analysis in made])

    await api.fill(fill_before)
    found = await api.get("explain", **WINDOW, baseline="1d", **{"field.urgency": "high"})

    assert (found["mean"], found["baseline_mean"], found["change"]) == (-0.15, 0.4, -0.55)
    typical = {each["slug"]: [one["conversation_id"] for one in each["typical"]] for each in found["topics"]}
    assert typical == {"refund": ["conv_1"], "delay": ["conv_2"]}

    async def counted(field: str, **filters: Any) -> list[tuple[str, int]]:
        answer = await api.get("facets", field=field, **WINDOW, **filters)
        return [(each["value"], each["count"]) for each in answer["values"]]

    assert await counted("urgency") == [("high", 2), ("low", 1), ("normal", 1)]
    assert await counted("damaged") == [("false", 1), ("true", 1)]
    assert await counted("wishes") == [("apology", 2), ("refund", 1), ("resend", 1)]
    high = {"field.urgency": "high"}
    assert await counted("damaged", **high) == [("false", 1), ("true", 1)]
    assert await counted("urgency", **high) == [("high", 2)]
    assert await counted("wishes", **{"field.refund_amount.max": 150}) == [("apology", 1), ("resend", 1)]
    assert await counted("analyzer", **high) == [("grok", 2)]
    assert "field.urgency: narrows the values" in await api.refused("facets", {"field": "author", **high})
    assert await counted("refund_amount") == [("[100, 200)", 1), ("[20, 50)", 1), ("[500, 1000)", 1)]


async def test_what_can_find_nothing_is_refused_and_told_what_can(api: Api) -> None:
    for filters, words in (
        ({"field.colour": "red"}, "there are damaged, place, refund_amount, urgency, wishes"),
        ({"field.urgency": "red"}, "field.urgency: must be one of high, normal, low"),
        ({"field.urgency.min": "1"}, "field.urgency.min: is for numbers"),
        ({"field.damaged": "yes"}, "field.damaged: must be one of false, true"),
        ({"field.refund_amount": "5"}, "give field.refund_amount.min, field.refund_amount.max or both"),
        ({"field.refund_amount.min": "nan"}, "field.refund_amount.min: must be a number"),
        ({"field.refund_amount.min": "2", "field.refund_amount.max": "1"}, "must not be above"),
        ({"field.place": "here"}, "field.place: is a text"),
        ({"field.Urgency": "high"}, "field.NAME: a name has"),
        ({"field.urgency": ""}, "field.urgency: must have 1 to 40 characters"),
        ({"field.urgency": "high", "field.urgency.max": "3"}, "either a value or limits"),
    ):
        for path, window in (("insights", WINDOW), ("topics", WINDOW), ("explain", WINDOW), ("trends", {})):
            assert words in await api.refused(path, {**window, **filters})
    assert "field: place is a text" in await api.refused("facets", {"field": "place"})
    assert "FIELDS_FILE: damaged, place" in await api.refused("facets", {"field": "colour"})


async def test_an_export_has_the_answers_by_which_it_was_narrowed(api: Api) -> None:
    asked = {**WINDOW, "field.urgency": "high"}
    answer = await api.http.get("/api/v1/insights", params=asked, headers={"accept": "text/csv"})
    rows = [*csv.DictReader(io.StringIO(answer.text))]
    lines = await api.http.get("/api/v1/insights", params=asked, headers={"accept": "application/x-ndjson"})

    names = [*SAID, "fields_version"]
    assert [*rows[0]][-len(names) :] == names
    assert [[row[name] for name in names[:4]] for row in rows] == [
        ["high", "150", "true", "resend;apology"],
        ["high", "500", "false", ""],
    ]
    assert {row["fields_version"] for row in rows} == {FIELDS.version}
    told = [json.loads(line)["fields"] for line in lines.text.splitlines()]
    assert told == [{**SAID, **each} for each in ANSWERS[:2]]
