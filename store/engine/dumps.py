"""Backup and restore of a PostgreSQL database, by programs of PostgreSQL's own, which have to be installed."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryFile
from typing import IO, cast

from sqlalchemy.engine import URL

from core.errors import BackupRefused
from models import metadata
from store.engine import postgresql
from store.engine.lock import unfinished

TABLES = ", ".join(sorted([*metadata.tables, "search", "alembic_version"]))
# pg_restore's own --clean knows the tables of the backup alone. In a backup of an older version those are missing that
# refer to them by now, and it would fail at them.
IDS = """
DO $$ BEGIN
    -- A view, which goes with its table, unless the database is partitioned.
    IF EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('conversation_ids') AND relkind = 'r') THEN
        DROP TABLE conversation_ids;
    END IF;
END $$;
"""
BEGIN = f"BEGIN; SET LOCAL client_min_messages = error; {IDS} DROP TABLE IF EXISTS {TABLES} CASCADE;\n"
COMMIT = "COMMIT;\n"
POOLED = "a pooler stands before PostgreSQL; give DATABASE_URL the server's own address for this"


def dump(url: URL, file: Path) -> None:
    """Back up the database with pg_dump. Raises BackupRefused if it is not installed or fails."""
    if file.exists():
        raise BackupRefused(f"{file} exists already")
    _refuse_pooler(url)
    with unfinished(file) as part, TemporaryFile() as said:
        command = _command("pg_dump", "--format=custom", f"--file={part}", f"--dbname={_libpq(url)}")
        with Popen(command, stderr=said) as dumping:  # noqa: S603  found on PATH
            pass
        _refuse(dumping, said)
        part.replace(file)


def load(url: URL, file: Path) -> None:
    """Replace the database by a backup of this or an older version with pg_restore and psql, in one transaction.

    Raises BackupRefused if they are not installed or fail; the database is then as it was.
    """
    _refuse_pooler(url)
    reads = _command("pg_restore", "--clean", "--if-exists", "--file=-", str(file))
    how = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse")
    writes = _command("psql", *how, f"--dbname={_libpq(url)}")
    with TemporaryFile() as unread, TemporaryFile() as refused:
        reading = Popen(reads, stdout=PIPE, stderr=unread)  # noqa: S603  found on PATH
        writing = Popen(writes, stdin=PIPE, stdout=DEVNULL, stderr=refused)  # noqa: S603
        # Broken, because psql has given up, and says why.
        with suppress(BrokenPipeError), writing, reading:
            _pass_on(reading, writing)
        _refuse(writing, refused)
        _refuse(reading, unread)


def _pass_on(reading: "Popen[bytes]", writing: "Popen[bytes]") -> None:
    """From one to the other, which commits only what was read to its end."""
    source, target = cast(IO[bytes], reading.stdout), cast(IO[bytes], writing.stdin)
    target.write(BEGIN.encode())
    shutil.copyfileobj(source, target)
    if reading.wait() == 0:
        target.write(COMMIT.encode())


def _refuse_pooler(url: URL) -> None:
    """Raise BackupRefused behind a pooler.

    The programs set `search_path` to nothing, and a pooler in transaction mode gives that on: the service would find
    none of its tables.
    """
    import asyncpg

    # Whatever else is wrong the programs say themselves.
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        if asyncio.run(postgresql.route_to(url)).is_pooled:
            raise BackupRefused(POOLED)


def _command(program: str, *arguments: str) -> list[str]:
    path = shutil.which(program)
    if path is None:
        raise BackupRefused(f"PostgreSQL's {program} is not installed here")
    return [path, *arguments]


def _refuse(ended: "Popen[bytes]", said: IO[bytes]) -> None:
    """Raise BackupRefused with the last line that the program wrote, if it has failed."""
    if ended.returncode:
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
        program = Path(str(cast(list[str], ended.args)[0])).name
        raise BackupRefused(f"{program}: {lines[-1] if lines else ended.returncode}")


def _libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
