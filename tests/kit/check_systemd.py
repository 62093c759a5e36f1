"""The units, as systemd itself reads them."""

import re
import shutil
from pathlib import Path

import pytest

from benchmarks.support.process import ROOT
from tests.kit.tools import DEPLOY, run
from tests.support.deployed import secret_files, settings

UNITS = DEPLOY / "systemd"
NAMES = [file.name for file in sorted(UNITS.glob("insights-*.*")) if file.suffix in (".service", ".timer")]
SERVICES = [name for name in NAMES if name.endswith(".service")]
RESTIC = {"RESTIC_PASSWORD_FILE", "RESTIC_CACHE_DIR", "PATH"}
MOST_EXPOSED = 1.5
"""Of 10, as `systemd-analyze security` counts; a unit without any protection has 9.6."""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units where they are looked for, with the repository in place of /opt/insights-platform."""
    root = tmp_path / "root"
    folder = root / "etc" / "systemd" / "system"
    shutil.copytree(UNITS, folder)
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text().replace("/opt/insights-platform", str(ROOT)))
    return root


@pytest.mark.parametrize("name", NAMES)
def test_systemd_has_nothing_to_say_about_a_unit(name: str, installed: Path) -> None:
    folder = installed / "etc" / "systemd" / "system"

    done = run(
        "systemd-analyze", "verify", "--man=no", folder / name, environ={"SYSTEMD_UNIT_PATH": f"{folder}:"}
    )

    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_little(name: str, installed: Path) -> None:
    done = run("systemd-analyze", "security", "--offline=true", f"--root={installed}", "--no-pager", name)
    level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)

    assert level, done.stderr
    assert float(level[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_of_a_unit_is_a_setting(name: str) -> None:
    lines = re.findall(r"^Environment=(.*)$", (UNITS / name).read_text(), re.MULTILINE)
    given = {each.partition("=")[0] for line in lines for each in line.split()}

    assert given <= settings() | secret_files() | RESTIC


def test_the_timer_is_due_every_night(installed: Path) -> None:
    (when,) = re.findall(
        r"^OnCalendar=(.*)$", (UNITS / "insights-platform-backup.timer").read_text(), re.MULTILINE
    )

    assert run("systemd-analyze", "calendar", when).returncode == 0
