"""Health and money as Streamlit draws them."""

import asyncio
from pathlib import Path

from benchmarks.support import databases
from benchmarks.support.serving import Served
from benchmarks.support.waiting import eventually
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
    assert f"n = {total.analysed} conversations analysed by them" in said(page)
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


def is_under_way(client: Client) -> bool:
    lane, found = client.health().batch_lane, client.batches().batches
    return lane is not None and lane.requests == 2 and [each.stage for each in found] == ["running"]


def test_batches_at_the_provider_are_followed_and_cancelled_by_admins_only(tmp_path: Path) -> None:
    database = databases.sqlite(tmp_path)
    keys = asyncio.run(make_keys(database))
    with (
        faked() as grok,
        serving(database, grok, auth_required=True, auth_secret=SECRET, max_batch=10) as server,
    ):
        grok.batches.seconds = 1e9
        with Client(server.url, key=keys["admin"]) as client:
            client.post_bulk([{"text": f"My parcel {n} is late again"} for n in range(20)], freshness="day")
            asyncio.run(eventually(lambda: is_under_way(client), 60))
        with settings(server.url, API_KEY=keys["viewer"]):
            page = opened(HEALTH.path)
            assert "1 is under way. What is not answered by " in said(page)
            assert "20 conversations wait, 20 of them for batches" in said(page)
            assert "Requests answered: 0 of 2" in str(page.get("progress")[0].proto)
            page.toggle("batches").set_value(True).run()
            assert list(page.dataframe[1].value["stage"]) == ["being answered"]
            assert not [each for each in page.button if each.label == "Cancel it for good"]
        with settings(server.url, API_KEY=keys["admin"]):
            page = opened(HEALTH.path)
            page.toggle("batches").set_value(True).run()
            next(each for each in page.button if each.label == "Cancel it for good").click().run()
            assert "The batch is cancelled" in page.success[0].value
            assert not [each for each in page.button if each.label == "Cancel it for good"]
        with Client(server.url, key=keys["admin"]) as client:
            assert (client.batches().batches[0].cancelled_by or "").startswith("key:")
