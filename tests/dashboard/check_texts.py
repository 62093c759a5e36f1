"""Texts of customers that hold Markdown, images, links, HTML or formulas stand there as texts, and do nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from benchmarks.support import databases
from client import Client
from tests.dashboard.browsing import dashboard, until, visiting
from tests.dashboard.views import VIEWS, View
from tests.support.service import serving

OUTSIDE = "http://outside.invalid"
HOSTILE = (
    f"![x]({OUTSIDE}/image.png) My order is late, this is terrible service.",
    f"[press here]({OUTSIDE}/link) I want a refund, the delivery is late!",
    f"<img src={OUTSIDE}/html.png onerror=\"document.title='run'\"> the app is broken and I am angry",
    "<script>document.title='run'</script> the parcel is late, terrible",
    f'=HYPERLINK("{OUTSIDE}/formula","press") my parcel is late and broken',
    "# late parcel :material/warning: $\\\\frac{1}{2}$ :red[red] `code` **bold** terrible delay",
    f"{OUTSIDE}/bare.png the delivery is late and I am angry",
)
FOUND = "img[src*='outside'], a[href*='outside'], [style*='outside'], iframe[src*='outside']"
EVERY = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.title)


def said(number: int, text: str) -> Any:
    stamp = {"timestamp": f"2026-11-{12 + number % 8:02}T10:00:00Z", "external_id": str(number)}
    turns = [
        {"role": "customer", "author": text[:60], "text": text},
        {"role": "support_agent", "author": text[:60], "text": f"{text} Could you send us the number?"},
        {"role": "customer", "author": text[:60], "text": text},
    ]
    return {"messages": turns, **stamp}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A dashboard of a service in which every text is one of those, and the id of a chat that is summarised."""
    folder = tmp_path_factory.mktemp("hostile")
    with (
        serving(databases.sqlite(folder), None, chat_quiet_seconds=0) as server,
        Client(server.url) as client,
    ):
        ids = client.post_bulk(
            [said(number, HOSTILE[number % len(HOSTILE)]) for number in range(70)]
        ).conversation_ids
        for _ in client.wait_for_analysis(filter(None, ids)):
            pass
        for each in ids[: len(HOSTILE)]:
            client.summarize(str(each))
        for topic in client.all_topics_page(limit=1000).topics:
            client.change_topic(topic.id, label=f"![{topic.slug}]({OUTSIDE}/label.png)")
        with dashboard(server.url, folder) as url:
            yield url, str(ids[0])


@EVERY
def test_nothing_is_fetched_run_or_linked(view: View, hostile: tuple[str, str], browser: Browser) -> None:
    url, chat = hostile
    with visiting(browser, url) as window:
        window.open(view.path, view.filled(chat))
        window.drawn(view.full)

        assert window.page.locator(FOUND).count() == 0
        assert "run" not in window.page.title()
        assert window.page.get_by_label("Download as CSV").count() == 0
        for bar in window.page.locator("path[aria-roledescription=bar]").all()[:3]:
            bar.hover()
            assert window.page.locator(FOUND).count() == 0
        assert window.outside == []


def test_each_stands_there_as_it_was_written(hostile: tuple[str, str], browser: Browser) -> None:
    url, chat = hostile
    with visiting(browser, url) as window:
        window.open("conversation", {"id": chat})
        window.drawn("Summary")

        until(lambda: window.page.get_by_text(HOSTILE[0], exact=True).count() >= 2)
