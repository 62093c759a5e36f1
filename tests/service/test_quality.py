"""Measured quality over HTTP."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.engine import URL

from core.clock import iso
from tests.support import insights_api
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


async def test_what_is_wrong_is_named(api: Api) -> None:
    assert "target" in await api.refused("quality", {"target": 0.2})
    assert "limit" in await api.refused("quality/sample", {"limit": 101})
    window = {"start_time": iso(NOON), "end_time": iso(NOON - 1)}
    assert "start_time" in await api.refused("quality", window)
