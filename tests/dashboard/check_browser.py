"""The dashboard in a real browser: how soon it is there, and that addresses, drill-down and Back agree."""

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.support.serving import Served
from tests.dashboard.browsing import LOOKS, Visit, dashboard, until, visiting
from tests.dashboard.views import ALL_DAYS, VIEWS, View

SOON = 3.0
EVERY = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.title)
BAR = "path[aria-roledescription=bar]"


def seconds_until_there(browser: Browser, url: str) -> tuple[float, float]:
    """Until its sentence can be read, and until its bars can be clicked."""
    with visiting(browser, url) as window:
        since = time.monotonic()
        window.page.goto(url)
        window.page.get_by_text("conversations, in the window before").wait_for()
        read = time.monotonic() - since
        window.page.locator(BAR).first.wait_for()
        return read, time.monotonic() - since


def test_the_landing_page_is_there_soon(browser: Browser, sample: Served, tmp_path: Path) -> None:
    """Each time with an empty cache; the first time nobody has asked the dashboard for anything before."""
    with dashboard(sample.url, tmp_path) as url:
        taken = [seconds_until_there(browser, url) for _ in range(3)]

    print("to read, to click: ", "; ".join(f"{read:.2f}, {drawn:.2f} s" for read, drawn in taken))  # noqa: T201  figures
    assert min(taken)[0] < SOON


def test_a_bar_and_a_row_lead_to_a_conversation_and_back_leads_back(visit: Visit) -> None:
    visit.open()
    visit.page.locator(BAR).nth(1).click()
    visit.at("conversations")
    topic, listed = visit.parameters["topic"], visit.cells()
    assert listed

    visit.choose(0)
    visit.at("conversation")
    opened = visit.parameters
    assert opened["topic"] == topic
    said = listed[0][1].split(": ", 1)[1][:40]
    visit.page.get_by_text(said).first.wait_for()

    visit.back()
    visit.heading("Conversations")
    until(lambda: visit.cells() == listed)
    assert visit.parameters == opened
    visit.page.go_forward()
    visit.at("conversation")
    assert visit.parameters == opened


def test_a_row_of_the_landing_page_leads_to_its_conversations(visit: Visit) -> None:
    visit.open()
    first = visit.cells()[0]

    visit.choose(0)
    visit.at("conversations")

    assert first[:3] == ["Booking", "0", "3"]
    assert visit.parameters["topic"] == "booking"
    assert (
        visit.parameters["to"] == "2026-11-15"
    )  # there are none in the window, so those before it are shown
    assert len(visit.cells()) == 3


def test_a_filter_is_taken_back_by_the_browser(visit: Visit) -> None:
    visit.open("conversations", ALL_DAYS)
    visit.page.get_by_label("Words, all in one message").fill("refund")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url("**q=refund**")
    visit.settled()

    visit.back()

    expect(visit.page.get_by_label("Words, all in one message")).to_have_value("")
    assert visit.parameters == ALL_DAYS


def test_a_row_is_opened_by_keyboard(visit: Visit) -> None:
    visit.open("conversations", ALL_DAYS)
    visit.drawn("A row opens")
    rows = visit.cells()

    def tabbed_to_the_rows() -> bool:
        visit.page.keyboard.press("Tab")
        return bool(visit.page.evaluate("document.activeElement.tagName === 'CANVAS'"))

    until(tabbed_to_the_rows)
    for key in ("ArrowDown", "Shift+Space"):
        visit.page.keyboard.press(key)
    visit.at("conversation")

    visit.page.get_by_text(rows[1][1].split(": ", 1)[1][:40]).first.wait_for()


@EVERY
def test_an_address_shows_the_same_to_somebody_else(
    view: View, summarised: str, browser: Browser, url: str
) -> None:
    def shown(page: Page) -> str:
        return str(page.locator("[data-testid=stMain]").inner_text())

    with visiting(browser, url) as one, visiting(browser, url) as other:
        one.open(view.path, view.filled(summarised))
        one.heading(view.title)
        other.page.goto(one.page.url)
        other.heading(view.title)
        until(lambda: bool(re.search(view.full, shown(one.page))) and shown(one.page) == shown(other.page))
        assert one.outside == other.outside == []


@EVERY
@pytest.mark.parametrize("look", LOOKS)
def test_nobody_is_kept_out(view: View, look: str, summarised: str, browser: Browser, url: str) -> None:
    """axe-core's serious complaints; the pictures are kept to be looked at."""
    scheme, size = LOOKS[look]
    with visiting(browser, url, color_scheme=scheme, viewport=size) as window:
        window.open(view.path, view.filled(summarised))
        window.drawn(view.full)
        window.keep(f"{view.title}-{look}")

        assert window.complaints() == []
        assert window.outside == []
