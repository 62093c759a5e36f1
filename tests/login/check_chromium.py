"""Log-in with a real browser at a real provider: its cookies over http, its headers, and pages of another port.

Part of `make test-login` where Chromium is installed (`apt-get install chromium`).
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from benchmarks.support.process import free_port
from benchmarks.support.serving import served
from tests.login.check_real_provider import CLIENT, provider
from tests.login.chromium import Tab, chromium
from tests.support.closed import closed, refusals

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="apt-get install chromium")
FILL = """
document.querySelector('[name=login]').value = 'ada';
document.querySelector('[name=password]').value = 'any';
document.querySelector('form').submit();
"""


async def page_of_another(scope: Scope, receive: Receive, send: Send) -> None:
    await HTMLResponse("<title>elsewhere</title>")(scope, receive, send)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page of another port of this machine: to browsers the same site, and another origin."""
    with served(page_of_another, grace=0) as server:
        yield server.url.replace("127.0.0.1", "localhost")


def fetching(url: str, method: str = "GET") -> str:
    mode = f"{{method: '{method}', credentials: 'include', mode: 'no-cors'}}"
    return f"fetch('{url}', {mode}).then(r => r.type === 'opaque' ? 'opaque' : r.status, e => String(e))"


def socket(url: str) -> str:
    where = url.replace("http", "ws", 1) + "/ws/chats/c1"
    ends = "s.onopen = () => end('open'); s.onerror = () => end('refused')"
    return f"new Promise(end => {{const s = new WebSocket('{where}'); {ends}}})"


async def log_in(tab: Tab, url: str) -> None:
    await tab.go(f"{url}/auth/login")
    await tab.run("document.querySelector('a').click()")
    await tab.at("/interaction/")
    first = await tab.run("location.href")
    await tab.run(FILL)
    await tab.wait_for(f"location.href !== {first!r} && location.href.includes('/interaction/')")
    await tab.run("document.querySelector('form').submit()")
    await tab.at(f"{url}/docs")


async def test_somebody_logs_in_and_no_other_page_uses_it(
    database_url: URL, tmp_path: Path, elsewhere: str
) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    with provider(free_port(), f"{url}/auth/callback/oidc") as issuer:
        given = {
            "port": port,
            "public_url": url,
            "oidc_issuer": issuer,
            "oidc_client_id": CLIENT["CLIENT_ID"],
            "oidc_client_secret": CLIENT["CLIENT_SECRET"],
            "admin_emails": "ada@example.com",
        }
        async with closed(database_url, **given), chromium(tmp_path / "profile") as tab:
            await log_in(tab, url)
            me = await tab.run("fetch('/auth/me').then(r => r.json())")
            assert (me["name"], me["means"]) == ("ada@example.com", "session")
            assert await tab.run("document.cookie") == ""
            assert await tab.run(fetching("/auth/ticket", "POST")) == 200
            assert await tab.run(socket(url)) == "open"

            await tab.go(elsewhere)
            # The cookie goes along from the same site; the answer is not shown, and a change is refused.
            assert await tab.run(fetching(f"{url}/auth/logout", "POST")) == "opaque"
            assert await tab.run(socket(url)) == "refused"
            assert await refusals(database_url) == ["page from elsewhere"] * 2

            await tab.go(f"{url}/docs")
            assert await tab.run("fetch('/auth/me').then(r => r.status)") == 200
            assert await tab.run(fetching("/auth/logout", "POST")) == 204
            assert await tab.run("fetch('/auth/me').then(r => r.status)") == 401
            assert await refusals(database_url, "logout") == ["ok"]
