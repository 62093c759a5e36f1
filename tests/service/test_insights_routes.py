"""`/api/v1/insights` over HTTP: what is asked, what is answered, what is refused."""

import base64
import csv
import hashlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.engine import URL

from core.clock import iso
from models import messages
from store.insights import writing
from tests.support import insights_api
from tests.support.insight_data import (
    A_DAY,
    AN_HOUR,
    NOON,
    an_analysis,
    an_insight,
    store,
    store_conversation,
    store_skipped,
)
from tests.support.insights_api import Api, Json

WINDOW = {"start_time": iso(NOON - A_DAY), "end_time": iso(NOON)}


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


def a_day_of(count: int) -> Any:
    """So many insights, evenly over the day before NOON; every third one positive."""
    stored = [
        an_insight(
            number,
            NOON - number * (A_DAY // (count + 1)),
            an_analysis(9_000 if number % 3 == 0 else -6_500, number % 101),
        )
        for number in range(1, count + 1)
    ]
    return lambda connection: store(connection, stored)


async def test_an_insight_comes_with_its_conversation(api: Api) -> None:
    def fill(connection: Connection) -> None:
        at = NOON - AN_HOUR
        store_conversation(
            connection, 7, at, "Still waiting", external_id="ext-1", metadata='{"shop": "north", "n": 1}'
        )
        store_skipped(connection, [at])
        given = an_insight(7, at, an_analysis(-6_500, 90), author="customer123", analysed_at=NOON + 500_000)
        writing.store_insights(connection, [given])

    await api.fill(fill)

    assert await api.get("insights", **WINDOW) == {
        "insights": [
            {
                "conversation_id": "conv_7",
                "external_id": "ext-1",
                "author": "customer123",
                "timestamp": "2025-03-31T11:00:00.000000Z",
                "text": "Still waiting",
                "metadata": {"shop": "north", "n": 1},
                "redactions": {},
                "grok_analysis": {
                    "sentiment_score": -0.65,
                    "clusters": ["delay"],
                    "confidence": 0.9,
                    "reasoning": "It is late.",
                },
                "sentiment": "negative",
                "language": "en",
                "analyzer": "grok",
                "model": "grok-4.3",
                "prompt_version": None,
                "cached": False,
                "partial": False,
                "analysed_at": "2025-03-31T12:00:00.500000Z",
                "correction": None,
                "fields": None,
                "fields_version": None,
            }
        ],
        "metadata": {
            "total_count": 1,
            "returned_count": 1,
            "skipped_count": 1,
            "start_time": "2025-03-30T12:00:00.000000Z",
            "end_time": "2025-03-31T12:00:00.000000Z",
            "time_window": {
                "start_time": "2025-03-30T12:00:00.000000Z",
                "end_time": "2025-03-31T12:00:00.000000Z",
            },
            "next_cursor": None,
        },
    }


async def test_what_is_yes_or_no_is_no_number(api: Api) -> None:
    given = an_insight(1, NOON - 1, cached=True)
    await api.fill(lambda connection: store(connection, [given]))

    (insight,) = (await api.get("insights", **WINDOW))["insights"]

    assert (insight["cached"], insight["partial"]) == (True, False)
    assert {type(insight[name]) for name in ("cached", "partial")} == {bool}


async def test_a_cursor_leads_through_the_window_once(api: Api) -> None:
    await api.fill(a_day_of(50))
    first = await api.get("insights", **WINDOW, limit=7, sentiment="negative", min_confidence=0.05)
    seen, answer = list(first["insights"]), first
    while cursor := answer["metadata"]["next_cursor"]:
        answer = await api.get("insights", cursor=cursor, limit=9)
        seen += answer["insights"]
        assert answer["metadata"]["total_count"] == first["metadata"]["total_count"] == 31
        assert answer["metadata"]["time_window"] == WINDOW
        assert answer["metadata"]["returned_count"] == len(answer["insights"])

    expected = [f"conv_{number}" for number in range(1, 51) if number % 3 and number >= 5]
    assert [each["conversation_id"] for each in seen] == expected


async def test_a_cursor_leaves_out_nothing_when_rows_come_and_are_analysed_again(api: Api) -> None:
    await api.fill(a_day_of(10))
    first = await api.get("insights", **WINDOW, limit=5)
    await api.fill(lambda connection: store(connection, [an_insight(99, NOON - 1)]))
    again = an_insight(8, NOON - 8 * (A_DAY // 11), an_analysis(9_000), revision=2, analysed_at=NOON + 9)
    await api.fill(lambda connection: writing.store_insights(connection, [again]))

    rest = await api.get("insights", cursor=first["metadata"]["next_cursor"])

    ids = [each["conversation_id"] for each in first["insights"] + rest["insights"]]
    assert ids == [f"conv_{number}" for number in range(1, 11)]


async def test_filters_narrow_the_window(api: Api) -> None:
    def fill(connection: Connection) -> None:
        bands = {1: 2_001, 2: 2_000, 3: -2_000, 4: -2_001}
        stored = [an_insight(n, NOON - n, an_analysis(score, 5 + n)) for n, score in bands.items()]
        other = an_insight(5, NOON - 5, an_analysis(0, 50, ["refund"]), author="ann+bob@example.com")
        store(connection, [*stored, other])

    await api.fill(fill)

    async def found(**filters: Any) -> list[str]:
        answer = await api.get("insights", **WINDOW, **filters)
        ids = [each["conversation_id"].removeprefix("conv_") for each in answer["insights"]]
        assert answer["metadata"]["total_count"] == len(ids)
        return ids

    assert await found(sentiment="positive") == ["1"]
    assert await found(sentiment="neutral") == ["2", "3", "5"]
    assert await found(sentiment="negative") == ["4"]
    assert await found(min_confidence="0.07") == ["2", "3", "4", "5"]
    assert await found(min_confidence="0.0700001") == ["3", "4", "5"]
    assert await found(min_confidence="1") == []
    assert await found(cluster="refund") == ["5"]
    assert await found(cluster="praise") == []
    assert await found(author="ann+bob@example.com") == ["5"]
    assert await found(author="ann+bob@example.com", cluster="delay") == []


async def test_the_end_is_not_in_the_window_and_the_start_is(api: Api) -> None:
    await api.fill(
        lambda c: store(c, [an_insight(1, NOON), an_insight(2, NOON - 1), an_insight(3, NOON - 2)])
    )

    answer = await api.get("insights", start_time=iso(NOON - 1), end_time=iso(NOON))
    nothing = await api.get("insights", start_time=iso(NOON), end_time=iso(NOON))

    assert [each["conversation_id"] for each in answer["insights"]] == ["conv_2"]
    assert nothing["insights"] == []
    assert nothing["metadata"]["total_count"] == 0


async def test_times_are_read_in_every_usual_form(api: Api) -> None:
    await api.fill(lambda connection: store(connection, [an_insight(1, NOON)]))
    forms = ["2025-03-31", "2025-03-31T00:00:00Z", "2025-03-31T02:00:00 02:00", "2025-03-31 02:00+0200"]

    for form in forms:
        answer = await api.get("insights", start_time=form, end_time="2025-04-01")
        assert answer["metadata"]["start_time"] == "2025-03-31T00:00:00.000000Z"
        assert answer["metadata"]["total_count"] == 1


async def test_a_dialogue_is_shown_as_its_transcript(api: Api) -> None:
    def fill(connection: Connection) -> None:
        store(connection, [an_insight(1), an_insight(2)])
        store_conversation(connection, 3, NOON, "My order?", is_chat=True)
        roles = [(2, "support_agent", "On its way."), (3, None, "Thanks!"), (4, "customer", "Bye.")]
        for position, role, said in roles:
            row = {"conversation": 3, "position": position, "role": role, "text": said}
            connection.execute(insert(messages).values(row))
        writing.store_insights(connection, [an_insight(3)])

    await api.fill(fill)
    answer = await api.get("insights/recent", limit=1)

    expected = "customer: My order?\nagent: On its way.\ncustomer: Thanks!\ncustomer: Bye."
    assert answer["insights"][0]["text"] == expected
    assert "text_truncated" not in answer["insights"][0]


async def test_of_a_long_text_the_first_2000_characters_are_shown(api: Api) -> None:
    long = "ä" * 1_999 + "xyz"

    def fill(connection: Connection) -> None:
        store_conversation(connection, 1, NOON - 1, long)
        store_conversation(connection, 2, NOON - 2, long[:2_000])
        store_conversation(connection, 3, NOON - 3, "a", is_chat=True)
        turns = [
            {"conversation": 3, "position": p, "role": "support_agent", "text": "b"} for p in range(2, 400)
        ]
        connection.execute(insert(messages), turns)
        store_conversation(connection, 4, NOON - 4, "c" * 20_000, is_chat=True)
        writing.store_insights(connection, [an_insight(number, NOON - number) for number in range(1, 5)])

    await api.fill(fill)
    one, two, three, four = (await api.get("insights", **WINDOW))["insights"]

    assert (one["text"], one["text_truncated"]) == (long[:2_000], True)
    assert (two["text"], "text_truncated" in two) == (long[:2_000], False)
    assert three["text"] == ("customer: a" + "\nagent: b" * 399)[:2_000]
    assert three["text_truncated"] is True
    assert four["text"] == "customer: " + "c" * 1_990


async def test_the_recent_ones_are_the_last_analysed(api: Api) -> None:
    def fill(connection: Connection) -> None:
        stored = [an_insight(n, NOON - n * A_DAY, analysed_at=NOON + n % 3) for n in range(1, 7)]
        store(connection, stored)
        store_skipped(connection, [NOON])

    await api.fill(fill)
    answer = await api.get("insights/recent", limit=4)

    assert [each["conversation_id"] for each in answer["insights"]] == [
        "conv_5",
        "conv_2",
        "conv_4",
        "conv_1",
    ]
    assert answer["metadata"] == {
        "total_count": 6,
        "returned_count": 4,
        "skipped_count": 1,
        "start_time": None,
        "end_time": None,
        "time_window": None,
        "next_cursor": None,
    }


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"start_time": "yesterday"}, "start_time"),
        ({"end_time": "2025-13-01"}, "end_time"),
        ({"start_time": "1969-12-31"}, "start_time"),
        ({"end_time": "2101-01-01"}, "end_time"),
        ({"start_time": "2025-04-01"}, "start_time"),
        ({"start_time": ""}, "start_time"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": ["1", "2"]}, "limit"),
        ({"min_confidence": "1.01"}, "min_confidence"),
        ({"min_confidence": "-0.1"}, "min_confidence"),
        ({"min_confidence": "NaN"}, "min_confidence"),
        ({"min_confidence": "Infinity"}, "min_confidence"),
        ({"min_confidence": "high"}, "min_confidence"),
        ({"sentiment": "angry"}, "sentiment"),
        ({"cluster": ""}, "cluster"),
        ({"cluster": "a\0b"}, "cluster"),
        ({"cluster": "x" * 65}, "cluster"),
        ({"author": ""}, "author"),
        ({"author": "a\0b"}, "author"),
        ({"author": "x" * 256}, "author"),
        ({"offset": "5"}, "offset"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "ä" * 9}, "cursor"),
    ],
)
async def test_a_bad_parameter_is_refused_by_name(empty: Api, changed: Json, named: str) -> None:
    details = await empty.refused("insights", {**WINDOW, **changed})

    assert named in details
    value = next(iter(changed.values()))
    assert len(value) < 3 or value not in details


@pytest.mark.parametrize("query", ["author=%ED%A0%80", "author=%FF", "%FF=1"])
async def test_what_is_no_utf8_is_refused(empty: Api, query: str) -> None:
    answer = await empty.http.get(f"/api/v1/insights?start_time=2025-01-01&end_time=2025-01-02&{query}")

    assert answer.status_code == 400
    assert "UTF-8" in answer.json()["details"]


@pytest.mark.parametrize(
    "given", [{}, {"end_time": "2025-01-01"}, {"start_time": "2025-01-01"}, {"limit": "5"}]
)
async def test_who_names_no_window_is_told_of_the_recent_ones(empty: Api, given: Json) -> None:
    details = await empty.refused("insights", given)

    assert "/api/v1/insights/recent" in details
    assert "start_time" in details or "end_time" in details


async def test_recent_takes_only_a_limit(empty: Api) -> None:
    assert "start_time" in await empty.refused("insights/recent", {"start_time": "2025-01-01"})
    assert "limit" in await empty.refused("insights/recent", {"limit": 1_001})


async def test_a_cursor_goes_with_its_own_window_and_filters_and_no_others(api: Api) -> None:
    await api.fill(a_day_of(30))
    same = {**WINDOW, "sentiment": "negative", "min_confidence": "0.05"}
    first = await api.get("insights", **same, limit=4)
    cursor = first["metadata"]["next_cursor"]
    alone = await api.get("insights", cursor=cursor, limit=4)

    assert await api.get("insights", **same, cursor=cursor, limit=4) == alone
    forms = {"start_time": "2025-03-30T14:00:00+02:00", "min_confidence": "0.0500"}
    assert await api.get("insights", **forms, cursor=cursor, limit=4) == alone
    different = {"start_time": iso(NOON - A_DAY + 1), "end_time": "2025-04-01", "sentiment": "positive",
                 "min_confidence": "0.06", "cluster": "delay", "author": "ann"}  # fmt: skip
    for name, value in different.items():
        details = await api.refused("insights", {**same, "cursor": cursor, name: value})
        assert name in details
        assert not any(other in details for other in same if other != name)


async def test_a_cursor_that_was_changed_is_refused(api: Api) -> None:
    await api.fill(a_day_of(3))
    cursor = (await api.get("insights", **WINDOW, limit=1))["metadata"]["next_cursor"]

    for changed in (cursor[:-1], cursor + "A", "A" + cursor[1:], cursor.swapcase()):
        assert "cursor" in await api.refused("insights", {"cursor": changed})


@pytest.mark.parametrize(
    "changed",
    [{"version": 2}, {"start": -1}, {"end": 10**30}, {"number": 2**63}, {"sentiment": 5}, {"cluster": "\0"},
     {"min_confidence": "x"}, {"more": 1}],
)  # fmt: skip
async def test_a_forged_cursor_is_held_to_the_same_bounds(empty: Api, changed: Json) -> None:
    content = {
        "version": 1, "start": 0, "end": NOON, "sentiment": None, "min_confidence": 0, "cluster": None,
        "author": None, "timestamp": NOON, "number": 1,
    }  # fmt: skip

    def sealed(fields: Json) -> str:
        body = json.dumps(fields).encode()
        return base64.urlsafe_b64encode(hashlib.blake2b(body, digest_size=6).digest() + body).decode()

    assert (await empty.get("insights", cursor=sealed(content)))["insights"] == []
    assert "cursor" in await empty.refused("insights", {"cursor": sealed({**content, **changed})})


async def test_a_topic_goes_by_slug_or_label_in_any_case(api: Api) -> None:
    given = an_insight(1, NOON - 1, an_analysis(clusters=["delivery_problems", "über_uns"]))
    await api.fill(lambda connection: store(connection, [given]))

    for name in ("delivery_problems", "Delivery problems", " DELIVERY-PROBLEMS", "Über uns"):
        assert (await api.get("insights", **WINDOW, cluster=name))["metadata"]["total_count"] == 1
        assert (await api.get("trends", **WINDOW, cluster=name))["total_insights"] == 1
    assert (await api.get("insights", **WINDOW, cluster="Billing"))["metadata"]["total_count"] == 0


async def test_a_topic_that_nobody_knows_is_refused_with_the_near_ones(api: Api) -> None:
    given = an_insight(1, analysis=an_analysis(clusters=["shipment_of_pets"]))
    await api.fill(lambda connection: store(connection, [given]))

    for path in ("insights", "trends"):
        assert "billing" in await api.refused(path, {**WINDOW, "cluster": "Biling"})
        assert "shipment_of_pets" in await api.refused(path, {**WINDOW, "cluster": "shipment of cats"})
        details = await api.refused(path, {**WINDOW, "cluster": "qqq"})
        assert (details, "qqq" in details) == ("cluster: no topic of this name is known", False)
        assert "cluster" in await api.refused(path, {**WINDOW, "cluster": "!?"})


# --- exports ------------------------------------------------------------------------------------------------


async def test_an_export_is_the_whole_window_in_short_reads(api: Api) -> None:
    await api.fill(a_day_of(2_500))
    url = "/api/v1/insights"

    lines = await api.http.get(url, params=WINDOW, headers={"Accept": "application/x-ndjson"})
    rows = await api.http.get(url, params={**WINDOW, "sentiment": "positive"}, headers={"Accept": "text/csv"})

    listed = [json.loads(line) for line in lines.text.splitlines()]
    assert [each["conversation_id"] for each in listed] == [f"conv_{number}" for number in range(1, 2_501)]
    usual = (await api.get("insights", **WINDOW, limit=5))["insights"]
    assert listed[:5] == [{**each, "participants": []} for each in usual]
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    found = list(csv.DictReader(io.StringIO(rows.text)))
    assert [row["conversation_id"] for row in found] == [f"conv_{n}" for n in range(3, 2_501, 3)]
    assert found[0]["sentiment_score"] == "0.9"
    assert rows.headers["content-type"] == "text/csv; charset=utf-8"
    assert "insights.csv" in rows.headers["content-disposition"]
    # Three pages; one, and the columns of fields; and the list.
    assert api.owned[0].database.reads == 3 + 2 + 1


async def test_an_empty_export_is_a_header(api: Api) -> None:
    answer = await api.http.get("/api/v1/insights", params=WINDOW, headers={"Accept": "text/csv"})

    assert answer.text.startswith("conversation_id,external_id,")
    assert answer.text.count("\n") == 1


async def test_an_export_takes_no_limit_and_no_cursor(empty: Api) -> None:
    assert "limit" in await empty.refused("insights", {**WINDOW, "limit": 5}, Accept="text/csv")


async def test_an_export_that_breaks_does_not_look_whole(database_url: URL) -> None:
    # After the columns of fields and the first page.
    async with insights_api.opened(database_url, broken_at=3) as api:
        await api.fill(a_day_of(1_100))
        with pytest.raises(httpx.RemoteProtocolError):
            await api.http.get("/api/v1/insights", params=WINDOW, headers={"Accept": "text/csv"})


async def test_the_recent_ones_are_exported_as_they_are_listed(api: Api) -> None:
    await api.fill(a_day_of(5))
    url, limit = "/api/v1/insights/recent", {"limit": 3}

    listed = (await api.get("insights/recent", **limit))["insights"]
    lines = await api.http.get(url, params=limit, headers={"Accept": "application/x-ndjson"})
    rows = await api.http.get(url, params=limit, headers={"Accept": "text/csv"})

    assert [json.loads(line) for line in lines.text.splitlines()] == [
        {**each, "participants": []} for each in listed
    ]
    read = list(csv.DictReader(io.StringIO(rows.text)))
    assert [row["conversation_id"] for row in read] == [each["conversation_id"] for each in listed]
    assert [row["timestamp"] for row in read] == [each["timestamp"] for each in listed]
    assert rows.headers["content-type"].startswith("text/csv")
    assert 'filename="insights.csv"' in rows.headers["content-disposition"]


async def test_an_export_that_cannot_begin_is_an_error(database_url: URL) -> None:
    async with insights_api.opened(database_url, broken_at=1) as api:
        answer = await api.http.get("/api/v1/insights", params=WINDOW, headers={"Accept": "text/csv"})
        assert (answer.status_code, answer.json()["error"]) == (503, "database_unavailable")
