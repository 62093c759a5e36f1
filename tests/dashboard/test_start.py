"""How the dashboard starts, and with which settings it does not."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from dashboard.__main__ import cannot_listen, options
from dashboard.settings import Settings, complaint

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("api_url", "ftp://example.com", "API_URL: URL scheme should be 'http' or 'https'"),
        ("api_url", "http://ann:secret@example.com", "API_URL: must be an address without user"),
        ("api_key", "two words", "API_KEY: the API key has a space"),
        ("api_key_file", "/nowhere/key", "API_KEY_FILE: cannot be read"),
        ("dashboard_port", "0", "DASHBOARD_PORT: "),
        ("dashboard_host", "a host", "DASHBOARD_HOST: "),
        ("login_url", "javascript:alert(1)", "LOGIN_URL: "),
    ],
)
def test_a_setting_that_cannot_take_effect_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({name: value})

    assert complaint(refused.value).startswith(said)
    assert value not in complaint(refused.value)


def test_two_keys_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("ipk_1\n")

    assert Settings.model_validate({"api_key_file": tmp_path / "key"}).key == "ipk_1"
    with pytest.raises(ValidationError, match="keep one of them"):
        Settings.model_validate({"api_key_file": tmp_path / "key", "api_key": "ipk_2"})


def test_only_this_machine_is_answered_unless_names_are_given() -> None:
    local, other = Settings(), Settings.model_validate({"dashboard_host": "0.0.0.0"})

    assert "--server.allowedHosts=localhost" in options(local)
    assert not [each for each in options(other) if "allowedHosts" in each]


def test_where_nothing_can_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cannot_listen("127.0.0.1", port) == f"DASHBOARD_PORT: {port} is in use"
    assert cannot_listen("127.0.0.1", port) is None
    assert "DASHBOARD_HOST" in str(cannot_listen("192.0.2.1", port))


def test_a_refusal_is_one_line_and_exit_code_2() -> None:
    environ = {**os.environ, "API_URL": "nowhere"}
    ended = subprocess.run(
        [sys.executable, "-m", "dashboard"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith("cannot start: API_URL: ")
    assert len(ended.stderr.splitlines()) == 1
