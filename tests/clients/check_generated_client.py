"""A client that openapi-python-client generates from the running service, and what can be done with it.

Not part of `make test`, whose files are called test_*: run it with `make test-clients`.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.support.process import Process

HERE = Path(__file__).parent
BIN = HERE.parents[1] / ".venv-clients" / "bin"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A fresh service, offline."""
    with Process(tmp_path_factory.mktemp("service"), DB_PATH="insights.db", GROK_MODE="offline") as process:
        yield process


@pytest.fixture(scope="module")
def document(service: Process) -> bytes:
    """What the service says of itself."""
    return httpx.get(f"{service.url}/openapi.json", trust_env=False, timeout=60).raise_for_status().content


@pytest.fixture(scope="module")
def generated(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the generated package `generated`. A warning, too, is a failure."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_bytes(document)
    options = ["--path", "openapi.json", "--output-path", "generated", "--meta", "none", "--fail-on-warning"]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [BIN / "openapi-python-client", "generate", *options],
        cwd=folder,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_client_has_every_call(generated: Path, document: bytes) -> None:
    calls = [path for path in (generated / "generated" / "api").rglob("*.py") if path.name != "__init__.py"]

    assert len(calls) == document.count(b'"operationId"') >= 27


def test_the_client_posts_reads_and_pages(generated: Path, service: Process) -> None:
    done = subprocess.run(
        [BIN / "python", HERE / "use_generated_client.py", service.url],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(generated)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "posted, read, paged\n"), done.stderr
