"""`python -m database backup` and `restore`: a copy of a running service, and what cannot be copied."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from benchmarks.support.process import POSTS, ROOT
from tests.support.forks import Forks
from tests.support.service import running

LATE = "My parcel is three days late and nobody answers"


def copy(database: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "database", *arguments]
    environ = {"PATH": "", "DB_PATH": str(database)}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


async def test_a_backup_of_a_running_service_can_be_restored(tmp_path: Path) -> None:
    database, file = tmp_path / "live.db", tmp_path / "copy.db"
    url = make_url(f"sqlite+aiosqlite:///{database}")
    async with running(url) as service:
        await service.post(LATE, conversation_id="first")
        made = await asyncio.to_thread(copy, database, "backup", str(file))
        await service.post(LATE, conversation_id="second")
        running_still = await asyncio.to_thread(copy, database, "restore", str(file))
    restored = await asyncio.to_thread(copy, database, "restore", str(file))
    async with running(url) as service:
        listed = (await service.get(POSTS))["conversations"]

    assert (made.returncode, made.stderr) == (0, "")
    assert (running_still.returncode, running_still.stderr) == (
        1,
        "cannot restore: the service is running; stop it first\n",
    )
    assert (restored.returncode, restored.stderr) == (0, "")
    assert [each["conversation_id"] for each in listed] == ["first"]
    assert database.with_name("live.db.before-restore").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "usage"),
        (("copy", "x"), 2, "usage"),
        (("backup", "/nowhere/copy.db"), 1, "there is no database"),
        (("restore", "/nowhere/copy.db"), 1, "there is no /nowhere/copy.db"),
    ],
)
def test_what_cannot_be_copied_is_one_line(
    forks: Forks, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = forks.run(tmp_path, {"DB_PATH": tmp_path / "absent.db"}, "-m", "database", *arguments)

    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are no pages of a database at all " * 100)

    done = copy(tmp_path / "live.db", "restore", str(file))

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert not (tmp_path / "live.db").exists()
