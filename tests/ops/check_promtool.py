"""Debian's promtool takes the rules and the configuration, and the rules fire when they should, at their own pace."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.ops.prometheus import missing
from tests.support.promql import RULES, SCRAPE

TIMELINES = Path(__file__).with_name("timelines.yml")


def promtool(*arguments: str) -> None:
    """It has to end well."""
    if missing():
        pytest.fail("apt-get install prometheus")
    command = ["promtool", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_configuration_are_without_fault(tmp_path: Path) -> None:
    key = tmp_path / "insights.key"
    key.write_text("a key")
    configuration = yaml.safe_load(SCRAPE.read_text())
    configuration["scrape_configs"][0]["authorization"]["credentials_file"] = str(key)
    (tmp_path / SCRAPE.name).write_text(yaml.safe_dump(configuration))
    (tmp_path / RULES.name).write_text(RULES.read_text())

    promtool("check", "config", "--lint=all", "--lint-fatal", str(tmp_path / SCRAPE.name))


def test_windows_of_minutes_and_hours_fit_what_happens_in_them() -> None:
    promtool("test", "rules", str(TIMELINES))
