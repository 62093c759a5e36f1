"""The dashboard as its users have it: a process on a port, and a Chromium that opens it."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, ViewportSize

from benchmarks.support.process import Process as Started
from benchmarks.support.process import free_port
from tests.dashboard.browser import axe, program

ROOT = Path(__file__).parents[2]
SCREENSHOTS = Path(__file__).parent / "screenshots"
SECONDS = 60.0
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
LOOKS = {
    "light-wide": ("light", WIDE),
    "dark-phone": ("dark", PHONE),
    "dark-wide": ("dark", WIDE),
    "light-phone": ("light", PHONE),
}
IS_DONE = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
UNFADED = "[data-stale=true], [data-stale=true] * { opacity: 1 !important; transition: none !important; }"
SERIOUS = {"serious", "critical"}


@contextmanager
def dashboard(service: str, folder: Path, **environ: str) -> Iterator[str]:
    """A dashboard of a service, as `make dashboard` starts it; gives its address. Ctrl-C ends it without a word."""
    port = free_port()
    given = {"API_URL": service, "DASHBOARD_PORT": str(port), "PYTHONPATH": str(ROOT), **environ}
    with Started(folder, ["-m", "dashboard"], wait=False, **given) as started:
        _until_up(f"http://127.0.0.1:{port}", started)
        yield f"http://127.0.0.1:{port}"
        started.end(signal.SIGINT)
        assert (started.process.returncode, "Traceback" in started.said) == (0, False), started.said


def _until_up(url: str, started: Started) -> None:
    def answers() -> bool:
        assert started.process.poll() is None, started.said
        try:
            return httpx.get(f"{url}/_stcore/health", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    until(answers)


def until(holds: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait for a condition. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)


def launched(playwright: Playwright) -> Browser:
    """A Chromium. Raises NoBrowser where there is none."""
    path, environ = program()
    around: dict[str, str | float | bool] = {**os.environ, **environ}
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], env=around)


@dataclass
class Visit:
    """A browser's window on the dashboard. `outside` are the requests that went to anywhere else."""

    page: Page
    url: str
    outside: list[str] = field(default_factory=list)

    def open(self, path: str = "", address: Mapping[str, str] | None = None) -> None:
        """Go to a page, and wait until it is drawn."""
        self.page.goto(f"{self.url}/{path}{'?' + urlencode(address) if address else ''}")
        self.settled()

    def settled(self) -> None:
        """Wait until nothing is being drawn."""
        self.page.wait_for_function(IS_DONE, timeout=SECONDS * 1000)

    def at(self, path: str) -> None:
        """Wait until the address has this path, and the page is drawn."""
        self.page.wait_for_url(lambda url: urlsplit(url).path.strip("/") == path, timeout=SECONDS * 1000)
        self.settled()

    def back(self) -> None:
        """The browser's button. What is drawn then takes a while to come: wait for it."""
        before = self.page.url
        self.page.go_back()
        until(lambda: self.page.url != before)

    @property
    def parameters(self) -> dict[str, str]:
        """What the address says."""
        return dict(parse_qsl(urlsplit(self.page.url).query))

    def heading(self, text: str) -> None:
        """Wait for a page's title."""
        self.page.get_by_role("heading", name=text, exact=True, level=1).wait_for(timeout=SECONDS * 1000)

    def cells(self, table: int = 0) -> list[list[str]]:
        """The visible rows of a table, without the boxes before them."""
        grid = self.page.locator("[role=grid]").nth(table)
        grid.wait_for(state="attached")
        until(lambda: grid.locator("[role=gridcell]").count() > 0)
        rows = [row.locator("[role=gridcell]").all_inner_texts() for row in grid.locator("[role=row]").all()]
        return [cells for cells in rows if cells]

    def choose(self, row: int, table: int = 0) -> None:
        """Click the box before a row of a table, counted from 0: its grid is a canvas with rows of 35 pixels."""
        canvas = self.page.locator("[data-testid=stDataFrame]").nth(table)
        canvas.scroll_into_view_if_needed()
        canvas.click(position={"x": 15, "y": 35 * (row + 1) + 17})

    def complaints(self) -> list[str]:
        """What axe-core finds serious."""
        # What is due again is faded while it is asked for. On a busy machine that was so at every look.
        self.page.add_style_tag(content=UNFADED)
        self.page.evaluate(axe())
        found: dict[str, Any] = self.page.evaluate("() => axe.run()")
        return [
            f"{each['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
            for each in found["violations"]
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]

    def drawn(self, full: str | re.Pattern[str]) -> None:
        """Wait until this stands on the page, and nothing on it is still being loaded."""
        self.page.get_by_text(full).first.wait_for()
        self.settled()
        until(lambda: self.page.locator("[data-testid=stSkeleton]").count() == 0)

    def keep(self, name: str) -> None:
        """Keep a picture of the whole page, to be looked at: as high as what scrolls in it."""
        size = self.page.viewport_size or WIDE
        height = self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        self.page.set_viewport_size(ViewportSize(width=size["width"], height=height))
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{re.sub(r'[^a-z0-9-]+', '-', name.lower())}.png")
        self.page.set_viewport_size(size)


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """A window of a browser with an empty cache and no cookies."""
    context: BrowserContext = browser.new_context(**{"viewport": WIDE, **options})
    context.set_default_timeout(SECONDS * 1000)
    visit = Visit(context.new_page(), url)

    def note(request: Request) -> None:
        if not request.url.startswith((url, url.replace("http", "ws", 1), "data:", "blob:")):
            visit.outside.append(request.url)

    context.on("request", note)
    try:
        yield visit
    finally:
        context.close()
