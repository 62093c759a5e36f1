"""Sessions: how long they last, how they end, and which pages may use them for a change."""

import asyncio
from typing import Any, cast

import httpx
import pytest
from sqlalchemy.engine import URL
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from benchmarks.support.waiting import eventually
from core import clock
from core.clock import SECOND
from domain.roles import Role
from tests.fake_provider.oidc import ADA, FakeProvider
from tests.support.browser import Browser
from tests.support.closed import holding, key_in, refusals, tell_all
from tests.support.logging_in import log_in, logging_in
from tests.support.service import Service, rows

MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
POST = "/auth/ticket"
"""A change that leaves little behind."""


async def status(browser: Browser, service: Service, **headers: str) -> int:
    return (await browser.get(f"{service.url}/auth/me", headers)).status_code


async def changed(browser: Browser, service: Service, headers: dict[str, str]) -> int:
    return (await browser.send("POST", f"{service.url}{POST}", headers)).status_code


class Time:
    """A clock that goes on, and can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return clock.now() + self.ahead

    async def pass_by(self, microseconds: int, http: httpx.AsyncClient) -> None:
        """Put it forward, and wait until the directory has read again: it does not trust what is old."""
        self.ahead += microseconds
        await eventually(lambda: is_let_in(http))


async def is_let_in(http: httpx.AsyncClient) -> bool:
    return (await http.get("/auth/me")).status_code == 200


# --- its end --------------------------------------------------------------------------------------------------


async def test_it_ends_after_half_an_hour_without_use_and_after_twelve_hours(
    database_url: URL, provider: FakeProvider
) -> None:
    time, key = Time(), await key_in(database_url, Role.VIEWER)
    async with logging_in(database_url, provider, clock=time) as service, holding(service, key) as http:
        idle, busy = Browser(), Browser()
        await log_in(idle, service)
        await log_in(busy, service)
        for _ in range(2):
            await time.pass_by(25 * MINUTE, http)
            assert await status(busy, service) == 200
        assert await status(idle, service) == 401

        # As if it had been used for eleven hours and a half.
        await rows(
            database_url, "UPDATE sessions SET created_at = created_at - :ago", ago=HOUR * 11 + 5 * MINUTE
        )
        await tell_all(database_url)
        await time.pass_by(4 * MINUTE, http)
        assert await status(busy, service) == 200
        await time.pass_by(2 * MINUTE, http)
        assert await status(busy, service) == 401
        # The browser was told to forget it.
        assert busy.cookie("__Host-session") is None


async def test_use_is_noted_seldom(database_url: URL, provider: FakeProvider) -> None:
    async def ends() -> int:
        [row] = await rows(database_url, "SELECT expires_at FROM sessions")
        return int(row.expires_at)

    time, key = Time(), await key_in(database_url, Role.VIEWER)
    async with logging_in(database_url, provider, clock=time) as service, holding(service, key) as http:
        browser = Browser()
        await log_in(browser, service)
        first = await ends()
        await time.pass_by(4 * MINUTE, http)
        assert await status(browser, service) == 200
        assert await ends() == first
        await time.pass_by(2 * MINUTE, http)
        assert await status(browser, service) == 200
        assert await ends() > first


async def test_a_session_that_has_ended_is_no_guess(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        for _ in range(15):
            assert await status(browser, service, Cookie=f"__Host-session={'0' * 64}") == 401
        await log_in(browser, service)

        assert await refusals(database_url) == ["unknown or ended session"]


async def test_log_out_ends_it_on_the_server(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await log_in(browser, service)
        kept = browser.cookie("__Host-session")
        assert await status(browser, service) == 200
        answer = await browser.send("POST", f"{service.url}/auth/logout", {"Sec-Fetch-Site": "same-origin"})

        assert answer.status_code == 204
        assert browser.cookie("__Host-session") is None
        assert await status(browser, service, Cookie=f"__Host-session={kept}") == 401
        assert await rows(database_url, "SELECT digest FROM sessions") == []
        assert await refusals(database_url, "logout") == ["ok"]


async def test_only_a_session_can_be_logged_out(database_url: URL, provider: FakeProvider) -> None:
    key = await key_in(database_url, Role.ADMIN)
    async with logging_in(database_url, provider) as service, holding(service, key) as http:
        assert (await http.post("/auth/logout")).status_code == 404


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_another_process_hears_of_a_log_out_within_a_second(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider) as one, logging_in(database_url, provider) as other:
        browser = Browser()
        await log_in(browser, one)
        kept = str(browser.cookie("__Host-session"))
        assert await status(browser, other) == 200
        began = asyncio.get_running_loop().time()
        await browser.send("POST", f"{one.url}/auth/logout", {"Sec-Fetch-Site": "same-origin"})

        async def is_out() -> bool:
            return await status(Browser(), other, Cookie=f"__Host-session={kept}") == 401

        await eventually(is_out)
        # A quarter of a second on a machine with nothing else to do.
        assert asyncio.get_running_loop().time() - began < 10


# --- accounts -------------------------------------------------------------------------------------------------


async def only_account(http: httpx.AsyncClient) -> dict[str, Any]:
    [found] = (await http.get("/api/v1/accounts")).json()["accounts"]
    account: dict[str, Any] = found
    return account


async def test_an_admin_gives_a_role_that_lasts(database_url: URL, provider: FakeProvider) -> None:
    key = await key_in(database_url, Role.ADMIN)
    async with (
        logging_in(database_url, provider, allowed_domains="example.com") as service,
        holding(service, key) as http,
    ):
        browser = Browser()
        await log_in(browser, service)
        account = await only_account(http)
        assert (account["provider"], account["role"], account["role_by"]) == ("oidc", "viewer", None)

        answer = await http.patch(f"/api/v1/accounts/{account['id']}", json={"role": "agent"})
        assert (answer.status_code, answer.json()["role_by"]) == (200, f"key:{key.id}")
        assert (await browser.get(f"{service.url}/auth/me")).json()["role"] == "agent"
        await log_in(browser, service)
        assert (await only_account(http))["role"] == "agent"
        assert await refusals(database_url, "role.change") == ["viewer to agent"]

        assert (await http.patch("/api/v1/accounts/none", json={"role": "agent"})).status_code == 404
        bad = await http.patch(f"/api/v1/accounts/{account['id']}", json={"role": "owner"})
        assert (bad.status_code, bad.json()["error"]) == (400, "invalid_schema")
        assert (await browser.get(f"{service.url}/api/v1/accounts")).status_code == 403


async def test_without_an_admins_word_a_role_follows_the_settings(
    database_url: URL, provider: FakeProvider
) -> None:
    for given, role in (
        ({"admin_emails": ADA["email"]}, "admin"),
        ({"allowed_domains": "example.com"}, "viewer"),
    ):
        async with logging_in(database_url, provider, **cast(dict[str, Any], given)) as service:
            browser = Browser()
            await log_in(browser, service)
            assert (await browser.get(f"{service.url}/auth/me")).json()["role"] == role


async def test_whoever_is_taken_out_is_out_at_once(database_url: URL, provider: FakeProvider) -> None:
    key = await key_in(database_url, Role.ADMIN)
    async with logging_in(database_url, provider) as service, holding(service, key) as http:
        browser = Browser()
        await log_in(browser, service)
        own = {"Sec-Fetch-Site": "same-origin"}
        token = (await browser.send("POST", f"{service.url}/auth/token", own)).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await service.http.get("/auth/me", headers=bearer)).json()["means"] == "token"
        account = await only_account(http)
        assert (await http.delete(f"/api/v1/accounts/{account['id']}")).status_code == 204

        assert await status(browser, service) == 401
        assert (await service.http.get("/auth/me", headers=bearer)).status_code == 401
        assert (await http.delete(f"/api/v1/accounts/{account['id']}")).status_code == 404
        assert await refusals(database_url, "account.delete") == ["ok"]


# --- whose pages ----------------------------------------------------------------------------------------------


PAGES = (
    ("same-origin", None, 200),
    ("same-origin", "null", 200),
    ("same-site", "own", 403),
    ("cross-site", "own", 403),
    ("none", None, 403),
    (None, "own", 200),
    (None, "public", 200),
    (None, "http://127.0.0.1:1", 403),
    (None, "https://evil.example", 403),
    (None, "null", 403),
    (None, "nonsense", 403),
    (None, None, 403),
)
"""`Sec-Fetch-Site` and `Origin` of a change, and how it is answered."""


async def test_a_change_comes_from_an_own_page(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await log_in(browser, service)
        named = {"own": service.url, "public": service.url.upper()}
        found = []
        for site, origin, _ in PAGES:
            headers = {"Sec-Fetch-Site": site, "Origin": named.get(origin or "", origin)}
            given = {name: value for name, value in headers.items() if value}
            found.append((site, origin, await changed(browser, service, given)))

        assert tuple(found) == PAGES
        assert await refusals(database_url) == ["page from elsewhere"] * 8
        # Reading is no change: the browser shows a page from elsewhere nothing of the answer.
        assert await status(browser, service, **{"Sec-Fetch-Site": "cross-site"}) == 200


async def test_a_proxy_may_write_its_own_host(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await log_in(browser, service)
        behind = {"Host": "internal:8000", "Origin": service.url}

        assert await changed(browser, service, behind) == 200
        assert await changed(browser, service, {**behind, "Origin": "http://internal.example"}) == 403


async def test_a_key_needs_no_page(database_url: URL, provider: FakeProvider) -> None:
    key = await key_in(database_url, Role.VIEWER)
    async with logging_in(database_url, provider) as service, holding(service, key) as http:
        browser = Browser()
        await log_in(browser, service)
        sent = {
            "Cookie": f"__Host-session={browser.cookie('__Host-session')}",
            "Sec-Fetch-Site": "cross-site",
        }

        assert (await http.post(POST, headers=sent)).status_code == 200


async def test_a_bad_token_beside_a_session_does_not_end_it(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await log_in(browser, service)

        assert await status(browser, service, Authorization="Bearer nonsense") == 401
        assert await status(browser, service) == 200


@pytest.mark.parametrize(("origin", "expected"), [("own", 101), ("http://127.0.0.1:1", 403), (None, 403)])
async def test_a_socket_with_a_session_is_opened_by_an_own_page(
    database_url: URL, provider: FakeProvider, origin: str | None, expected: int
) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await log_in(browser, service)
        where = f"{service.url.replace('http', 'ws', 1)}/ws/chats/c1"
        named = service.url if origin == "own" else origin
        cookie = {"Cookie": f"__Host-session={browser.cookie('__Host-session')}"}
        try:
            async with connect(
                where, proxy=None, additional_headers=cookie, origin=cast(Origin | None, named)
            ):
                found = 101
        except InvalidStatus as refused:
            found = refused.response.status_code

        assert found == expected


async def test_cookies_of_other_services_on_this_host_hide_nothing(
    database_url: URL, provider: FakeProvider
) -> None:
    """Cookies know no port: whatever runs on localhost adds its own, in any form."""
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await log_in(browser, service)
        own = f"__Host-session={browser.cookie('__Host-session')}"
        for others in (
            'a={"b": [1, 2]}; ',
            "theme=dark mode; ",
            "=; ;; x; ",
            "a[0]=b@c, d; ",
            'q="unclosed; ',
        ):
            assert await status(browser, service, Cookie=f"{others}{own}") == 200
            assert await status(browser, service, Cookie=f"{own}; {others.strip()}") == 200


async def test_a_change_anywhere_makes_every_session_be_looked_up_again(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await log_in(browser, service)
        assert await status(browser, service) == 200
        await rows(database_url, "DELETE FROM sessions")
        # Still remembered, until something is said to have changed.
        assert await status(browser, service) == 200
        await tell_all(database_url)

        async def is_out() -> bool:
            return await status(browser, service) == 401

        await eventually(is_out)
