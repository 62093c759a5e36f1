"""The client as others install it: a wheel, alone in a fresh venv, doing what its README says.

Not part of `make test`, whose files are called test_*: run it with `make test-clients`.
"""

import re
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support.process import Process

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client"
TOOLS = ROOT / ".venv-clients" / "bin"
README = (CLIENT / "README.md").read_text()
EXAMPLES = "".join(re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
OUTPUT = "".join(re.findall(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
DEFAULT = "http://localhost:8000"


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """What a program prints; it must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of the source archive, as `python -m build` does it."""
    folder = tmp_path_factory.mktemp("dist")
    run(TOOLS / "python", "-m", "build", "--outdir", folder, CLIENT)
    (built,) = folder.glob("insights_platform_client-*.whl")
    return built


def oldest() -> str:
    """The oldest versions that the wheel says it works with, as constraints."""
    dependencies = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]["dependencies"]
    return "\n".join(each.partition(",")[0].replace(">=", "==") for each in dependencies)


@pytest.fixture(scope="module", params=["oldest", "project's"])
def python(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python in a venv with the wheel and what it needs, in the oldest versions or the project's."""
    folder = tmp_path_factory.mktemp("venv")
    constraints = folder / "constraints.txt"
    pinned = (ROOT / "requirements.txt").read_text()
    constraints.write_text(oldest() if request.param == "oldest" else pinned)
    run(TOOLS / "python", "-m", "venv", folder / "venv")
    installed = folder / "venv" / "bin" / "python"
    run(installed, "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel)
    return installed


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Process]:
    """A fresh service, offline."""
    with Process(tmp_path, DB_PATH="insights.db", GROK_MODE="offline") as process:
        yield process


def test_the_wheel_holds_the_client_its_types_and_its_license(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    top = {name.split("/")[0].split("-")[0] for name in names}
    parts = {name.split("/")[1] for name in names if name.startswith("insights_platform_client/")}
    modules = {path.name for path in CLIENT.glob("*.py")} - {"progress.py"}
    assert top == {"insights_platform_client"}
    assert parts == modules | {"answers", "calls", "py.typed"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_examples_of_the_readme_print_what_it_says(
    python: Path, service: Process, tmp_path: Path
) -> None:
    program = tmp_path / "examples.py"
    program.write_text(EXAMPLES.replace(DEFAULT, service.url))

    assert run(python, program, folder=tmp_path) == OUTPUT


def strict(python: Path, program: Path) -> str:
    """What mypy says of a program, strictly, with what is installed for that Python."""
    options = ["--strict", "--python-executable", str(python), "--cache-dir", str(program.parent / "cache")]
    command = [str(TOOLS / "mypy"), *options, str(program)]
    return subprocess.run(command, cwd=program.parent, capture_output=True, text=True, check=False).stdout


def test_a_user_of_it_has_strict_types(python: Path, tmp_path: Path) -> None:
    program = tmp_path / "examples.py"
    program.write_text(EXAMPLES)

    assert strict(python, program).startswith("Success")


def test_a_user_of_it_is_told_of_a_wrong_type(python: Path, tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(
        "from insights_platform_client import Client\n"
        "reveal_type(Client().statuses(['one']).unknown)\n"
        "Client().conversation(17)\n"
    )

    said = strict(python, program)

    assert "list[str]" in said
    assert "wrong.py:3: error" in said
