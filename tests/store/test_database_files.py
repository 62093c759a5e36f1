"""The files of an SQLite database: who may read them, and what a copy, a restore or a failed start leaves behind."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.support.process import ROOT
from core.errors import AlreadyInUse
from database import opened
from tests.support.rows import new, take_in


def run(database: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "database", *arguments]
    environ = {"PATH": "", "DB_PATH": str(database)}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    database, file = tmp_path / "live.db", tmp_path / "copy.db"
    old_mask = os.umask(0)
    try:
        asyncio.run(opened_with(database))
        run(database, "backup", str(file))
    finally:
        os.umask(old_mask)

    assert file.exists()
    assert {stat.filemode(each.stat().st_mode) for each in tmp_path.iterdir()} == {"-rw-------"}


async def opened_with(file: Path, id_: str = "first") -> None:
    async with opened(make_url(f"sqlite+aiosqlite:///{file}")) as database:
        await database.write(lambda connection: take_in(connection, new(id_)))
        modes = {stat.filemode(each.stat().st_mode) for each in file.parent.iterdir() if each.is_file()}
        assert modes == {"-rw-------"}


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database, file = tmp_path / "live.db", tmp_path / "copy.db"
    database.write_bytes(b"these are not the pages of a database" * 1000)

    done = run(database, "backup", str(file))

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert [each.name for each in tmp_path.iterdir()] == ["live.db"]


def test_a_restore_leaves_no_moment_without_a_database(tmp_path: Path) -> None:
    """What was there is still in its place when the copy takes it: both names are one file until then."""
    database, file = tmp_path / "live.db", tmp_path / "copy.db"
    asyncio.run(opened_with(database))
    run(database, "backup", str(file))
    before = database.stat().st_ino

    done = run(database, "restore", str(file))

    assert done.returncode == 0, done.stderr
    assert database.with_name("live.db.before-restore").stat().st_ino == before
    assert database.stat().st_ino != before
    assert {each.name for each in tmp_path.iterdir()} == {"live.db", "live.db.before-restore", "copy.db"}


def test_a_backup_in_a_folder_that_cannot_be_written_is_restored(tmp_path: Path) -> None:
    database, shelf = tmp_path / "live.db", tmp_path / "shelf"
    shelf.mkdir()
    asyncio.run(opened_with(database))
    run(database, "backup", str(shelf / "copy.db"))
    shelf.chmod(0o555)
    # Root may write everywhere: what it would leave there is what another could not have written.
    done = run(database, "restore", str(shelf / "copy.db"))
    shelf.chmod(0o755)

    assert done.returncode == 0, done.stderr
    assert [each.name for each in shelf.iterdir()] == ["copy.db"]


@pytest.mark.parametrize("path", ["a_folder", "notes.txt"])
def test_a_wrong_path_leaves_nothing_behind(tmp_path: Path, path: str) -> None:
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "notes.txt").write_text("these are not the pages of a database" * 1000)

    with pytest.raises((OSError, SQLAlchemyError)):
        asyncio.run(opened_with(tmp_path / path))

    assert {each.name for each in tmp_path.iterdir()} == {"a_folder", "notes.txt"}


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_a_link_to_a_database_that_is_served_is_no_way_in(tmp_path: Path, link: str) -> None:
    database, other, file = tmp_path / "live.db", tmp_path / "other.db", tmp_path / "copy.db"
    asyncio.run(opened_with(database))
    run(database, "backup", str(file))
    (other.symlink_to if link == "symbolic" else other.hardlink_to)(database)

    async def served_twice() -> "subprocess.CompletedProcess[str]":
        async with opened(make_url(f"sqlite+aiosqlite:///{database}")):
            with pytest.raises(AlreadyInUse):
                async with opened(make_url(f"sqlite+aiosqlite:///{other}")):
                    pass
            return await asyncio.to_thread(run, other, "restore", str(file))

    restored = asyncio.run(served_twice())

    assert (restored.returncode, restored.stderr) == (
        1,
        "cannot restore: the service is running; stop it first\n",
    )
