"""One service with the sample for all tests of the room that only read."""

from collections.abc import Iterator

import pytest

from benchmarks.support import databases
from benchmarks.support.serving import Served
from tests.dashboard.pages import sampled, settings
from tests.support.service import serving


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
