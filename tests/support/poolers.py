"""A PgBouncer before a PostgreSQL server. PostgreSQL's own process user runs it, because PgBouncer refuses root."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from sqlalchemy.engine import URL

from benchmarks.support.process import free_port

POOLER = os.environ.get("TEST_POOLER", "")
"""The mode of a PgBouncer that all tests have before PostgreSQL: `transaction`, `session`, or none."""
UNPREPARED = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
"""Arguments of an engine's connections that a pooler may mix up."""

CONFIG = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 2000
server_login_retry = 0.1
logfile = {folder}/log
server_round_robin = {robin}
"""


@contextmanager
def pooled(url: URL, mode: str, size: int = 40, robin: int = 0) -> Iterator[URL]:
    """The server's or database's address through a PgBouncer of its own, which is there as long as the block."""
    host, port = url.query.get("host") or url.host or "", url.port or 5432
    listen, user = free_port(), url.username or "postgres"
    with TemporaryDirectory(prefix="insights-pooler-") as folder:
        Path(folder).chmod(0o777)
        written = CONFIG.format(
            host=host,
            port=port,
            user=user,
            listen=listen,
            mode=mode,
            size=size,
            robin=robin,
            folder=folder,
        )
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(written)
        command = ["pgbouncer", str(config)]
        if not os.geteuid():
            command[1:1] = ["-u", server_user()]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                _until_listening(process, listen)
                yield URL.create("postgresql+asyncpg", user, None, "127.0.0.1", listen, url.database)
            finally:
                process.terminate()


def server_user() -> str:
    """Whose process PostgreSQL is."""
    found = (
        each.info["username"]
        for each in psutil.process_iter(["name", "username"])
        if "postgres" in each.name()
    )
    return str(next(found))


def _until_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + 20
    while not any(each.laddr.port == port for each in psutil.Process(process.pid).net_connections()):
        assert process.poll() is None, "PgBouncer ended"
        assert time.monotonic() < deadline
        time.sleep(0.05)
