"""A service that goes away and comes back under an open dashboard, and one that wants to know who is there."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect

from benchmarks.support import databases
from benchmarks.support.process import Process, address
from client import Client
from client.sending import SESSION_COOKIE
from tests.dashboard.browsing import SECONDS, dashboard, visiting
from tests.dashboard.pages import ROOT, SAMPLE, sampled
from tests.dashboard.views import ALL_DAYS
from tests.support.access import SECRET, make_keys, make_session
from tests.support.service import serving

GONE = "The service does not answer. What is shown was there before"


@contextmanager
def of_its_own(folder: Path) -> Iterator[Process]:
    """A service that has analysed the sample, as a process that can be killed."""
    with Process(folder, DATABASE_URL=address(databases.sqlite(folder)), CHAT_QUIET_SECONDS=0) as service:
        sends = [str(ROOT / "ingest_data.py"), "--file", str(SAMPLE), "--api-url", service.url, "--wait"]
        subprocess.run([sys.executable, *sends], capture_output=True, check=True)
        yield service


def test_what_is_shown_and_typed_outlives_the_kill_of_the_service(browser: Browser, tmp_path: Path) -> None:
    with (
        of_its_own(tmp_path) as service,
        dashboard(service.url, tmp_path) as url,
        visiting(browser, url) as window,
    ):
        window.open("conversations", ALL_DAYS)
        window.drawn("A row opens")
        before = window.cells()
        words = window.page.get_by_label("Words, all in one message")
        words.press_sequentially("ref")

        service.end(signal.SIGKILL)
        window.page.get_by_text(GONE).wait_for()
        assert window.cells() == before
        words.press_sequentially("un")
        service.start()
        expect(window.page.get_by_text(GONE)).to_have_count(0, timeout=SECONDS * 1_000)

        expect(words).to_have_value("refun")
        assert window.cells() == before
        words.press_sequentially("d")
        words.press("Enter")
        window.page.wait_for_url("**q=refund**")
        window.page.get_by_text("0 positive").wait_for()


def test_a_question_that_was_never_answered_is_answered_when_the_service_is_back(
    browser: Browser, tmp_path: Path
) -> None:
    with sampled(databases.sqlite(tmp_path)) as server, dashboard(server.url, tmp_path) as url:
        server.stop()
        with visiting(browser, url) as window:
            window.open()
            window.page.get_by_role("heading", name="The service does not answer").wait_for()
            server.start()
            window.drawn("A bar or a row opens")


def test_a_key_is_typed_used_and_forgotten(browser: Browser, tmp_path: Path) -> None:
    database = databases.sqlite(tmp_path)
    with ThreadPoolExecutor() as beside:  # Playwright runs a loop in this thread
        keys = beside.submit(asyncio.run, make_keys(database)).result()
    with (
        serving(database, None, auth_required=True, auth_secret=SECRET) as server,
        dashboard(server.url, tmp_path) as url,
        visiting(browser, url) as window,
    ):
        window.open()
        window.heading("Log in")
        assert window.page.get_by_role("link", name="Log in at the service").get_attribute("href") == (
            f"{server.url}/auth/login"
        )
        window.page.get_by_label("API key", exact=True).fill(keys["viewer"])
        window.page.get_by_role("button", name="Use this key").click()
        window.drawn("Nothing has been analysed yet")
        assert keys["viewer"] not in window.page.url + window.page.content()

        window.page.get_by_role("button", name="Forget the key").click()
        window.heading("Log in")
        assert window.outside == []


def test_whoever_has_logged_in_at_the_service_acts_as_themselves(browser: Browser, tmp_path: Path) -> None:
    """Behind one proxy the cookie comes along; here the two are ports of one host, which to cookies is the same."""
    database = databases.sqlite(tmp_path)
    with ThreadPoolExecutor() as beside:
        session = beside.submit(asyncio.run, make_session(database)).result()
    with (
        serving(database, None, auth_required=True, auth_secret=SECRET) as server,
        dashboard(server.url, tmp_path) as url,
        visiting(browser, url) as window,
    ):
        window.page.context.add_cookies(
            [{"name": SESSION_COOKIE, "value": session, "domain": "127.0.0.1", "path": "/", "secure": True}]
        )
        window.open()
        window.drawn("Nothing has been analysed yet")
        expect(window.page.get_by_test_id("stSidebar")).to_contain_text("Agent")

        with Client(server.url, session=session) as client:
            assert client.me().means == "session"
            client.post({"text": "My parcel is late and nobody answers.", "conversation_id": "c-1"})
        assert window.outside == []
