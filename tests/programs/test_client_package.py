"""The client as a package of its own: it can be taken out of here, and needs four libraries."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "client"
LIBRARIES = {"httpx", "pydantic", "stamina", "websockets"}
OF_PROGRAMS = {"rich", "prometheus_client", "openpyxl", "srt", "webvtt", "domain"}
"""What progress, reports and reading counters need, and reading files; `import client` needs none of them."""
PROGRAMS = {"importers", "importing", "load", "progress.py"}
SHARED = SOURCE.parent / "domain" / "helpdesk"
"""What the bodies of help desks say: pure functions, of which the importers and the service have one copy."""


def test_the_package_works_without_the_server(tmp_path: Path) -> None:
    """Copied to an empty folder it can be imported, each module of it: nothing else of the server is there."""
    shutil.copytree(SHARED, tmp_path / "domain" / "helpdesk", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SOURCE, tmp_path / "client", ignore=shutil.ignore_patterns("__pycache__"))
    modules = [
        ".".join(path.relative_to(tmp_path).with_suffix("").parts).removesuffix(".__init__")
        for path in (tmp_path / "client").rglob("*.py")
    ]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(f"import {name}" for name in modules)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_it_shares_with_the_server_is_imported_by_importers_only() -> None:
    importers = {path for path in SOURCE.rglob("*.py") if "domain" in imported(path)}

    assert {path.parent.name for path in importers} == {"importers"}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
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
