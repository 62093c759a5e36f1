"""Health and money as Streamlit draws them."""

import asyncio
from pathlib import Path

from benchmarks.support import databases
from benchmarks.support.serving import Served
from client import Client
from dashboard.pages import HEALTH
from tests.dashboard.pages import opened, said, settings
from tests.support.access import SECRET, make_keys
from tests.support.service import faked, serving


def test_a_service_that_is_well_says_so_and_what_it_has_analysed(of_sample: Served) -> None:
    page = opened(HEALTH.path)
    with Client(of_sample.url) as client:
        total = client.spending(days=30).total

    assert page.success[0].value == "All is well."
    assert f"n = {total.analysed} analysed conversations" in said(page)
    assert "offline, linear-1" in list(page.dataframe[0].value["found"])
    assert page.dataframe[1].value["analysed"][0] == total.analysed
    assert "Nothing waits." in said(page)
    assert "There is no daily budget." in said(page)


def test_analysis_is_paused_and_resumed_by_admins_only(tmp_path: Path) -> None:
    database = databases.sqlite(tmp_path)
    keys = asyncio.run(make_keys(database))
    with (
        faked() as grok,
        serving(database, grok, auth_required=True, auth_secret=SECRET, daily_budget_usd=5) as server,
    ):
        with settings(server.url, API_KEY=keys["agent"]):
            page = opened(HEALTH.path)
            assert "takes the role admin" in said(page)
            assert "Daily budget: $5.00" in said(page)
            assert "$5.00 left today" in str(page.get("progress")[0].proto)
        with settings(server.url, API_KEY=keys["admin"]):
            page = opened(HEALTH.path)
            page.button("pause").click().run()
            assert "Analysis is paused" in page.success[0].value
            assert "paused by an operator" in said(page)
            with Client(server.url, key=keys["admin"]) as client:
                client.post({"text": "A conversation that waits for its turn"})
        with settings(server.url, API_KEY=keys["admin"]):
            page = opened(HEALTH.path)
            assert "1 conversation waits: about 1 calls" in said(page)
            next(each for each in page.button if each.label == "Resume analysis").click().run()
            assert "Analysis goes on" in page.success[0].value
