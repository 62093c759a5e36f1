"""Why this day: the parts add up, a day opens, and what cannot be compared is said to be so."""

import pytest

from benchmarks.support.serving import Served
from client import Client
from dashboard.pages import DAY
from tests.dashboard.pages import opened, said

WINDOW = {"from": "2026-11-16", "to": "2026-11-19"}


def test_the_parts_add_up_to_the_change_that_the_service_gives(of_sample: Served) -> None:
    page = opened(DAY.path, WINDOW)
    with Client(of_sample.url) as client:
        found = client.explain(start_time="2026-11-16", end_time="2026-11-20")

    parts = page.dataframe[1].value
    assert found.change is not None
    assert parts["moved"].iloc[-1] == pytest.approx(found.change, abs=1e-6)
    assert parts["moved"].iloc[:-1].sum() == pytest.approx(found.change, abs=1e-6)
    assert list(parts["topic"].iloc[-2:]) == ["All other topics", "Together, the change"]
    assert f"is {found.mean:+.2f} (n = {found.total_insights})" in said(page)
    assert len(page.get("vega_lite_chart")) == 2


def test_the_table_of_days_counts_what_the_trends_count(of_sample: Served) -> None:
    page = opened(DAY.path, WINDOW)
    with Client(of_sample.url) as client:
        found = client.trends(start_time="2026-11-12", end_time="2026-11-20", interval="day")

    assert list(page.dataframe[0].value["n"]) == [each.total for each in found.series]
    assert f"n = {found.total_insights} in the chart" in said(page)


def test_cases_are_those_of_the_topic_in_the_address(of_sample: Served) -> None:
    page = opened(DAY.path, WINDOW)
    slug = page.selectbox("w-topic").options[1]
    one = opened(DAY.path, {**WINDOW, "topic": slug})

    assert 0 < len(one.dataframe[2].value) < len(page.dataframe[2].value)
    assert one.dataframe[2].value["topic"].nunique() == 1
    assert "not among those" in said(opened(DAY.path, {**WINDOW, "topic": "never_was"}))


def test_a_day_with_nothing_before_it_has_no_parts(of_sample: Served) -> None:
    page = opened(DAY.path, {"from": "2026-11-12", "to": "2026-11-12"})

    assert "There is nothing to compare it with: the 28 days before" in said(page)
    assert "Compare with a longer time" in said(page)


def test_a_window_without_conversations_says_so(of_sample: Served) -> None:
    page = opened(DAY.path, {"from": "2025-01-01", "to": "2025-01-07"})

    assert "No conversation of this window has been analysed" in said(page)


def test_another_baseline_stands_in_the_address(of_sample: Served) -> None:
    page = opened(DAY.path, {**WINDOW, "baseline": "7d"})

    assert page.selectbox("w-baseline").value == "7d"
    assert "the 7 days before" in said(page)
