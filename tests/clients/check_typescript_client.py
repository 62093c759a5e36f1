"""A TypeScript client that openapi-typescript generates from the running service, compiled by tsc and run by Node.

Not part of `make test`, whose files are called test_*: run it with `make test-clients`, which says so without Node.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.support.process import Process

HERE = Path(__file__).parent / "typescript"
MODULES = HERE / "node_modules"

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="apt-get install nodejs npm")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A fresh service, offline."""
    with Process(tmp_path_factory.mktemp("service"), DB_PATH="insights.db", GROK_MODE="offline") as process:
        yield process


def run(*command: str | Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(service: Process, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program and the types that are generated for it."""
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("package.json", "tsconfig.json", "use.ts"):
        shutil.copy(HERE / name, folder)
    (folder / "node_modules").symlink_to(MODULES)
    document = (
        httpx.get(f"{service.url}/openapi.json", trust_env=False, timeout=60).raise_for_status().content
    )
    (folder / "openapi.json").write_bytes(document)
    # Without the option every field of a request that has a default would have to be given.
    options = ["--default-non-nullable=false", "--output", "schema.d.ts"]
    done = run(MODULES / ".bin/openapi-typescript", "openapi.json", *options, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_types_compile_and_the_client_posts_reads_and_pages(folder: Path, service: Process) -> None:
    compiled = run(MODULES / ".bin/tsc", folder=folder)
    assert compiled.returncode == 0, compiled.stdout
    done = run("node", "built/use.js", service.url, folder=folder)

    assert (done.returncode, done.stdout) == (0, "posted, read, paged\n"), done.stderr


def test_a_field_that_there_is_not_does_not_compile(folder: Path) -> None:
    program = (folder / "use.ts").read_text()
    (folder / "use.ts").write_text(program.replace("found.next_cursor", "found.next_curser"))

    compiled = run(MODULES / ".bin/tsc", "--noEmit", folder=folder)

    assert "next_curser" in compiled.stdout
    assert compiled.returncode != 0
