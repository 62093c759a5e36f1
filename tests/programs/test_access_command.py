"""`python -m access`: the first key without a browser, beside a running service and before there is one."""

import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import ROOT, address
from benchmarks.support.waiting import eventually
from domain.api_keys import parse_key
from services.access.command import user_name
from tests.support.access import SECRET, bearer, closed
from tests.support.forks import Forks
from tests.support.service import rows

SETTINGS = {"AUTH_REQUIRED": "true", "AUTH_SECRET": SECRET}


class Command:
    """Runs the program on a database."""

    def __init__(self, forks: Forks, url: str, folder: Path) -> None:
        self._environment = {"DATABASE_URL": url, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **SETTINGS}
        self._folder = folder
        self._forks = forks

    def __call__(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return self._forks.run(self._folder, {**self._environment, **variables}, "-m", "access", *arguments)

    def in_a_new_python(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """The same, as its user starts it."""
        return subprocess.run(
            [sys.executable, "-m", "access", *arguments],
            env={**self._environment, **variables},
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def key(self, name: str = "first", role: str = "admin") -> str:
        """A new key."""
        return self("create-key", "--role", role, "--name", name).stdout.strip()


@pytest.fixture
def access(forks: Forks, database_url: URL, tmp_path: Path) -> Command:
    return Command(forks, address(database_url), tmp_path)


def test_the_first_key_of_a_database_that_is_not_there_yet(forks: Forks, tmp_path: Path) -> None:
    access = Command(forks, f"sqlite:///{tmp_path}/new/insights.db", tmp_path)

    made = access.in_a_new_python("create-key", "--role", "admin", "--name", "x")

    assert made.returncode == 0
    assert parse_key(made.stdout.removesuffix("\n")) is not None
    assert "only time" in made.stderr
    assert (tmp_path / "new/insights.db").stat().st_mode & 0o777 == 0o600


async def test_a_key_works_in_a_running_service_and_stops_to_when_it_is_revoked(
    access: Command, database_url: URL
) -> None:
    async with closed(database_url) as service, httpx.AsyncClient(base_url=service.url) as http:
        key = access.key()

        async def status() -> int:
            return (await http.get("/health", headers=bearer(key))).status_code

        async def refused() -> bool:
            return await status() == 401

        async def let_in() -> bool:
            return await status() == 200

        await eventually(let_in)
        assert access("revoke-key", key.split("_")[1]).returncode == 0
        await eventually(refused)


def test_keys_are_listed_with_their_state(access: Command) -> None:
    first, second = access.key("first"), access.key("second", "viewer")
    access("revoke-key", second.split("_")[1])

    listed = access("list-keys").stdout

    assert re.search(rf"{first.split('_')[1]} +first +admin +valid", listed)
    assert re.search(rf"{second.split('_')[1]} +second +viewer +revoked \d{{4}}-", listed)
    assert first.split("_")[2] not in listed


@pytest.mark.parametrize("id_", ["nothing", "", "\udcff"])
def test_a_key_that_is_not_there(access: Command, id_: str) -> None:
    done = access("revoke-key", id_)

    assert (done.returncode, done.stderr) == (
        1,
        "python -m access: no key has this id, or it is revoked already\n",
    )


def test_a_key_is_a_line_in_a_pipe_and_its_name_as_it_was_given(access: Command) -> None:
    key, long = access.key("[red]Ünï[/red]"), access.key("x" * 100)

    piped = access("list-keys", COLUMNS="40").stdout
    ascii_only = access.in_a_new_python("list-keys", PYTHONIOENCODING="ascii")

    assert re.search(rf"{key.split('_')[1]} +\[red\]Ünï\[/red\] +admin +valid", piped)
    assert re.search(rf"{long.split('_')[1]} +x{{100}} +admin +valid", piped)
    assert (ascii_only.returncode, r"[red]\xdcn\xef[/red]" in ascii_only.stdout) == (0, True)


def test_the_audit_log_names_the_user_and_not_what_the_environment_says(access: Command) -> None:
    access("create-key", "--role", "admin", "--name", "x", LOGNAME="somebody-else")

    assert f"operator:{pwd.getpwuid(os.getuid()).pw_name}" in access("list-keys").stdout


def test_a_user_without_a_name_is_a_number() -> None:
    assert user_name(4_000_000) == "4000000"


def test_a_receipt_that_is_not_there(access: Command) -> None:
    done = access("verify-receipt", "nowhere.json")

    words = "python -m access: nowhere.json cannot be read: No such file or directory\n"
    assert (done.returncode, done.stderr) == (1, words)


def test_no_key_is_a_line_that_says_how_to_make_one(access: Command) -> None:
    assert "create-key" in access("list-keys").stderr


async def test_the_audit_log_is_verified(access: Command, database_url: URL) -> None:
    access.key()
    whole = access("verify-audit")
    end = re.search(r"entry (\d+), link ([0-9a-f]{64})", whole.stdout)
    assert end is not None
    same = access("verify-audit", "--entry", end[1], "--link", end[2])
    other = access("verify-audit", "--entry", end[1], "--link", "0" * 64)
    await rows(database_url, "UPDATE audit_entries SET actor = 'somebody else'")
    changed = access("verify-audit")
    half = access("verify-audit", "--entry", "1")

    assert (half.returncode, "go together" in half.stderr) == (2, True)
    assert [each.returncode for each in (whole, same, other, changed)] == [0, 0, 1, 1]
    assert whole.stdout.startswith("The audit log is whole: 1 entries")
    assert "written anew" in other.stdout
    assert "entry 1 was changed" in changed.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        (["create-key", "--role", "owner", "--name", "x"], {}, 2, "--role"),
        (["create-key", "--role", "admin", "--name", ""], {}, 2, "--name: must be 1 to 100 printable"),
        (["create-key", "--role", "admin", "--name", "x", "--expires", "2020-01-01"], {}, 2, "in the future"),
        (["create-key", "--role", "admin", "--name", "x", "--expires", "soon"], {}, 2, "must be a date"),
        (["verify-audit", "--entry", "0", "--link", "0" * 64], {}, 2, "--entry: must be the number"),
        (["verify-audit", "--entry", "1", "--link", "zz"], {}, 2, "--link: must be 64"),
        (["verify-audit"], {}, 1, "there is no database at"),
        (["create-key", "--role", "admin", "--name", " x"], {}, 2, "without a space"),
        (["list-keys"], {"AUTH_SECRET": "short"}, 2, "AUTH_SECRET: each secret"),
        (["list-keys"], {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, 1, "Connection refused"),
        (["list-keys"], {"DATABASE_URL": "sqlite:////tmp"}, 1, "is a folder"),
        ([], {}, 2, "COMMAND"),
    ],
    ids=[
        "role",
        "name",
        "past",
        "soon",
        "zero",
        "link",
        "none",
        "entry",
        "secret",
        "away",
        "folder",
        "nothing",
    ],
)
def test_what_cannot_be_done_is_one_line(
    forks: Forks, tmp_path: Path, arguments: list[str], variables: dict[str, str], code: int, said: str
) -> None:
    done = Command(forks, f"sqlite:///{tmp_path}/insights.db", tmp_path)(*arguments, **variables)

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
