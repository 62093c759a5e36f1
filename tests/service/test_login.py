"""Log-in as people meet it: in, refused in words, and begun again, at a provider with OpenID Connect and at GitHub."""

from typing import Any

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import free_port
from core import clock, logs
from domain.admission import Identity
from services.access.providers.configured import google
from services.access.providers.contract import Challenge, Returned
from services.access.providers.web import ProviderWeb, provider_client
from tests.fake_provider.github import FakeGitHub
from tests.fake_provider.oidc import ADA, CLIENT_ID, CLIENT_SECRET, FakeProvider
from tests.support.browser import Browser
from tests.support.closed import refusals, sha256
from tests.support.logging_in import call_back, log_in, logging_in
from tests.support.service import Service, rows

NEW = "SELECT provider, subject, email, role FROM accounts ORDER BY created_at"
OUTSIDE = {"Sec-Fetch-Dest": "image"}


async def me(browser: Browser, service: Service) -> dict[str, str]:
    answer = await browser.get(f"{service.url}/auth/me")
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


async def test_somebody_logs_in(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await log_in(browser, service)
        found = await me(browser, service)

        assert (found["name"], found["role"], found["means"]) == ("ada@example.com", "admin", "session")
        [account] = await rows(database_url, NEW)
        assert account.provider.startswith("oidc:")
        assert tuple(account[1:]) == ("1", "ada@example.com", "admin")
        [session] = await rows(database_url, "SELECT digest FROM sessions")
        assert bytes(session.digest) == sha256(browser.cookie("__Host-session") or "")
        assert await rows(database_url, "SELECT state FROM pending_logins") == []
        assert await refusals(database_url, "login") == ["ok"]


async def test_where_the_browser_is_sent(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        answer = await browser.get(f"{service.url}/auth/login/oidc")
        asked = dict(httpx.URL(answer.headers["location"]).params)

        assert answer.status_code == 303
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == (
            "no-store",
            "no-referrer",
        )
        assert (asked["response_type"], asked["scope"]) == ("code", "openid email")
        assert asked["code_challenge_method"] == "S256"
        assert asked["redirect_uri"] == f"{service.url}/auth/callback/oidc"
        # Neither what proves the browser nor what proves the service is told to anybody.
        [pending] = await rows(database_url, "SELECT state, browser, nonce, verifier FROM pending_logins")
        assert bytes(pending.state) == sha256(asked["state"])
        assert bytes(pending.browser) == sha256(browser.cookie("__Host-login") or "")
        assert pending.verifier not in answer.headers["location"]


async def test_two_tabs_log_in_at_once(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        first, second = await call_back(browser, service), await call_back(browser, service)

        assert (await browser.get(first)).status_code == 303
        one = browser.cookie("__Host-session")
        assert (await browser.get(second)).status_code == 303
        assert browser.cookie("__Host-session") != one
        # The browser's first session has ended: nobody could end it any more.
        assert len(await rows(database_url, "SELECT digest FROM sessions")) == 1


async def test_an_account_is_known_by_its_subject_and_not_by_its_e_mail(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider, allowed_domains="example.com") as service:
        await log_in(Browser(), service)
        provider.person = {**ADA, "email": "ada.king@example.com"}
        await log_in(Browser(), service)
        provider.person = {**ADA, "sub": "2"}
        await log_in(Browser(), service)

        found = [(row.subject, row.email) for row in await rows(database_url, NEW)]
        assert found == [("1", "ada.king@example.com"), ("2", "ada@example.com")]


@pytest.mark.parametrize(
    ("given", "email", "role"),
    [
        ({"admin_emails": "ADA@Example.com, b@x.org"}, "ada@example.COM", "admin"),
        ({"allowed_emails": "ada@example.com"}, "ada@example.com", "viewer"),
        ({"allowed_domains": "EXAMPLE.com"}, "who@example.com", "viewer"),
        ({"allowed_domains": "example.com", "admin_emails": "ada@example.com"}, "ada@example.com", "admin"),
        ({"allowed_domains": "example.com"}, "ada@sub.example.com", None),
        ({"allowed_domains": "example.com"}, "ada@example.com.evil.org", None),
        ({"allowed_emails": "bob@example.com"}, "ada@example.com", None),
    ],
)
async def test_the_lists_say_who_may_come_in(
    database_url: URL, provider: FakeProvider, given: dict[str, Any], email: str, role: str | None
) -> None:
    provider.person = {**ADA, "email": email}
    async with logging_in(database_url, provider, **given) as service:
        browser = Browser()
        if role is not None:
            await log_in(browser, service)
            assert (await me(browser, service))["role"] == role
            return
        answer = await browser.get(await call_back(browser, service))
        assert answer.status_code == 403
        assert f"{email} may not come in: ask whoever runs this service" in answer.text
        assert "bob@example.com" not in answer.text
        assert await rows(database_url, NEW) == []
        assert await refusals(database_url, "login") == [f"not admitted, of {email.partition('@')[2]}"]


async def test_the_page_of_a_refusal_holds_nothing_that_runs(
    database_url: URL, provider: FakeProvider
) -> None:
    provider.person = {**ADA, "email": "<img src=x onerror=alert(1)>@example.org"}
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        answer = await browser.get(await call_back(browser, service))

        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        assert "<img" not in answer.text
        assert "&lt;img" in answer.text
        assert "<script" not in answer.text


async def test_a_program_gets_json(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        answer = await service.http.get("/auth/callback/oidc?state=x&code=y")
        unknown = await service.http.get("/auth/login/google")

        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
        assert (unknown.status_code, unknown.json()["error"]) == (404, "not_found")


async def test_a_page_lists_the_providers(database_url: URL, provider: FakeProvider, hub: FakeGitHub) -> None:
    async with logging_in(database_url, provider, hub) as service:
        shown = (await Browser().get(f"{service.url}/auth/login")).text

        assert f'href="{service.url}/auth/login/oidc">Log in with 127.0.0.1' in shown
        assert f'href="{service.url}/auth/login/github">Log in with GitHub' in shown


async def test_a_browser_at_another_name_is_sent_to_the_public_one(
    database_url: URL, provider: FakeProvider
) -> None:
    """Its cookies would not come along when the provider sends it back."""
    async with logging_in(database_url, provider) as service:
        browser, elsewhere = Browser(), service.url.replace("127.0.0.1", "localhost")
        moved = await browser.led(f"{elsewhere}/auth/login/oidc")

        assert moved.startswith(f"{service.url}/auth/login/oidc?")
        assert (await browser.led(moved)).startswith(provider.url)
        # A proxy that writes its own Host must not send anybody in circles.
        assert (await browser.led(f"{elsewhere}/auth/login/oidc?moved=1")).startswith(provider.url)


# --- the provider ---------------------------------------------------------------------------------------------


async def test_a_provider_without_e_mail_in_its_token_is_asked_for_it(
    database_url: URL, provider: FakeProvider
) -> None:
    provider.behave(email_in_token=False, userinfo=lambda found: {**found, "email_verified": "true"})
    async with logging_in(database_url, provider) as service:
        await log_in(Browser(), service)

        assert provider.asked[-1] == "/me"


@pytest.mark.parametrize(
    "methods", [None, ("client_secret_post",), ("client_secret_post", "client_secret_basic")]
)
async def test_the_secret_goes_where_the_provider_takes_it(
    database_url: URL, provider: FakeProvider, methods: tuple[str, ...] | None
) -> None:
    provider.behave(auth_methods=methods)
    async with logging_in(database_url, provider) as service:
        await log_in(Browser(), service)


async def test_a_new_signing_key_is_fetched_and_an_old_one_is_not(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider) as service:
        for _ in range(2):
            await log_in(Browser(), service)
        assert provider.asked.count("/jwks") == 1
        assert provider.asked.count("/.well-known/openid-configuration") == 1
        provider.take_new_key()
        await log_in(Browser(), service)

        assert provider.asked.count("/jwks") == 2


async def test_google_may_sign_under_its_bare_name(provider: FakeProvider) -> None:
    bare = provider.url.partition("://")[2]
    provider.behave(claims=lambda claims: {**claims, "iss": bare, "hd": "corp.example"})
    challenge = Challenge("n" * 64, "v" * 64, "http://127.0.0.1:1/auth/callback/google")
    provider.redirect_uris.add(challenge.redirect_uri)
    async with provider_client() as http:
        found = google(CLIENT_ID, CLIENT_SECRET, ProviderWeb(http), clock.now, provider.url)
        back = httpx.URL(await Browser().led(await found.address("s" * 64, challenge))).params
        person = await found.identity(Returned(back["code"], back["iss"]), challenge)

    assert person == Identity("google", "1", "ada@example.com", "corp.example")


async def test_several_audiences_need_a_party_that_is_us(database_url: URL, provider: FakeProvider) -> None:
    provider.behave(claims=lambda claims: {**claims, "aud": [claims["aud"], "another"], "azp": claims["aud"]})
    async with logging_in(database_url, provider) as service:
        await log_in(Browser(), service)
        provider.behave(claims=lambda claims: {**claims, "aud": [claims["aud"], "another"]})
        browser = Browser()

        assert (await browser.get(await call_back(browser, service))).status_code == 403
        assert await refusals(database_url, "login") == ["ok", "ID token for another audience"]


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"status": {"/token": 500}}, "provider answers 500"),
    ({"status": {"/token": 503}, "body": {"/token": b"<html>"}}, "provider answers 503"),
    ({"body": {"/token": b"<html>"}}, "provider answers no JSON"),
    ({"body": {"/token": b"[]"}}, "provider answers no JSON object"),
    ({"body": {"/token": b"[" * 100_000}}, "provider answers no JSON"),
    ({"body": {"/token": b'"' + b"x" * 2_000_000 + b'"'}}, "provider answers too much"),
    ({"body": {"/token": b"\xff"}}, "provider answers no JSON"),
    (
        {"body": {"/jwks": b'{"keys": [1, {"kty": "RSA"}, {"kty": "oct", "k": 1}]}'}},
        "provider shows no signing keys",
    ),
]


async def test_a_provider_that_fails_is_told_in_words_and_is_nobodys_guess(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider) as service:
        for conduct, reason in BROKEN:
            browser = Browser()
            provider.behave(**conduct)
            answer = await browser.get(await call_back(browser, service))

            assert (answer.status_code, answer.headers["retry-after"]) == (503, "60"), reason
            assert "The provider does not answer as it should" in answer.text
        assert await refusals(database_url, "login") == [reason for _, reason in BROKEN]


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://127.0.0.1:1/"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"authorization_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
    ],
)
async def test_discovery_is_looked_at(
    database_url: URL, provider: FakeProvider, changed: dict[str, object]
) -> None:
    provider.behave(discovery=lambda found: {**found, **changed})
    async with logging_in(database_url, provider) as service:
        answer = await Browser().get(f"{service.url}/auth/login/oidc")
        assert answer.status_code == 503
        assert "Begin again" in answer.text
        provider.behave()

        await log_in(Browser(), service)


async def test_behind_a_prefix_everything_has_it(database_url: URL, provider: FakeProvider) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/insights"
    provider.redirect_uris.add(f"{url}/auth/callback/oidc")
    async with logging_in(database_url, provider, port=port, public_url=url, root_path="/insights"):
        browser = Browser()
        back = await browser.led(await browser.led(f"{url}/auth/login/oidc"))

        assert await browser.led(back) == f"{url}/"
        assert (await browser.get(f"{url}/auth/me")).status_code == 200
        assert f'href="{url}/auth/login/oidc"' in (await browser.get(f"{url}/auth/login")).text


async def test_a_provider_that_is_down_is_a_page(database_url: URL) -> None:
    gone = FakeProvider()
    gone.url = "http://127.0.0.1:9"
    async with logging_in(database_url, gone) as service:
        answer = await Browser().get(f"{service.url}/auth/login/oidc")

        assert answer.status_code == 503
        assert "Begin again" in answer.text
        [line] = [each for each in service.logged.events() if each["event"] == "login_unavailable"]
        assert line["reason"] == "provider does not answer: ConnectError"


async def test_whoever_says_no_at_the_provider_may_say_yes_after(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        provider.behave(error="access_denied")
        for _ in range(12):
            assert (await browser.get(await call_back(browser, service))).status_code == 403
        provider.behave()
        await log_in(browser, service)

        assert await refusals(database_url, "login") == ["provider says access_denied"] * 12 + ["ok"]


async def test_no_level_logs_what_would_let_somebody_in(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        logs.configure("DEBUG", service.logged.stream)
        browser = Browser()
        begun = await browser.led(f"{service.url}/auth/login/oidc")
        back = await browser.led(begun)
        [pending] = await rows(database_url, "SELECT verifier, nonce FROM pending_logins")
        await browser.led(back)
        token = (await browser.send("POST", f"{service.url}/auth/token", {"Origin": service.url})).json()
        secrets = [
            pending.verifier,
            pending.nonce,
            *(httpx.URL(back).params[name] for name in ("code", "state")),
            *(browser.cookie(name) for name in ("__Host-login", "__Host-session")),
            token["access_token"],
            "token-",
            CLIENT_SECRET,
        ]

        assert "login" in str(service.logged)
        assert [each for each in secrets if str(each) in str(service.logged)] == []


# --- limits ---------------------------------------------------------------------------------------------------


async def test_ten_failures_in_a_quarter_of_an_hour_are_enough(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        ready = await call_back(browser, service)
        answers = [await browser.get(f"{service.url}/auth/callback/oidc?state={n}&code=x") for n in range(12)]

        assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) > 800
        assert (await browser.get(ready)).status_code == 429
        assert (await browser.get(f"{service.url}/auth/login/oidc")).status_code == 429
        assert await refusals(database_url, "login") == ["unknown or used state"] * 10


async def test_nothing_that_another_page_shows_counts_as_a_failure(
    database_url: URL, provider: FakeProvider
) -> None:
    """Or any page could keep its visitors from logging in here, with a dozen images."""
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        for n in range(12):
            answer = await browser.get(f"{service.url}/auth/callback/oidc?state={n}&code=x", OUTSIDE)
            assert answer.status_code == 403
            leads = await browser.get(f"{service.url}/auth/callback/oidc?error=access_denied&state={n}")
            assert leads.status_code == 403
        await log_in(browser, service)

        assert await refusals(database_url, "login") == ["ok"]


async def test_log_ins_that_are_begun_are_bounded_for_a_client(
    database_url: URL, provider: FakeProvider
) -> None:
    async with logging_in(database_url, provider) as service:
        seen = [(await service.http.get("/auth/login/oidc")).status_code for _ in range(62)]

        assert seen == [303] * 60 + [429] * 2
        assert len(await rows(database_url, "SELECT state FROM pending_logins")) == 60


STRANGE = ("", "?code=x", "?state=a&state=b", "?state=%00&code=%00", "?iss=%ff", "?error=%0a%0d")


async def test_whatever_comes_back_is_answered(database_url: URL, provider: FakeProvider) -> None:
    async with logging_in(database_url, provider) as service:
        browser = Browser()
        await call_back(browser, service)
        found = {each: await browser.get(f"{service.url}/auth/callback/oidc{each}") for each in STRANGE}

        assert {each: answer.status_code for each, answer in found.items()} == {
            **dict.fromkeys(STRANGE, 403),
            "?state=a&state=b": 400,
        }


# --- GitHub ---------------------------------------------------------------------------------------------------


async def test_somebody_logs_in_at_github(database_url: URL, provider: FakeProvider, hub: FakeGitHub) -> None:
    async with logging_in(database_url, provider, hub) as service:
        browser = Browser()
        await log_in(browser, service, "github")
        hub.person = {**hub.person, "login": "another-name"}
        await log_in(browser, service, "github")
        await log_in(Browser(), service)

        found = [tuple(row) for row in await rows(database_url, NEW)]
        assert found[0] == ("github", "583231", "ada@example.com", "admin")
        # The same address at another provider is another account.
        assert len(found) == 2


UNVERIFIED: tuple[Any, ...] = (
    [{"email": "ada@example.com", "primary": True, "verified": False}],
    [{"email": "ada@example.com", "primary": False, "verified": True}],
    [
        {"email": "ada@example.com", "primary": True, "verified": False},
        {"email": "ada@example.com", "primary": False, "verified": True},
    ],
    [{"email": "ada@example.com", "primary": True, "verified": "true"}],
    [],
    {},
    [None],
)


async def test_githubs_address_is_primary_and_verified(
    database_url: URL, provider: FakeProvider, hub: FakeGitHub
) -> None:
    async with logging_in(database_url, provider, hub) as service:
        for hub.emails in UNVERIFIED:
            browser = Browser()
            answer = await browser.get(await call_back(browser, service, "github"))

            assert answer.status_code == 403, hub.emails
        assert await refusals(database_url, "login") == ["unverified e-mail"] * len(UNVERIFIED)


async def test_what_github_refuses_is_told_in_words(
    database_url: URL, provider: FakeProvider, hub: FakeGitHub
) -> None:
    async with logging_in(database_url, provider, hub) as service:
        browser = Browser()
        address = httpx.URL(await call_back(browser, service, "github"))
        wrong = await browser.get(str(address.copy_set_param("code", "x")))
        hub.may_read_emails = False
        hidden = await browser.get(await call_back(browser, service, "github"))
        hub.may_read_emails, hub.person = True, {"id": True}
        strange = await browser.get(await call_back(browser, service, "github"))

        assert [each.status_code for each in (wrong, hidden, strange)] == [403, 403, 503]
        assert await refusals(database_url, "login") == [
            "provider refused the code: bad_verification_code",
            "provider answers 403 at /api/v3/user/emails",
            "GitHub gives no id of the person",
        ]


# --- two processes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_log_in_may_end_in_another_process(database_url: URL, provider: FakeProvider) -> None:
    async with (
        logging_in(database_url, provider) as one,
        logging_in(database_url, provider, public_url=one.url) as other,
    ):
        browser = Browser()
        address = await call_back(browser, one)
        assert await browser.led(address.replace(one.url, other.url)) == f"{one.url}/"

        # It may not have heard of the account yet.
        assert (await me(browser, one))["role"] == "admin"
        assert (await browser.get(address)).status_code == 403
