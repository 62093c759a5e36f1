"""`python -m database backup FILE` while the service runs, and `restore FILE` while it does not."""

import fcntl
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.engine import URL

from core.errors import BackupRefused
from core.settings import Settings, complaint

USAGE = "usage: python -m database backup FILE | restore FILE"


def main(arguments: Sequence[str]) -> int:
    """Run the command; return 0 on success, 1 on failure, 2 for bad arguments."""
    if len(arguments) != 2 or arguments[0] not in ("backup", "restore"):
        sys.stderr.write(USAGE + "\n")
        return 2
    verb, file = arguments[0], Path(arguments[1])
    try:
        url = Settings().url
        steps = (backup, restore) if url.drivername.startswith("sqlite") else (dump, load)
        steps[verb == "restore"](url, file)
    except ValidationError as error:
        sys.stderr.write(f"cannot {verb}: {complaint(error)}\n")
        return 2
    except (BackupRefused, OSError, sqlite3.Error) as error:
        sys.stderr.write(f"cannot {verb}: {error}\n")
        return 1
    sys.stdout.write(f"{verb} done: {file}\n")
    return 0


def backup(url: URL, file: Path) -> None:
    """Copy a consistent snapshot of an SQLite database; the service may go on writing.

    Raises BackupRefused if there is no database, or the file exists already.
    """
    source = Path(url.database or "")
    if not source.exists():
        raise BackupRefused(f"there is no database at {source}")
    if file.exists():
        raise BackupRefused(f"{file} exists already")
    part = file.with_name(file.name + ".part")
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(part)) as new,
    ):
        # In one step: with several, each commit of the service would restart the copy.
        old.backup(new)
        _check(new)
    part.replace(file)


def restore(url: URL, file: Path) -> None:
    """Replace the database by a backup; the old file is kept beside it as `.before-restore`.

    Raises BackupRefused if the service runs, or the file is not an intact backup.
    """
    if not file.exists():
        raise BackupRefused(f"there is no {file}")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as candidate:
        _check(candidate)
    target = Path(url.database or "")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(target.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused("the service is running; stop it first") from None
        _replace(target, file)


def _replace(target: Path, file: Path) -> None:
    part = target.with_name(target.name + ".part")
    shutil.copyfile(file, part)
    if target.exists():
        # Checkpointed first, so that the kept file is complete without its WAL.
        with closing(sqlite3.connect(target)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        target.replace(target.with_name(target.name + ".before-restore"))
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    part.replace(target)


def _check(database: sqlite3.Connection) -> None:
    found = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        raise BackupRefused("the copy is not intact")
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'conversations'").fetchone():
        raise BackupRefused("the file is not a database of this service")


def dump(url: URL, file: Path) -> None:
    """Back up the database with pg_dump. Raises BackupRefused if it is not installed or fails."""
    if file.exists():
        raise BackupRefused(f"{file} exists already")
    _run("pg_dump", "--format=custom", f"--file={file}", f"--dbname={_libpq(url)}")


def load(url: URL, file: Path) -> None:
    """Restore the database with pg_restore. Raises BackupRefused if it is not installed or fails."""
    _run("pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={_libpq(url)}", str(file))


def _run(program: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise BackupRefused(f"PostgreSQL's {program} is not installed here")
    done = subprocess.run([path, *arguments], check=False, capture_output=True, text=True)  # noqa: S603  found on PATH
    if done.returncode:
        raise BackupRefused(
            f"{program}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}"
        )


def _libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
