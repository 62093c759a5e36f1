"""The client as a package of its own: it can be taken out of here, and needs four libraries."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "client"
LIBRARIES = {"httpx", "pydantic", "stamina", "websockets"}
OF_PROGRAMS = {"rich", "prometheus_client", "openpyxl", "srt", "webvtt", "domain"}
"""What progress, reports and reading counters need, and reading files; `import client` needs none of them."""
PROGRAMS = {"importers", "importing", "load", "progress.py"}
SETUP = tomllib.loads((SOURCE / "pyproject.toml").read_text())
INSTALLED = "insights_platform_client"
SHARED = SOURCE.parent / "domain" / "helpdesk"
"""What the bodies of help desks say: pure functions, of which the importers and the service have one copy."""


def test_the_package_works_without_the_server(tmp_path: Path) -> None:
    """In an empty folder each of its modules can be imported: nothing else of the server is there.

    What is installed goes by another name, beside the one of this folder.
    """
    nothing_compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SHARED, tmp_path / "domain" / "helpdesk", ignore=nothing_compiled)
    shutil.copytree(SOURCE, tmp_path / "client", ignore=nothing_compiled)
    shutil.copytree(SOURCE, tmp_path / INSTALLED, ignore=shutil.ignore_patterns("__pycache__", *PROGRAMS))
    lines = [f"import {name}" for name in modules_in(tmp_path, INSTALLED)]
    lines += ["import sys", "assert 'client' not in sys.modules"]
    lines += [f"import {name}" for name in modules_in(tmp_path, "client")]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def modules_in(folder: Path, package: str) -> list[str]:
    paths = (path.relative_to(folder).with_suffix("") for path in (folder / package).rglob("*.py"))
    return [".".join(path.parts).removesuffix(".__init__") for path in paths]


def test_its_wheel_needs_these_libraries_and_has_no_programs() -> None:
    needed = {re.split(r"\W", each)[0] for each in SETUP["project"]["dependencies"]}
    build = SETUP["tool"]["hatch"]["build"]

    assert needed == LIBRARIES
    assert {each.removeprefix("/") for each in build["exclude"]} == PROGRAMS | {"dist"}
    assert build["targets"]["wheel"]["sources"] == {"": INSTALLED}


def test_what_it_shares_with_the_server_is_imported_by_importers_only() -> None:
    importers = {path for path in SOURCE.rglob("*.py") if "domain" in imported(path)}

    assert {path.parent.name for path in importers} == {"importers"}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"client"}


def test_it_imports_nothing_but_its_libraries() -> None:
    wrong = {
        str(path): beside
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] not in PROGRAMS
        if (beside := imported(path) - LIBRARIES)
    }

    assert wrong == {}
    assert set[str]().union(*map(imported, SOURCE.rglob("*.py"))) == LIBRARIES | OF_PROGRAMS
