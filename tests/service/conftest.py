"""The log-in providers and the fake Grok of the tests, which behave well at the beginning of each."""

from collections.abc import Iterator

import pytest

from benchmarks.support.serving import Served, served
from tests.fake_grok.server import FakeGrok
from tests.fake_provider.github import FakeGitHub
from tests.fake_provider.oidc import ADA, FakeProvider
from tests.support.logging_in import providing


@pytest.fixture(scope="module")
def providers() -> Iterator[tuple[FakeProvider, FakeGitHub]]:
    with providing() as both:
        yield both


@pytest.fixture
def provider(providers: tuple[FakeProvider, FakeGitHub]) -> FakeProvider:
    found = providers[0]
    found.behave()
    found.person = ADA
    found.asked.clear()
    return found


@pytest.fixture
def hub(providers: tuple[FakeProvider, FakeGitHub]) -> FakeGitHub:
    found = providers[1]
    fresh = FakeGitHub()
    found.person, found.emails, found.may_read_emails = fresh.person, fresh.emails, True
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(FakeGrok(), grace=0) as running:
        yield running


@pytest.fixture
def fake(server: Served) -> FakeGrok:
    assert isinstance(server.app, FakeGrok)
    server.app.reset()
    return server.app
