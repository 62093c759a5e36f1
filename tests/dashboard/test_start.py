"""How the dashboard starts, and with which settings it does not."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import ValidationError

import demo
from dashboard.__main__ import DEMO, cannot_listen, options
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


def copied_by_the_image(folder: Path) -> Path:
    """The files that Dockerfile.dashboard copies, and nothing else of the project."""
    for line in (ROOT / "Dockerfile.dashboard").read_text().splitlines():
        match line.split():
            case ["COPY", source, target] if target.startswith("/app"):
                here = ROOT / source
                there = folder / target.removeprefix("/app").lstrip("/")
                if here.is_dir():
                    shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copyfile(here, there / source)
    return folder


def ended(folder: Path, *given: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *given]
    environment = {**os.environ, **environ}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_refusal_is_one_line_and_exit_code_2() -> None:
    refused = ended(ROOT, "-m", "dashboard", API_URL="nowhere")

    assert refused.returncode == 2
    assert refused.stderr.startswith("cannot start: API_URL: ")
    assert len(refused.stderr.splitlines()) == 1


def test_its_image_has_all_that_it_imports(tmp_path: Path) -> None:
    every = (
        "import dashboard, importlib, pkgutil\n"
        "for each in pkgutil.walk_packages(dashboard.__path__, 'dashboard.'):\n"
        "    importlib.import_module(each.name)"
    )
    done = ended(copied_by_the_image(tmp_path), "-c", every)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("path", "asked"), [("", "/_stcore/health"), ("/dash/", "/dash/_stcore/health")])
def test_its_image_finds_whether_it_is_well_on_any_port_and_path(path: str, asked: str) -> None:
    image = (ROOT / "Dockerfile.dashboard").read_text()
    ((_, *command),) = [json.loads(each) for each in re.findall(r"^    CMD (\[.*\])$", image, re.MULTILINE)]
    paths = []

    class Well(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Well) as server:
        Thread(target=server.handle_request).start()
        port = str(server.server_port)
        done = ended(ROOT, *command, DASHBOARD_PORT=port, STREAMLIT_SERVER_BASE_URL_PATH=path)

    assert done.returncode == 0, done.stderr
    assert paths == [asked]


def test_it_shows_what_the_last_demo_stored() -> None:
    assert demo.DATABASE == DEMO
