"""A hot standby of a PostgreSQL server that runs here from a folder of its own."""

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support import postgresql_programs

DELAY = "100ms"
"""A standby on the same machine is often faster than the next read; this one never is."""
PORT = 5433
"""Of the standby's socket, in a folder of its own."""


@contextmanager
def standby_of(primary: URL) -> Iterator[URL]:
    """The address of a standby, which follows as soon as it is there; gone after the block."""
    sockets = Path(str(primary.query["host"]))
    with TemporaryDirectory(prefix="insights-standby-") as folder:
        data = Path(folder) / "data"
        # PostgreSQL's programs refuse root.
        owner = sockets.stat().st_uid
        os.chown(folder, owner, -1)
        where = ("-h", str(sockets), "-p", str(primary.port or 5432), "-U", primary.username or "postgres")
        _run(owner, "pg_basebackup", *where, "-D", str(data), "-R", "-c", "fast", "--no-sync")
        # Not on the command line, against which no later change would have an effect.
        with (data / "postgresql.auto.conf").open("a") as written:
            written.write(f"recovery_min_apply_delay = '{DELAY}'\n")
        settings = ("listen_addresses=", "fsync=off")
        options = f"-k {folder} -p {PORT} " + " ".join(f"-c {each}" for each in settings)
        control = ("pg_ctl", "-D", str(data), "-w")
        _run(owner, *control, "-o", options, "-l", str(data / "log"), "start")
        try:
            yield primary.update_query_dict({"host": folder, "port": str(PORT)})
        finally:
            _run(owner, *control, "-m", "immediate", "stop")


def _run(owner: int, program: str, *arguments: str) -> None:
    user = {} if os.geteuid() else {"user": owner, "group": pwd.getpwuid(owner).pw_gid, "extra_groups": []}
    environ = {"PATH": postgresql_programs.PATH}
    subprocess.run([program, *arguments], check=True, env=environ, stdout=subprocess.DEVNULL, **user)  # type: ignore[call-overload]


async def paused(standby: URL, *, on: bool) -> None:
    """Stop or resume the replay of what the primary writes."""
    await _asked(standby, "SELECT pg_wal_replay_pause()" if on else "SELECT pg_wal_replay_resume()")


async def delayed(standby: URL, by: str) -> None:
    """Have it show what the primary writes so much later."""
    await _asked(standby, f"ALTER SYSTEM SET recovery_min_apply_delay = '{by}'")
    await _asked(standby, "SELECT pg_reload_conf()")


async def _asked(server: URL, statement: str) -> Sequence[object]:
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            result = await connection.execute(text(statement))
            return result.all() if result.returns_rows else ()
    finally:
        await engine.dispose()
