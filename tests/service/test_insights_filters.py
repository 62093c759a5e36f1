"""`/api/v1/insights` over HTTP: its orders, and its filters by words, maker and metadata."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from core.clock import iso
from store.insights import metadata, writing
from store.search import index
from tests.support import insights_api
from tests.support.insight_data import (
    A_DAY,
    NOON,
    UNSURE_ANALYSIS,
    an_analysis,
    an_insight,
    store,
    store_conversation,
)
from tests.support.insights_api import Api, Json

WINDOW = {"start_time": iso(NOON - A_DAY), "end_time": iso(NOON)}


@pytest.fixture
async def api(database_url: URL) -> AsyncIterator[Api]:
    async with insights_api.opened(database_url) as opened:
        yield opened


def found_in(answer: Json) -> list[str]:
    return [each["conversation_id"].removeprefix("conv_") for each in answer["insights"]]


async def test_an_order_has_a_cursor_of_its_own(api: Api) -> None:
    scores = {1: 5_000, 2: -5_000, 3: 5_000, 4: 0, 5: 9_000}
    stored = [an_insight(n, NOON - n, an_analysis(score, 10 * n)) for n, score in scores.items()]
    await api.fill(lambda connection: store(connection, stored))

    async def every_page(sort: str) -> list[str]:
        answer = await api.get("insights", **WINDOW, sort=sort, limit=2)
        found = found_in(answer)
        while cursor := answer["metadata"]["next_cursor"]:
            answer = await api.get("insights", cursor=cursor, limit=2)
            found += found_in(answer)
        return found

    assert await every_page("-timestamp") == ["1", "2", "3", "4", "5"]
    assert await every_page("timestamp") == ["5", "4", "3", "2", "1"]
    assert await every_page("score") == ["2", "4", "3", "1", "5"]
    assert await every_page("-score") == ["5", "1", "3", "4", "2"]
    assert await every_page("confidence") == ["1", "2", "3", "4", "5"]
    assert await every_page("-confidence") == ["5", "4", "3", "2", "1"]
    cursor = (await api.get("insights", **WINDOW, sort="score", limit=2))["metadata"]["next_cursor"]
    assert "sort" in await api.refused("insights", {"cursor": cursor, "sort": "-score"})
    assert "sort" in await api.refused("insights", {**WINDOW, "sort": "length"})


async def test_insights_are_found_by_words_maker_and_metadata(api: Api) -> None:
    def fill(connection: Connection) -> None:
        metadata.declare(connection, insights_api.KEYS)
        while metadata.file_older(connection, limit=10):
            pass
        texts = {1: "My parcel is late", 2: "Late, but the parcel came", 3: "All is well"}
        for number, text in texts.items():
            sent = json.dumps({"shop": "north" if number < 3 else "south", "plan": number})
            store_conversation(connection, number, NOON - number, text, metadata=sent)
            index.add(connection, [index.entry(number, 1, text, None)])
        makers = {1: ("grok", "grok-4.3"), 2: ("offline", "vader"), 3: ("grok", "grok-4.3")}
        stored = [
            an_insight(
                n, NOON - n, an_analysis(9_000 if n == 2 else -9_000), analyzer=maker[0], model=maker[1]
            )
            for n, maker in makers.items()
        ]
        writing.store_insights(connection, stored)

    await api.fill(fill)

    async def found(**filters: Any) -> list[str]:
        answer = await api.get("insights", **WINDOW, **filters)
        assert answer["metadata"]["total_count"] == len(answer["insights"])
        return found_in(answer)

    assert await found(keyword="late PARCEL") == ["1", "2"]
    assert await found(keyword='"parcel is late"') == ["1"]
    assert await found(keyword="!!") == []
    assert await found(analyzer="grok") == ["1", "3"]
    assert await found(model="vader", keyword="parcel") == ["2"]
    assert await found(**{"metadata.shop": "north"}) == ["1", "2"]
    assert await found(**{"metadata.shop": "north", "metadata.plan": "2"}) == ["2"]
    with_words = (await api.get("insights", **WINDOW, keyword="late"))["metadata"]
    assert with_words["sentiment_counts"] == {"positive": 1, "neutral": 0, "negative": 1, "unsure": 0}
    assert "sentiment_counts" not in (await api.get("insights", **WINDOW))["metadata"]
    page = await api.get("insights", **WINDOW, **{"metadata.shop": "north"}, limit=1)
    cursor = page["metadata"]["next_cursor"]
    assert found_in(await api.get("insights", cursor=cursor, **{"metadata.shop": "north"})) == ["2"]
    assert "metadata.shop" in await api.refused("insights", {"cursor": cursor, "metadata.shop": "south"})


async def test_what_is_unsure_is_found_as_such_and_has_no_score(api: Api) -> None:
    found = [
        an_insight(1, NOON - 3, an_analysis(-9_000)),
        *(an_insight(n, NOON - n, UNSURE_ANALYSIS) for n in (2, 3, 4)),
        an_insight(5, NOON - 5, an_analysis(2_000, 40)),
        an_insight(6, NOON - 6, an_analysis(0, 0)),
    ]
    await api.fill(lambda connection: store(connection, found))

    unsure = await api.get("insights", **WINDOW, sentiment="unsure", sort="-score", limit=2)
    rest = await api.get("insights", cursor=unsure["metadata"]["next_cursor"])
    neutral = await api.get("insights", **WINDOW, sentiment="neutral")
    sure = await api.get("insights", **WINDOW, min_confidence=0.01)
    unsure_and_sure = await api.get("insights", **WINDOW, sentiment="unsure", min_confidence=0.01)

    listed = unsure["insights"] + rest["insights"]
    assert unsure["metadata"]["total_count"] == rest["metadata"]["total_count"] == 3
    assert [each["conversation_id"] for each in listed] == ["conv_2", "conv_3", "conv_4"]
    assert {each["grok_analysis"]["sentiment_score"] for each in listed} == {None}
    assert {(each["sentiment"], each["language"]) for each in listed} == {("unsure", "sv")}
    assert [each["conversation_id"] for each in neutral["insights"]] == ["conv_5", "conv_6"]
    assert sure["metadata"]["total_count"] == 2
    assert unsure_and_sure["metadata"]["total_count"] == 0


async def test_insights_are_found_by_language(api: Api) -> None:
    languages = ("en", "sv", None, "en", "de")
    found = [
        an_insight(
            n, NOON - n, an_analysis(-1_000 * n, language=language), analyzer="grok" if n < 4 else "offline"
        )
        for n, language in enumerate(languages, 1)
    ]
    await api.fill(lambda connection: store(connection, found))

    async def ids(**filters: Any) -> list[str]:
        answer = await api.get("insights", **WINDOW, **filters)
        assert answer["metadata"]["total_count"] == len(answer["insights"])
        return [each["conversation_id"] for each in answer["insights"]]

    assert await ids(language="en") == ["conv_1", "conv_4"]
    assert await ids(language="en", sort="score") == ["conv_4", "conv_1"]
    assert await ids(language="en", analyzer="offline") == ["conv_4"]
    assert await ids(language="fr") == []
    page = await api.get("insights", **WINDOW, language="en", limit=1)
    second = await api.get("insights", cursor=page["metadata"]["next_cursor"])
    assert [each["conversation_id"] for each in second["insights"]] == ["conv_4"]
    refused = await api.http.get("/api/v1/insights", params=WINDOW | {"language": "English"})
    assert refused.status_code == 400
    assert "language" in refused.json()["details"]


async def test_metadata_is_filtered_by_declared_keys_alone(api: Api) -> None:
    details = await api.refused("insights", {**WINDOW, "metadata.colour": "red"})
    assert details == "metadata.KEY: not a key to filter by; METADATA_KEYS names shop, plan"
    assert "metadata" in await api.refused("insights", {**WINDOW, "metadata": "red"})
    assert "metadata" in await api.refused("insights", {**WINDOW, "metadata.shop": ""})
    assert "metadata" in await api.refused("insights", {**WINDOW, "metadata.shop": "x" * 256})


async def test_while_older_insights_are_being_filed_a_filter_by_metadata_is_to_be_tried_again(
    api: Api,
) -> None:
    await api.fill(lambda connection: metadata.declare(connection, insights_api.KEYS))

    answer = await api.http.get("/api/v1/insights", params={**WINDOW, "metadata.shop": "north"})

    assert (answer.status_code, answer.json()["error"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) > 1
    assert "METADATA_KEYS" in answer.json()["details"]
