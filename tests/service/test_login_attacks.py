"""Every known way to cheat at a log-in: refused, with its own reason in the audit log and none in the answer."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx
from sqlalchemy.engine import URL

from tests.fake_provider.oidc import ADA, FakeProvider
from tests.support.browser import Browser
from tests.support.logging_in import call_back, log_in, logging_in
from tests.support.service import Service, rows

Json = dict[str, Any]
LOGGED = "SELECT outcome FROM audit_entries WHERE action = 'login' AND client = :client ORDER BY number"
GENERIC = "The log-in did not succeed."


class Scene(NamedTuple):
    """What an attack has to do with."""

    service: Service
    provider: FakeProvider
    browser: Browser
    database: URL


Attack = Callable[[Scene], Awaitable[httpx.Response]]


def with_claims(**changed: object) -> Attack:
    """An ID token with other claims, correctly signed. A number is seconds from now; None takes the claim out."""

    def become(claims: Json) -> Json:
        now = int(time.time())
        new = {name: now + value if isinstance(value, int) else value for name, value in changed.items()}
        return {name: value for name, value in {**claims, **new}.items() if value is not None}

    return conducting(claims=become)


def conducting(**changed: Any) -> Attack:
    """A provider that behaves otherwise."""

    async def attack(scene: Scene) -> httpx.Response:
        scene.provider.behave(**changed)
        return await scene.browser.get(await call_back(scene.browser, scene.service))

    return attack


def tampering(change: Callable[[httpx.URL], httpx.URL]) -> Attack:
    """A call-back whose address was changed on its way."""

    async def attack(scene: Scene) -> httpx.Response:
        address = httpx.URL(await call_back(scene.browser, scene.service))
        return await scene.browser.get(str(change(address)))

    return attack


def other_person(person: Json) -> Attack:
    async def attack(scene: Scene) -> httpx.Response:
        scene.provider.person = {**scene.provider.person, **person}
        return await scene.browser.get(await call_back(scene.browser, scene.service))

    return attack


async def code_twice(scene: Scene) -> httpx.Response:
    """A code that was used, in a log-in that was begun for it."""
    used = httpx.URL(await call_back(scene.browser, scene.service)).params["code"]
    await log_in(scene.browser, scene.service)
    code = httpx.URL(await used_up(scene)).params["code"]
    address = httpx.URL(await call_back(scene.browser, scene.service))
    assert used != code
    return await scene.browser.get(str(address.copy_set_param("code", code)))


async def used_up(scene: Scene) -> str:
    address = await call_back(scene.browser, scene.service)
    assert (await scene.browser.get(address)).is_redirect
    return address


async def same_call_back_twice(scene: Scene) -> httpx.Response:
    return await scene.browser.get(await used_up(scene))


async def another_browser_without_a_log_in(scene: Scene) -> httpx.Response:
    return await Browser(scene.browser.address).get(await call_back(scene.browser, scene.service))


async def another_browser_with_a_log_in(scene: Scene) -> httpx.Response:
    other = Browser(scene.browser.address)
    await call_back(other, scene.service)
    return await other.get(await call_back(scene.browser, scene.service))


async def injected_code(scene: Scene) -> httpx.Response:
    """A victim's code in the attacker's own log-in: PKCE finds it, as the verifier is another."""
    victims = httpx.URL(await call_back(Browser(), scene.service))
    own = httpx.URL(await call_back(scene.browser, scene.service))
    return await scene.browser.get(str(own.copy_set_param("code", victims.params["code"])))


async def changed_verifier(scene: Scene) -> httpx.Response:
    address = await call_back(scene.browser, scene.service)
    await rows(scene.database, "UPDATE pending_logins SET verifier = nonce || verifier")
    return await scene.browser.get(address)


async def changed_nonce(scene: Scene) -> httpx.Response:
    address = await call_back(scene.browser, scene.service)
    await rows(scene.database, "UPDATE pending_logins SET nonce = 'another'")
    return await scene.browser.get(address)


async def too_late(scene: Scene) -> httpx.Response:
    address = await call_back(scene.browser, scene.service)
    await rows(scene.database, "UPDATE pending_logins SET expires_at = 1")
    return await scene.browser.get(address)


async def other_provider(scene: Scene) -> httpx.Response:
    address = await call_back(scene.browser, scene.service)
    await rows(scene.database, "UPDATE pending_logins SET provider = 'google'")
    return await scene.browser.get(address)


ATTACKS: dict[str, tuple[Attack, str]] = {
    "tampered state": (tampering(lambda url: url.copy_set_param("state", "x" * 64)), "unknown or used state"),
    "no state": (tampering(lambda url: url.copy_remove_param("state")), "unknown or used state"),
    "no code": (tampering(lambda url: url.copy_remove_param("code")), "call-back without code"),
    "made-up code": (
        tampering(lambda url: url.copy_set_param("code", "x")),
        "provider refused the code: invalid_grant",
    ),
    "code used twice": (code_twice, "provider refused the code: invalid_grant"),
    "call-back twice": (same_call_back_twice, "unknown or used state"),
    "victim's code": (injected_code, "provider refused the code: invalid_grant"),
    "tampered verifier": (changed_verifier, "provider refused the code: invalid_grant"),
    "tampered nonce": (changed_nonce, "ID token of another log-in"),
    "token without nonce": (with_claims(nonce=None), "ID token without nonce"),
    "another browser": (another_browser_without_a_log_in, "call-back of another browser"),
    "another browser that logs in": (another_browser_with_a_log_in, "call-back of another browser"),
    "another provider": (other_provider, "call-back of another provider"),
    "too late": (too_late, "log-in took too long"),
    "unverified e-mail": (other_person({"email_verified": False}), "unverified e-mail"),
    "e-mail verified as the text false": (other_person({"email_verified": "false"}), "unverified e-mail"),
    "e-mail verified as a number": (other_person({"email_verified": 1}), "unverified e-mail"),
    "alg=none": (conducting(signature="none"), "ID token of a forbidden algorithm"),
    "HS256 with the public key": (conducting(signature="HS256"), "ID token of a forbidden algorithm"),
    "another key under the same id": (conducting(signature="foreign"), "ID token with a bad signature"),
    "foreign issuer": (with_claims(iss="https://evil.example"), "ID token of another issuer"),
    "foreign audience": (with_claims(aud="another client"), "ID token for another audience"),
    "authorized party is another": (with_claims(azp="another client"), "ID token for another audience"),
    "from the future": (with_claims(iat=3600), "ID token from the future"),
    "expired": (with_claims(exp=-3600), "ID expired token"),
    "never expires": (with_claims(exp=None), "ID token without exp"),
    "nobody's": (with_claims(sub=None), "ID token without sub"),
    "subject that is no text": (with_claims(sub=["1"]), "ID token with a bad sub"),
    "foreign iss parameter": (conducting(iss="https://evil.example"), "call-back of another issuer"),
    "no iss parameter": (conducting(iss=""), "call-back without iss"),
    "userinfo of another": (
        conducting(email_in_token=False, userinfo=lambda found: {**found, "sub": "2"}),
        "userinfo of another person",
    ),
}


async def outcome(scene: Scene, attack: Attack) -> str:
    """The reason in the audit log if an attack is refused as it should be; else what is wrong."""
    answer = await attack(scene)
    client = scene.browser.address
    logged = await rows(scene.database, LOGGED, client=client)
    reasons = [row.outcome for row in logged if row.outcome != "ok"]
    if answer.status_code != 403 or GENERIC not in answer.text or "Begin again" not in answer.text:
        return f"{answer.status_code}: {answer.text}"
    if any(reason in answer.text for reason in reasons) or "__Host-session" in answer.headers.get(
        "set-cookie", ""
    ):
        return f"the answer tells too much: {answer.text}"
    return ", ".join(reasons)


async def test_each_is_refused_for_its_own_reason(database_url: URL, provider: FakeProvider) -> None:
    found = {}
    async with logging_in(database_url, provider) as service:
        # Each comes from an address of its own, or the tenth failure would be the last.
        for number, (name, (attack, _)) in enumerate(ATTACKS.items(), 2):
            scene = Scene(service, provider, Browser(f"127.0.0.{number}"), database_url)
            found[name] = await outcome(scene, attack)
            provider.behave()
            provider.person = ADA
            # Whoever is refused may begin again.
            await log_in(scene.browser, service)

    assert found == {name: reason for name, (_, reason) in ATTACKS.items()}


def test_most_attacks_have_a_reason_of_their_own() -> None:
    """Those at the provider are one to us: it does not say which."""
    reasons = [reason for _, reason in ATTACKS.values()]

    assert len(set(reasons)) > 20
