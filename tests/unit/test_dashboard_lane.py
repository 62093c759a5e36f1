"""Batches at the provider as the dashboard says them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from client.answers import BatchLane, ProviderBatch
from dashboard import lane
from tests.unit.test_dashboard_operation import health

AT = datetime(2026, 11, 12, 7, 14, tzinfo=UTC)


def batches(**given: Any) -> BatchLane:
    plain = {"is_open": True, "reason": None, "ends_at": None}
    counts = dict.fromkeys(("waiting", "batches", "requests", "answered"), 0)
    return BatchLane.model_validate({**plain, **counts, **given})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Nothing waits for a batch, and none is under way."),
        ({"waiting": 1}, "1 conversation waits for a batch. None is under way."),
        (
            {"waiting": 2_000, "batches": 1, "ends_at": AT},
            "2,000 conversations wait for a batch; 1 is under way. "
            "What is not answered by 2026-11-12 07:14 UTC goes live.",
        ),
        (
            {"batches": 3, "ends_at": AT},
            "3 are under way. What is not answered by 2026-11-12 07:14 UTC goes live.",
        ),
    ],
)
def test_what_is_in_batches_is_told(given: dict[str, Any], sentence: str) -> None:
    assert lane.said_of(batches(**given)) == sentence


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, None),
        ({"reason": "BATCH_LANE is off"}, "None is begun: BATCH_LANE is off"),
        (
            {"reason": "HTTP 403 Forbidden: no.", "tried_again_at": AT},
            "None is begun: HTTP 403 Forbidden: no. It is tried again at 2026-11-12 07:14 UTC.",
        ),
    ],
)
def test_why_no_batch_is_begun_is_told(given: dict[str, Any], sentence: str | None) -> None:
    assert lane.why_none_is_begun(batches(is_open=not given, **given)) == sentence


def test_the_offline_analyzer_has_nothing_to_say_of_batches() -> None:
    closed = batches(is_open=False, reason="the offline analyzer needs none")
    assert lane.lane_of(health(analyzer="offline", batch_lane=closed)) is None
    assert lane.lane_of(health(batch_lane=None)) is None
    assert lane.lane_of(health(batch_lane=closed)) == closed
    ending = batches(is_open=False, reason="BATCH_LANE is off", batches=1)
    assert lane.lane_of(health(analyzer="offline", batch_lane=ending)) == ending


def test_a_batch_is_over_or_will_be_and_can_be_cancelled_until_then() -> None:
    counts = dict.fromkeys(("requests", "answered", "conversations", "stored", "dropped"), 1)
    plain = {**counts, "id": "b", "model": "grok-4.3", "usd": 0.1, "error": None, "created_at": AT}
    late = AT.replace(hour=9)

    def batch(stage: str, **given: Any) -> ProviderBatch:
        times = {"deadline": late, "kept_until": late, "ended_at": None, "cancelled_by": None}
        return ProviderBatch.model_validate({**plain, **times, "stage": stage, **given})

    some = [
        batch("running"),
        batch("late", cancelled_by="the deadline"),
        batch("ended", ended_at=AT),
        batch("something new"),
    ]

    assert [(row["stage"], row["until"]) for row in lane.batch_rows(some)] == [
        ("being answered", late),
        ("given up; late answers are looked for", late),
        ("over", AT),
        ("something new", late),
    ]
    assert [each.stage for each in lane.can_be_cancelled(some)] == ["running", "something new"]
