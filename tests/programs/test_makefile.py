"""The Makefile as `make --dry-run` shows it: nothing is installed and nothing is deleted."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
VENVS = set(re.findall(r"^[A-Z]+ := (\.venv\S*)$", MAKEFILE, re.MULTILINE))


def would_run(*arguments: str) -> str:
    """The commands that make would run."""
    command = ["make", "--dry-run", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_clean_removes_every_venv_that_the_verbs_make() -> None:
    assert len(VENVS) == 5
    assert set(would_run("clean").split()) >= VENVS


def test_all_that_ci_runs_begins_at_once_and_the_tests_first() -> None:
    (line,) = [line for line in would_run("test").splitlines() if "--jobs" in line]
    jobs, *targets = [each for each in line.partition("--jobs ")[2].split() if not each.startswith("--")]

    assert set(targets) == {"pytest", "types", "fuzz", "crash-test"}
    assert targets[0] == "pytest"
    assert int(jobs) == len(targets)


def test_every_test_runs_on_both_databases_where_that_is_asked_for() -> None:
    assert "--both" not in would_run("pytest")
    assert "--both" in would_run("pytest", "FULL=1")


@pytest.mark.parametrize("verb", ["run", "check", "test-gateway", "test-clients", "test-readers", "test-kit"])
def test_a_verb_that_installs_says_so_first(verb: str, tmp_path: Path) -> None:
    fresh = [f"{name}={tmp_path / name}" for name in ("VENV", "GATEWAY", "CLIENTS", "READERS", "KIT")]

    commands = would_run(verb, *fresh).splitlines()

    installs = [number for number, command in enumerate(commands) if "pip install" in command]
    assert installs
    for number in installs:
        assert any("Installing the requirements" in each for each in commands[max(0, number - 2) : number])
