"""Measured quality over HTTP."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from core.clock import iso
from store.insights import field_filing
from tests.support import insights_api
from tests.support.field_data import FIELDS, SAID
from tests.support.insight_data import NOON, an_analysis, an_insight, store
from tests.support.insights_api import Api


@pytest.fixture
async def api(database_url: URL) -> AsyncIterator[Api]:
    async with insights_api.opened(database_url) as opened:
        made = [an_insight(n, NOON - n, an_analysis(-5_000, 90 if n % 2 else 40)) for n in range(1, 31)]
        await opened.fill(lambda connection: store(connection, made))
        yield opened


async def test_a_sample_is_checked_and_measures(api: Api) -> None:
    nothing = await api.get("quality")
    assert (nothing["checked"], nothing["accuracy"]["accuracy"], nothing["threshold"]) == (0, None, None)

    sample = await api.get("quality/sample", limit=20)
    again = await api.get("quality/sample", limit=5)
    ids = [each["conversation_id"] for each in sample["insights"]]
    assert len(ids) == sample["pending"] == again["pending"] == 20
    assert [each["conversation_id"] for each in again["insights"]] == ids[:5]
    for id_ in ids:
        right = int(id_.removeprefix("conv_")) % 2
        said = {"sentiment": "negative" if right else "neutral", "clusters": ["delay" if right else "refund"]}
        answer = await api.http.post(f"/api/v1/conversations/{id_}/corrections", json=said)
        assert answer.status_code == 200, answer.text

    found = await api.get("quality", target=0.9)
    sure = sum(int(id_.removeprefix("conv_")) % 2 for id_ in ids)
    assert (found["checked"], found["pending"]) == (20, 0)
    assert found["outside"] == {"corrections": 0, "disagreeing": 0}
    assert found["accuracy"]["accuracy"] == pytest.approx(0.5, abs=0.1)
    assert found["accuracy"]["low"] < 0.5 < found["accuracy"]["high"]
    low, *_, high = found["bins"]
    assert (low["from"], low["to"], low["accuracy"], low["mean_confidence"]) == (0, 0.5, 0, 0.4)
    assert (high["from"], high["to"], high["accuracy"], high["checked"]) == (0.9, 1, 1, sure)
    if sure >= 10:
        assert found["threshold"]["confidence"] == 0.9
    [maker] = found["makers"]
    assert (maker["analyzer"], maker["checked"]) == ("grok", 20)
    [topic] = found["topics"]
    assert (topic["slug"], topic["precision"]["accuracy"]) == ("delay", found["accuracy"]["accuracy"])


async def test_fields_are_measured_on_what_was_drawn(api: Api) -> None:
    def fill(connection: Connection) -> None:
        field_filing.declare_fields(connection, FIELDS, at=NOON)
        answering = an_analysis(-5_000, 90, fields=FIELDS.read(SAID))
        store(connection, [an_insight(n, NOON - n, answering) for n in range(31, 61)])

    await api.fill(fill)
    assert (await api.get("quality"))["fields"] == []
    drawn = (await api.get("quality/sample", limit=60))["insights"]
    for place, each in enumerate(drawn):
        wrong = place % 4 == 0
        said = {
            "urgency": "low" if wrong else "high",
            "refund_amount": 12.5,
            "wishes": ["apology", "resend"],
            "damaged": None if wrong else True,
        }
        body = {"sentiment": "negative", "fields": said} if each["fields"] else {"sentiment": "negative"}
        path = f"/api/v1/conversations/{each['conversation_id']}/corrections"
        answer = await api.http.post(path, json=body)
        assert answer.status_code == 200, answer.text

    found = (await api.get("quality"))["fields"]
    checked = sum(each["fields"] is not None for each in drawn)
    assert [(each["name"], each["type"], each["checked"]) for each in found] == [
        ("damaged", "boolean", checked),
        ("refund_amount", "number", checked),
        ("urgency", "enum", checked),
        ("wishes", "list", checked),
    ]
    right = sum(each["fields"] is not None and place % 4 > 0 for place, each in enumerate(drawn))
    assert found[0]["accuracy"] == found[2]["accuracy"] == pytest.approx(right / checked, abs=0.1)
    assert found[2]["low"] < found[2]["accuracy"] < found[2]["high"]
    assert (found[1]["accuracy"], found[3]["accuracy"]) == (1, 1)


async def test_corrections_of_fields_that_nobody_drew_measure_nothing(api: Api) -> None:
    def fill(connection: Connection) -> None:
        field_filing.declare_fields(connection, FIELDS, at=NOON)
        store(connection, [an_insight(31, NOON - 31, an_analysis(fields=FIELDS.read(SAID)))])

    await api.fill(fill)
    answer = await api.http.post(
        "/api/v1/conversations/conv_31/corrections", json={"fields": {"urgency": "low"}}
    )
    assert answer.status_code == 200, answer.text
    assert (await api.get("quality"))["fields"] == []


async def test_what_is_wrong_is_named(api: Api) -> None:
    assert "target" in await api.refused("quality", {"target": 0.2})
    assert "limit" in await api.refused("quality/sample", {"limit": 101})
    window = {"start_time": iso(NOON), "end_time": iso(NOON - 1)}
    assert "start_time" in await api.refused("quality", window)
