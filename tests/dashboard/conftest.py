"""One service with the sample for all tests of the room that only read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from benchmarks.support import databases
from benchmarks.support.serving import Served
from client import Client
from tests.dashboard.pages import sampled, settings
from tests.support.service import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.dashboard.browsing import Visit


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that has analysed the sample. Nobody changes anything in it."""
    with sampled(databases.sqlite(tmp_path_factory.mktemp("sample"))) as server:
        yield server


@pytest.fixture
def of_sample(sample: Served) -> Iterator[Served]:
    """The dashboard of that service."""
    with settings(sample.url):
        yield sample


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service without a conversation."""
    with serving(databases.sqlite(tmp_path_factory.mktemp("nothing")), None) as server:
        yield server


@pytest.fixture(scope="session")
def summarised(sample: Served) -> str:
    """The id of a chat of the sample that has several messages and a summary."""
    with Client(sample.url) as client:
        chat = max(client.chats(), key=lambda each: each.message_count)
        client.summarize(chat.conversation_id)
        return chat.conversation_id


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """A Chromium, for `make test-dashboard`; what it needs is not among the development requirements."""
    from playwright.sync_api import sync_playwright

    from tests.dashboard.browsing import launched

    with sync_playwright() as playwright:
        chromium = launched(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def url(sample: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard of the sample."""
    from tests.dashboard.browsing import dashboard

    with dashboard(sample.url, tmp_path_factory.mktemp("dashboard")) as address:
        yield address


@pytest.fixture
def visit(browser: "Browser", url: str) -> Iterator["Visit"]:
    """A window on it. Whatever a test does there, nothing may be fetched from outside."""
    from tests.dashboard.browsing import visiting

    with visiting(browser, url) as window:
        yield window
        assert window.outside == []
