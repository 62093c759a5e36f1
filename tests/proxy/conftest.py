"""Each proxy in turn, in front of one closed service for all tests of a module that share it."""

from collections.abc import Iterator

import pytest

from tests.proxy.front import Front, fronted
from tests.proxy.programs import KINDS, missing


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    if absent := missing():
        pytest.skip(f"apt-get install {' '.join(absent)}")
    return str(request.param)


@pytest.fixture(scope="module")
def front(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with fronted(kind, tmp_path_factory.mktemp(kind)) as made:
        yield made
