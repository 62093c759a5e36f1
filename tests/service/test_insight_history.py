"""Earlier versions of insights as clients see them, and the marks of trends."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from core.clock import iso
from store.insights import writing
from tests.support import insights_api
from tests.support.insight_data import A_DAY, AN_HOUR, NOON, an_analysis, an_insight, store
from tests.support.insights_api import Api

WINDOW = {"start_time": iso(NOON - A_DAY), "end_time": iso(NOON)}
OFFLINE: dict[str, Any] = {"analyzer": "offline", "model": "vader"}
EARLIER = {
    "origin": "analysis",
    "sentiment": "negative",
    "sentiment_score": -0.65,
    "clusters": ["delay"],
    "confidence": 0.4,
    "reasoning": "It sounds cross.",
    "language": "en",
    "analyzer": "offline",
    "model": "vader",
    "prompt_version": None,
    "made_at": iso(NOON - 1),
    "made_by": None,
    "fields": None,
    "fields_version": None,
    "replaced_at": iso(NOON + 5),
}


@pytest.fixture
async def api(database_url: URL) -> AsyncIterator[Api]:
    async with insights_api.opened(database_url) as opened:
        yield opened


def analysed_twice(connection: Connection) -> None:
    first = an_analysis(-6_500, 40, reasoning="It sounds cross.")
    store(connection, [an_insight(1, NOON - 2, first, **OFFLINE), an_insight(2, NOON - AN_HOUR, **OFFLINE)])
    better = an_insight(1, NOON - 2, an_analysis(8_000, 90), analysed_at=NOON + 5, prompt_version="1-abc")
    writing.store_insights(connection, [better])


async def test_earlier_versions_are_shown_where_they_are_asked_for(api: Api) -> None:
    await api.fill(analysed_twice)

    new, other = (await api.get("insights", **WINDOW, include="history"))["insights"]
    assert (new["sentiment"], new["analyzer"], new["prompt_version"]) == ("positive", "grok", "1-abc")
    assert (new["history"], other["history"]) == ([EARLIER], [])

    plain = await api.get("insights", **WINDOW)
    assert [each.get("history") for each in plain["insights"]] == [None, None]
    assert plain["metadata"]["total_count"] == 2
    [newest] = (await api.get("insights/recent", limit=1, include="history"))["insights"]
    one = await api.get("conversations/conv_1", include="raw,history")
    assert newest["history"] == one["insight"]["history"] == [EARLIER]
    assert one["raw"]["answer"] == {}


async def test_history_goes_into_lines_but_not_into_tables(api: Api) -> None:
    await api.fill(analysed_twice)
    asked = {**WINDOW, "include": "history"}

    forms = "application/x-ndjson", "text/csv", "application/vnd.apache.parquet"
    lines, *refused = [
        await api.http.get("/api/v1/insights", params=asked, headers={"Accept": form}) for form in forms
    ]

    assert '"history":[{"origin":"analysis"' in lines.text
    assert [each.status_code for each in refused] == [400, 400]
    assert refused[0].json()["details"] == "include: history comes as JSON and NDJSON only"


async def test_trends_mark_what_several_versions_made(api: Api) -> None:
    await api.fill(analysed_twice)

    found = await api.get("trends", start_time=iso(NOON - 2 * AN_HOUR), end_time=iso(NOON))
    days = await api.get("trends", **WINDOW, interval="day")

    assert [(point["total"], point["mixed"]) for point in found["series"]] == [(0, False), (2, True)]
    both = ["grok", "1-abc"], ["offline", None]
    assert [[each["analyzer"], each["prompt_version"]] for each in found["versions"]] == [*both]
    starts = {each["first_bucket"] for each in found["versions"]} | {
        each["last_bucket"] for each in found["versions"]
    }
    assert starts == {found["series"][1]["start"]}
    assert [point["mixed"] for point in days["series"]] == [False, True]
