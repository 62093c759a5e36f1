"""A live chat in two windows: what one writes appears in the other, the summary grows, and a draft is kept."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from benchmarks.support import databases
from benchmarks.support.serving import Served
from client import Client
from client.calls import NewMessage
from tests.dashboard.browsing import LOOKS, Visit, dashboard, visiting
from tests.support.service import faked, serving

CHAT = "lamp"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with a fake Grok, which writes summaries piece by piece."""
    database = databases.sqlite(tmp_path_factory.mktemp("live"))
    with faked() as grok, serving(database, grok, chat_quiet_seconds=1, daily_budget_usd=5) as server:
        with Client(server.url) as client:
            client.post_messages(said("ann", "customer", "My lamp arrived broken."))
        yield server


def said(author: str, role: str, text: str) -> NewMessage:
    return {"conversation_id": CHAT, "user_id": author, "user_type": role, "message_content": text}


@pytest.fixture(scope="module")
def url(service: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dashboard(service.url, tmp_path_factory.mktemp("dashboard")) as address:
        yield address


def joined(visit: Visit) -> None:
    visit.open("conversation", {"id": CHAT})
    visit.page.get_by_text("Live: what others write").wait_for()


def test_two_windows_talk_and_the_summary_grows(browser: Browser, url: str, service: Served) -> None:
    with visiting(browser, url) as one, visiting(browser, url) as other:
        joined(one)
        joined(other)
        draft = other.page.get_by_placeholder("Write a message")
        draft.press_sequentially("Half a sent")
        one.page.get_by_placeholder("Write a message").fill("We send you a new one today.")
        one.page.keyboard.press("Enter")

        for window in (one, other):
            window.page.get_by_text("We send you a new one today.").first.wait_for()
            # What makes a draft of it, and then a summary, comes in its own time: both end on the page.
            window.page.get_by_text("Outcome").first.wait_for()
        assert draft.input_value() == "Half a sent"
        assert one.outside == other.outside == []
    with Client(service.url) as client:
        newest = client.chat(CHAT).messages[-1]
        assert (newest.user_type, newest.message_content) == ("support_agent", "We send you a new one today.")


def test_what_is_written_while_the_service_is_away_is_sent_when_it_is_back(
    browser: Browser, url: str, service: Served
) -> None:
    with visiting(browser, url) as window:
        joined(window)
        service.stop()
        window.page.get_by_text("what you write is sent then").wait_for()
        window.page.get_by_placeholder("Write a message").fill("Are you there?")
        window.page.keyboard.press("Enter")
        window.page.get_by_text("Being sent").wait_for()
        service.start()
        window.page.get_by_text("Live: what others write").wait_for()
        window.page.get_by_text("Being sent").wait_for(state="detached")
        window.page.get_by_text("Are you there?").first.wait_for()


@pytest.mark.parametrize("look", LOOKS)
def test_nobody_is_kept_out(look: str, browser: Browser, url: str) -> None:
    """axe-core's serious complaints; the pictures are kept to be looked at."""
    scheme, size = LOOKS[look]
    with visiting(browser, url, color_scheme=scheme, viewport=size) as window:
        joined(window)
        window.keep(f"live-{look}")
        assert window.complaints() == []
        window.open("health")
        window.page.get_by_role("heading", name="Jobs").wait_for()
        window.page.locator("path[aria-roledescription=bar]").first.wait_for()
        window.cells(1)
        window.settled()
        window.keep(f"health-{look}")
        assert window.complaints() == []
