"""Log-in at npm's oidc-provider, with PKCE required: by its own pages, and with everything it refuses.

Not part of `make test`, whose files are called test_*: run it with `make test-login`. Node and npm have to be there
(`apt-get install nodejs npm`).
"""

import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import NO_TLS, free_port
from tests.support.browser import ACCEPT
from tests.support.closed import closed, refusals
from tests.support.service import Service, rows

HERE = Path(__file__).parent
CLIENT = {"CLIENT_ID": "insights of tests", "CLIENT_SECRET": "with: signs/that+have%to be encoded"}


@contextmanager
def provider(port: int, redirect_uri: str) -> Iterator[str]:
    """The provider as a process of its own; its issuer."""
    environ = {"PATH": os.environ["PATH"], "PORT": str(port), "REDIRECT_URI": redirect_uri, **CLIENT}
    command = ["node", str(HERE / "provider.mjs")]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, cwd=HERE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"listening\n"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.fixture
async def service(database_url: URL) -> AsyncIterator[Service]:
    """The service, with the provider behind it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with provider(free_port(), f"{url}/auth/callback/oidc") as issuer:
        given = {
            "port": port,
            "public_url": url,
            "oidc_issuer": issuer,
            "oidc_client_id": CLIENT["CLIENT_ID"],
            "oidc_client_secret": CLIENT["CLIENT_SECRET"],
            "admin_emails": "ada@example.com, eve@example.com",
        }
        async with closed(database_url, **given) as running:
            yield running


class Person:
    """Somebody at a browser that keeps cookies by path, as the provider's need it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.jar: dict[tuple[str, str, str], str] = {}
        """Values by host and port, path and name."""
        self.steps = 0

    async def send(self, method: str, url: str, form: Mapping[str, str] | None = None) -> httpx.Response:
        self.steps += 1
        headers = {"Accept": ACCEPT, "Cookie": self._held(url)}
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=60) as http:
            answer = await http.request(method, url, data=form, headers=headers)
        for header in answer.headers.get_list("set-cookie"):
            self._keep(urlsplit(url).netloc, header)
        return answer

    async def led(self, url: str, form: Mapping[str, str] | None = None) -> str:
        """Where a GET, or a POST of a form, leads."""
        answer = await self.send("GET" if form is None else "POST", url, form)
        assert answer.is_redirect, (answer.status_code, answer.text)
        return str(httpx.URL(url).join(answer.headers["location"]))

    async def through_the_provider(self, address: str, *, agrees: bool = True) -> str:
        """From the address that the service sends to, to that which the provider sends back to."""
        at = await self.led(address)
        while "/interaction/" in at:
            if not agrees:
                at = await self.led(f"{at}/abort")
            elif 'name="login"' in (await self.send("GET", at)).text:
                at = await self.led(at, {"prompt": "login", "login": self.name, "password": "any"})
            else:
                at = await self.led(at, {"prompt": "consent"})
            at = await self.led(at)
        return at

    def _held(self, url: str) -> str:
        where, path = urlsplit(url).netloc, urlsplit(url).path
        found = [
            f"{name}={value}"
            for (host, base, name), value in self.jar.items()
            if host == where and path.startswith(base)
        ]
        return "; ".join(found)

    def _keep(self, where: str, header: str) -> None:
        name, _, value = header.partition(";")[0].partition("=")
        path = re.search(r"(?i);\s*path=([^;]*)", header)
        key = (where, path[1] if path else "/", name)
        gone = re.search(r"(?i)expires=[^;]*1970|max-age=0", header)
        self.jar.pop(key, None) if gone else self.jar.update({key: value})


async def begun(person: Person, service: Service) -> str:
    return await person.led(f"{service.url}/auth/login/oidc")


async def test_somebody_logs_in_by_its_pages_and_again_without_them(service: Service) -> None:
    ada = Person("ada")
    back = await ada.through_the_provider(await begun(ada, service))
    assert await ada.led(back) == f"{service.url}/"
    first = ada.steps
    me = (await ada.send("GET", f"{service.url}/auth/me")).json()
    assert (me["name"], me["role"], me["means"]) == ("ada@example.com", "admin", "session")

    # The provider remembers who it is, and asks nothing.
    ada.steps = 0
    back = await ada.through_the_provider(await begun(ada, service))
    assert await ada.led(back) == f"{service.url}/"
    assert (first, ada.steps) == (9, 3)
    assert len(await rows(service.database, "SELECT id FROM accounts")) == 1
    assert await refusals(service.database, "login") == ["ok", "ok"]


@pytest.mark.parametrize(
    ("name", "reason"), [("eve", "unverified e-mail"), ("mallory", "not admitted, of elsewhere.example")]
)
async def test_who_may_not_come_in(service: Service, name: str, reason: str) -> None:
    person = Person(name)
    answer = await person.send("GET", await person.through_the_provider(await begun(person, service)))

    assert answer.status_code == 403
    assert await refusals(service.database, "login") == [reason]


async def test_whoever_cancels_is_told_and_may_begin_again(service: Service) -> None:
    ada = Person("ada")
    refused = await ada.send("GET", await ada.through_the_provider(await begun(ada, service), agrees=False))
    assert refused.status_code == 403
    assert await ada.led(await ada.through_the_provider(await begun(ada, service))) == f"{service.url}/"

    assert await refusals(service.database, "login") == ["provider says access_denied", "ok"]


async def test_the_provider_refuses_another_verifier_and_a_code_twice(service: Service) -> None:
    ada = Person("ada")
    back = await ada.through_the_provider(await begun(ada, service))
    await rows(service.database, "UPDATE pending_logins SET verifier = nonce || verifier")
    assert (await ada.send("GET", back)).status_code == 403

    used = await ada.through_the_provider(await begun(ada, service))
    assert await ada.led(used) == f"{service.url}/"
    again = httpx.URL(await ada.through_the_provider(await begun(ada, service)))
    twice = again.copy_set_param("code", httpx.URL(used).params["code"])
    assert (await ada.send("GET", str(twice))).status_code == 403

    refused = "provider refused the code: invalid_grant"
    assert await refusals(service.database, "login") == [refused, "ok", refused]


async def test_without_pkce_the_provider_would_not_have_it(service: Service) -> None:
    """Or none of this would show that PKCE is spoken."""
    ada = Person("ada")
    asked = httpx.URL(await begun(ada, service))
    back = httpx.URL(await ada.led(str(asked.copy_remove_param("code_challenge"))))

    assert back.params["error"] == "invalid_request"
