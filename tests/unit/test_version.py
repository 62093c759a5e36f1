"""One version: wherever it is stated, it is the one in `core/version.py`."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

from core.settings import Settings
from core.version import NAME, VERSION
from main import create_app

ROOT = Path(__file__).parents[2]


def test_the_project_reads_its_version_from_the_code() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    module, _, name = pyproject["tool"]["setuptools"]["dynamic"]["version"]["attr"].rpartition(".")

    assert pyproject["project"]["name"] == NAME
    assert pyproject["project"]["dynamic"] == ["version"]
    assert "version" not in pyproject["project"]
    assert getattr(import_module(module), name) == VERSION


def test_the_wheel_of_the_client_has_it_and_the_projects_license() -> None:
    client = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]

    assert (client["name"], client["version"]) == (f"{NAME}-client", VERSION)
    assert (ROOT / "client" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_the_version_has_three_numbers() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_openapi_document_carries_it() -> None:
    assert create_app(Settings.model_construct()).openapi()["info"]["version"] == VERSION


def test_the_changelog_begins_with_it() -> None:
    headings = re.findall(r"^## \[([^\]]+)\] - \S+$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == VERSION
