"""The dashboard behind Caddy and nginx, under /dash/ beside the service: its socket, its headers, one of its pages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from benchmarks.support.process import POSTS, ROOT, Process, free_port
from tests.dashboard.browsing import launched, until
from tests.proxy.front import PONG, Front, fronted, ping
from tests.support.access import bearer

STREAM = "/dash/_stcore/stream"
QUIET = 35
"""Seconds until the proxies of these tests give up a silent connection. Streamlit pings its sockets every 30."""
BAR = "path[aria-roledescription=bar]"
DRAWN = "[data-testid=stApp][data-test-script-state=notRunning]"


@pytest.fixture(scope="module")
def both(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A proxy in front of a closed service and of its dashboard, which has a viewer's key."""
    folder, port = tmp_path_factory.mktemp(f"{kind}-dashboard"), free_port()
    with fronted(kind, folder, dashboard=port, read_seconds=QUIET) as front:
        environ = {
            "PYTHONPATH": ROOT,
            "API_URL": front.service.url,
            "API_KEY": front.keys["viewer"],
            "DASHBOARD_PORT": port,
            "STREAMLIT_SERVER_BASE_URL_PATH": "dash",
        }
        with Process(folder, ["-m", "dashboard"], wait=False, **environ) as dashboard:
            until_answered(front, dashboard)
            yield front


def until_answered(front: Front, dashboard: Process) -> None:
    def answers() -> bool:
        assert dashboard.process.poll() is None, dashboard.said
        return front.proxy.client().get("/dash/_stcore/health").status_code == 200

    until(answers)


def stream(front: Front, origin: str) -> ClientConnection:
    """The socket over which Streamlit draws, which sends no pings of its own here."""
    given: dict[str, Any] = {
        "origin": origin,
        "ssl": front.proxy.tls,
        "proxy": None,
        "ping_interval": None,
        "open_timeout": 60,
    }
    opened: ClientConnection = connect(front.proxy.origin.replace("https", "wss") + STREAM, **given)
    return opened


def test_the_socket_is_a_socket(both: Front) -> None:
    """And no page with 200, for which the browser would wait for ever."""
    with stream(both, both.proxy.origin) as connection:
        assert connection.response is not None
        assert connection.response.status_code == 101


def test_a_page_from_elsewhere_opens_no_socket(both: Front) -> None:
    with pytest.raises(InvalidStatus) as refused:
        stream(both, "https://evil.example")

    assert refused.value.response.status_code == 403


def test_a_quiet_socket_stays_open(both: Front) -> None:
    with stream(both, both.proxy.origin) as connection:
        with pytest.raises(TimeoutError):
            connection.recv(timeout=QUIET + 10)
        connection.ping().wait(10)


def test_the_address_without_its_slash_leads_there(both: Front) -> None:
    http = both.proxy.client()

    sent_on = http.get("/dash")

    assert sent_on.status_code == 308
    assert http.get(sent_on.headers["Location"]).status_code == 200


def test_the_pages_say_what_a_browser_may_fetch_and_who_may_frame_them(both: Front) -> None:
    headers = both.proxy.client().get("/dash/").headers
    policy = dict(each.strip().split(" ", 1) for each in headers["Content-Security-Policy"].split(";"))

    assert policy["default-src"] == "'self'"
    assert policy["img-src"] == "'self' data: blob:"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "max-age" in headers["Strict-Transport-Security"]


def test_the_service_is_beside_it_as_before(both: Front) -> None:
    """Its headers, a socket, a long poll and an export."""
    http = both.client("agent")
    posted = http.post(POSTS, json={"text": "My parcel is late"})
    waited = http.get(f"{posted.headers['Location']}?wait=10")
    exported = http.get("/api/v1/insights/recent", headers={"Accept": "application/x-ndjson"})

    assert "Content-Security-Policy" not in waited.headers
    assert waited.json()["status"] == "completed"
    assert waited.json()["conversation_id"] in exported.text
    with both.socket() as connection:
        assert ping(connection) == PONG


def test_a_page_is_drawn_under_these_headers(both: Front) -> None:
    """With its charts, and without a request to anywhere else."""
    today, day = datetime.now(UTC), timedelta(days=1)
    texts = [
        {
            "text": f"My parcel {number} is late and nobody answers",
            "timestamp": f"{today - day * (number % 3 == 0)}",
        }
        for number in range(60)
    ]
    assert both.client("agent").post(f"{POSTS}/bulk", json=texts).status_code == 202
    assert both.service.drained(60, bearer(both.keys["viewer"]))
    said, asked = list[str](), set[str]()
    with sync_playwright() as playwright, launched(playwright) as browser:
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.add(httpx.URL(request.url).netloc.decode()))
        page.goto(f"{both.proxy.origin}/dash/", timeout=90_000)
        page.wait_for_selector(DRAWN, timeout=90_000)
        page.wait_for_selector(BAR, timeout=90_000)

    assert [each for each in said if "Content Security Policy" in each] == []
    assert asked - {""} == {both.proxy.origin.removeprefix("https://")}
