"""Health and money of the dashboard as rows and sentences."""

from datetime import UTC, datetime
from typing import Any

import pytest

from client.answers import Budget, Estimate, Health, Spending, SpendingDay, Spent
from dashboard import operation, words

AT = datetime(2026, 11, 12, 7, 14, tzinfo=UTC)


def health(**given: Any) -> Health:
    plain = {
        **{"status": "ok", "reasons": [], "queue_size": 0, "summary_queue_size": 0, "worker_running": True},
        **{"db_ok": True, "analyzer": "grok", "model": "grok-4", "circuit": "closed"},
        **{"oldest_queued_seconds": 0, "drain_seconds": None, "started_at": AT},
    }
    return Health.model_validate({**plain, **given})


def spending(*usd: tuple[float, float], daily: float | None = None, left: float | None = None) -> Spending:
    counts = dict.fromkeys(
        (
            *("calls", "summary_calls", "analysed", "cached", "skipped", "prompt_tokens", "cached_tokens"),
            *("completion_tokens", "reasoning_tokens"),
        ),
        1,
    )
    saved = {"cache_usd": 1.0, "prefilter_usd": 2.0, "packing_usd": 3.0}
    plain = {**counts, "reserved_usd": 0.0, "saved": saved}
    days = [
        SpendingDay.model_validate(
            {**plain, "date": f"2026-11-{20 - n}", "usd": all_, "summary_usd": summaries}
        )
        for n, (all_, summaries) in enumerate(usd)
    ]
    total = Spent.model_validate({**plain, "usd": 0, "summary_usd": 0})
    return Spending(days=days, total=total, budget=Budget(daily_usd=daily, left_today_usd=left))


def test_a_pause_is_told_from_other_reasons() -> None:
    assert operation.is_paused(health(reasons=["paused by an operator"]))
    assert not operation.is_paused(health(reasons=["the daily budget is spent"]))


def test_facts_of_a_service_of_an_earlier_version() -> None:
    facts = {row["what"]: row["found"] for row in operation.health_facts(health(circuit=None), None)}

    assert facts["Provider"] == "none is called"
    assert facts["Version"] == facts["Newest insight"] == words.UNKNOWN


def test_a_chart_stacks_what_a_table_adds_up() -> None:
    found = spending((3.0, 1.0), (2.0, 0.5))

    assert [(row["day"], row["for"], row["usd"]) for row in operation.parts(found)] == [
        ("2026-11-19", "insights", 1.5),
        ("2026-11-19", "summaries", 0.5),
        ("2026-11-20", "insights", 2.0),
        ("2026-11-20", "summaries", 1.0),
    ]
    rows = operation.spending_rows(found)
    assert [row["usd"] for row in rows] == [3.0, 2.0]
    assert rows[0]["saved"] == 6.0
    assert operation.has_cost(rows)

    by_batches = {"batch_usd": 0.5}
    days = [found.days[0].model_copy(update=by_batches)]
    batched = found.model_copy(update={"days": days, "total": found.total.model_copy(update=by_batches)})
    assert [(row["for"], row["usd"]) for row in operation.parts(batched)] == [
        ("insights", 1.5),
        ("batches", 0.5),
        ("summaries", 1.0),
    ]
    assert not operation.has_cost(operation.spending_rows(spending((0.0, 0.0))))


@pytest.mark.parametrize(
    ("daily", "left", "share"),
    [(None, None, None), (10.0, 2.5, 0.75), (10.0, 12.0, 0.0), (10.0, -1.0, 1.0), (0.0, 0.0, 1.0)],
)
def test_the_part_of_the_budget_that_is_spent(daily: float | None, left: float | None, share: float) -> None:
    assert operation.spent_share(spending(daily=daily, left=left)) == share


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"queue_size": 0}, "Nothing waits."),
        (
            {"queue_size": 9, "batched": 4},
            "9 conversations wait, 4 of them for batches: about 3 calls and $0.25, in 2 minutes.",
        ),
        ({"queue_size": 1}, "1 conversation waits: about 3 calls and $0.25, in 2 minutes."),
        (
            {"queue_size": 9, "seconds": None},
            "9 conversations wait: about 3 calls and $0.25. How long it takes is not known.",
        ),
        (
            {"queue_size": 9, "resumes_at": AT},
            "9 conversations wait: about 3 calls and $0.25. The budget is spent; "
            "analysis goes on at 2026-11-12 07:14 UTC.",
        ),
    ],
)
def test_what_waits_is_told(given: dict[str, Any], sentence: str) -> None:
    plain = {"calls": 3, "usd": 0.25, "seconds": 120, "usd_per_conversation": 0.1, "based_on": "now"}

    assert operation.estimate_of(Estimate.model_validate({**plain, **given})) == sentence
