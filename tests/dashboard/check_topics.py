"""Topics in a real browser: merging two and taking it back, and finding, opening and accepting a new one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from benchmarks.support import databases
from benchmarks.support.serving import Served
from client import Client
from tests.dashboard.browsing import LOOKS, Visit, dashboard, visiting
from tests.dashboard.topical import WEEK, ended, talking

PAGES = ("new-topics", "new-topic")
"""What check_browser.py sees empty: here something was found."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with talking(databases.sqlite(tmp_path_factory.mktemp("topical"))) as server:
        yield server


@pytest.fixture(scope="module")
def url(service: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dashboard(service.url, tmp_path_factory.mktemp("dashboard")) as address:
        yield address


@pytest.fixture(scope="module")
def client(service: Served) -> Iterator[Client]:
    with Client(service.url) as one:
        yield one


def test_two_topics_are_merged_and_apart_again(visit: Visit, client: Client) -> None:
    visit.open("topics", {**WEEK, "q": "pricing"})
    visit.choose(0)
    visit.at("topic")
    assert visit.parameters["topic"] == "pricing"
    visit.page.get_by_label("Topics that go into it").press_sequentially("refund")
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.press("Escape")
    visit.settled()
    visit.page.get_by_role("button", name="Merge them").click()
    visit.page.get_by_role("button", name="Merge them now").click()

    visit.page.get_by_text("It is done.").wait_for()
    assert ended(client).status == "completed"
    assert [each.slug for each in client.all_topics_page(state="merged").topics] == ["refund"]

    visit.page.get_by_role("link", name="All topics").click()
    visit.at("topics")
    visit.page.get_by_role("link", name="What was done to topics, and undo").click()
    visit.at("topic-changes")
    visit.page.get_by_text("“Refund” merged into “Pricing”").first.wait_for()
    visit.page.get_by_role("button", name="Undo").click()
    visit.page.get_by_role("button", name="Take it back").click()

    visit.page.get_by_text("Taken back.", exact=True).wait_for()
    assert client.all_topics_page(state="merged").topics == []


def test_a_new_topic_is_found_and_accepted(visit: Visit, client: Client) -> None:
    visit.open("new-topics", WEEK)
    visit.page.get_by_role("button", name="Look for new topics now").click()
    visit.page.get_by_text("It is done.").wait_for()
    visit.settled()
    listed = visit.cells()
    (row,) = [number for number, cells in enumerate(listed) if "pool" in " ".join(cells)]

    visit.choose(row)
    visit.at("new-topic")
    visit.page.get_by_text("20 people wrote about it").wait_for()
    visit.back()
    visit.heading("New topics")
    visit.page.go_forward()
    visit.at("new-topic")
    visit.page.get_by_label("Label").fill("The pool")
    visit.page.keyboard.press("Enter")
    visit.settled()
    visit.page.get_by_role("button", name="Accept").click()
    visit.page.get_by_role("button", name="Make a topic of it").click()

    visit.page.get_by_text("it is a topic").wait_for()
    assert "The pool" in {each.label for each in client.all_topics_page(limit=1_000).topics}


@pytest.mark.parametrize("look", LOOKS)
def test_nobody_is_kept_out(look: str, browser: Browser, url: str, client: Client) -> None:
    """axe-core's serious complaints; the pictures are kept to be looked at."""
    scheme, size = LOOKS[look]
    group = client.proposals_page(state="proposed").proposals[0].id
    with visiting(browser, url, color_scheme=scheme, viewport=size) as window:
        for page in PAGES:
            window.open(page, {**WEEK, "proposal": group})
            window.page.get_by_role("heading", level=1).wait_for()
            window.settled()
            window.keep(f"{page}-found-{look}")
            assert window.complaints() == []
        assert window.outside == []


def test_what_was_typed_outlives_the_service(
    browser: Browser, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = databases.sqlite(tmp_path)
    with (
        talking(database) as server,
        dashboard(server.url, tmp_path_factory.mktemp("dashboard")) as at,
        visiting(browser, at) as window,
    ):
        window.open("topic", {"topic": "billing"})
        window.page.get_by_label("Label").fill("Money matters")
        server.stop()
        window.page.get_by_role("button", name="Save").click()
        window.page.get_by_text("The service did not answer").wait_for()
        server.start()
        window.page.get_by_role("heading", name="What it is").wait_for()

        assert window.page.get_by_label("Label").input_value() == "Money matters"
