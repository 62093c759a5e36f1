"""A closed service with providers of the tests' own, and browsers that log in there."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy.engine import URL

from benchmarks.support.process import free_port
from benchmarks.support.serving import served
from tests.fake_provider import github, oidc
from tests.fake_provider.github import FakeGitHub
from tests.fake_provider.oidc import FakeProvider
from tests.support.browser import Browser
from tests.support.closed import closed
from tests.support.service import Service


@contextmanager
def providing() -> Iterator[tuple[FakeProvider, FakeGitHub]]:
    """Both providers, each on a port of its own."""
    oidc_provider, github_provider = FakeProvider(), FakeGitHub()
    with served(oidc_provider, grace=0) as one, served(github_provider, grace=0) as other:
        oidc_provider.url, github_provider.url = one.url, other.url
        yield oidc_provider, github_provider


@asynccontextmanager
async def logging_in(
    database: URL, provider: FakeProvider, hub: FakeGitHub | None = None, **given: Any
) -> AsyncIterator[Service]:
    """The service, where ada@example.com may come in as an admin unless `given` says otherwise."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    usual: dict[str, Any] = {
        "port": port,
        "public_url": url,
        "oidc_issuer": provider.url,
        "oidc_client_id": oidc.CLIENT_ID,
        "oidc_client_secret": oidc.CLIENT_SECRET,
    }
    provider.redirect_uris.add(f"{url}/auth/callback/oidc")
    if hub is not None:
        usual |= {
            "github_client_id": github.CLIENT_ID,
            "github_client_secret": github.CLIENT_SECRET,
            "github_url": hub.url,
            "github_api_url": f"{hub.url}/api/v3",
        }
        hub.redirect_uris.add(f"{url}/auth/callback/github")
    if not {"admin_emails", "allowed_emails", "allowed_domains"} & given.keys():
        usual["admin_emails"] = "ada@example.com"
    async with closed(database, **{**usual, **given}) as service:
        yield service


async def call_back(browser: Browser, service: Service, name: str = "oidc") -> str:
    """Begin a log-in and go through the provider; the address that it sends the browser back to."""
    return await browser.led(await browser.led(f"{service.url}/auth/login/{name}"))


async def log_in(browser: Browser, service: Service, name: str = "oidc") -> None:
    """Log in, all the way."""
    where = await browser.led(await call_back(browser, service, name))
    assert where == f"{service.url}/"
    assert browser.cookie("__Host-session")
