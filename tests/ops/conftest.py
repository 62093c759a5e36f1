"""One Prometheus for all tests of a run, and a name in it for each service that a test breaks."""

from collections.abc import Iterator

import pytest

from tests.ops.prometheus import Monitor, missing, monitoring


@pytest.fixture(scope="session")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitor]:
    if missing():
        pytest.fail("apt-get install prometheus")
    with monitoring(tmp_path_factory.mktemp("prometheus")) as made:
        yield made
