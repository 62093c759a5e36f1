"""`python -m database backup FILE` while the service runs, and `restore FILE` while it does not."""

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import aiosqlite
from pydantic import ValidationError
from sqlalchemy.engine import URL

from core.complaints import complaint
from core.errors import AlreadyInUse, BackupRefused
from core.settings import Settings
from store.engine.dumps import dump, load
from store.engine.lock import FileLock, sole_holder, unfinished

USAGE = "usage: python -m database backup FILE | restore FILE | encrypt | rotate-key | partition"


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

    Raises BackupRefused if there is no database, the file exists already, or the copy fails.
    """
    source = Path(url.database or "")
    if not source.exists():
        raise BackupRefused(f"there is no database at {source}")
    if file.exists():
        raise BackupRefused(f"{file} exists already")
    with unfinished(file) as part:
        asyncio.run(_copy(source, part))
        part.replace(file)


async def _copy(source: Path, part: Path) -> None:
    async with aiosqlite.connect(_uri(source, "mode=ro"), uri=True) as old, aiosqlite.connect(part) as new:
        # In one step: with several, each commit of the service would restart the copy.
        await old.backup(new)
    _check(part)


def restore(url: URL, file: Path) -> None:
    """Replace the database by a backup; the old file is kept beside it as `.before-restore`.

    Raises BackupRefused if the service runs, or the file is not an intact backup.
    """
    if not file.exists():
        raise BackupRefused(f"there is no {file}")
    _check(file)
    # Resolved: through a link, the link would be replaced and the database left as it is.
    target = Path(url.database or "").resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            FileLock(target),
            sole_holder(target) if target.exists() else nullcontext(),
            unfinished(target) as part,
        ):
            shutil.copyfile(file, part)
            _keep(target)
            part.replace(target)
    except AlreadyInUse:
        raise BackupRefused("the service is running; stop it first") from None


def _keep(target: Path) -> None:
    """Keep the current database as `.before-restore`; it also stays in place until the restored one replaces it."""
    if not target.exists():
        return
    # Checkpointed first, so that the kept file is complete without its WAL.
    with closing(sqlite3.connect(target)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = target.with_name(target.name + ".before-restore")
    kept.unlink(missing_ok=True)
    kept.hardlink_to(target)
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)


def _check(file: Path) -> None:
    """Raise BackupRefused if the file is not an intact database of this service."""
    # `immutable`: in a read-only folder SQLite could not create the WAL that it would otherwise open.
    with closing(sqlite3.connect(_uri(file, "immutable=1"), uri=True)) as database:
        found = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise BackupRefused("the copy is not intact")
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'conversations'").fetchone():
            raise BackupRefused("the file is not a database of this service")


def _uri(file: Path, how: str) -> str:
    # A file name may contain characters with a meaning in URIs, such as a question mark.
    return f"{file.absolute().as_uri()}?{how}"
