"""What a start that fails says about the database, and what the log says when the process ends."""

import json
import re
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import OWN_PORTS, ROOT, Json, Process, address, free_port
from core.several_workers import REFUSAL
from tests.support.forks import Forks

CLASS_NAME = re.compile(r"\b[A-Z]\w+(Error|Exception)\b")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("folder", "is a folder; name a file in it"),
        ("letter/insights.db", "leads through a file that is no folder"),
        ("letter", "is not a database"),
        ("x" * 300, "is too long"),
        ("/proc/nowhere/insights.db", "cannot be opened: No such file or directory"),
    ],
)
def test_a_bad_db_path_is_one_plain_line(forks: Forks, path: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "letter").write_text("This is a letter and no database. " * 100)

    said = forks.refused(tmp_path, DB_PATH=path)

    assert said == f"cannot start: DB_PATH: {tmp_path / path} {why}\n"


def test_a_server_that_is_not_there_is_one_plain_line_without_the_password(
    forks: Forks, tmp_path: Path
) -> None:
    port = free_port()
    said = forks.refused(tmp_path, DATABASE_URL=f"postgresql://me:swordfish@127.0.0.1:{port}/insights")

    assert said.startswith(
        f"cannot start: DATABASE_URL: postgresql://127.0.0.1:{port}/insights cannot be opened: "
    )
    assert said.count("\n") == 1
    assert "swordfish" not in said
    assert not CLASS_NAME.search(said)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_the_server_does_not_have_is_one_plain_line(
    forks: Forks, database_url: URL, tmp_path: Path
) -> None:
    said = forks.refused(tmp_path, DATABASE_URL=address(database_url.set(database="nowhere")))

    assert said.startswith("cannot start: DATABASE_URL: postgresql://")
    assert '"nowhere" does not exist' in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_log_says_when_the_process_stops_and_why(number: signal.Signals, tmp_path: Path) -> None:
    with Process(tmp_path) as process:
        process.end(number)
        lines: list[Json] = [json.loads(line) for line in process.said.splitlines()]

    assert [(line["event"], line.get("reason")) for line in lines[-2:]] == [
        ("stopping", number.name),
        ("stopped", number.name),
    ]


def test_only_the_first_start_says_that_it_made_the_database(tmp_path: Path) -> None:
    for made in (True, False):
        with Process(tmp_path) as process:
            process.end(signal.SIGTERM)
            assert ("database_created" in process.said) is made
            process.output.unlink()


def test_a_free_port_is_none_that_the_system_gives_to_others() -> None:
    with ExitStack() as stack:
        others = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(50)]
        given = [other.getsockname()[1] for other in others]

    assert free_port() in OWN_PORTS
    assert not set(given) & set(OWN_PORTS)


def test_several_of_uvicorns_workers_on_a_file_are_refused_in_a_line(tmp_path: Path) -> None:
    port = free_port()
    command = ["-m", "uvicorn", "main:app", "--app-dir", str(ROOT), "--port", str(port), "--workers", "2"]
    process = Process(tmp_path, command, wait=False, PORT=port)
    process.start()

    # Not ours to choose: findings/uvicorn-workers-refusal-exits-0.sh. That it ends at all is.
    assert process.exit_code() == 0
    said = [line for line in process.said.splitlines() if "cannot start" in line]
    assert said == [f"cannot start: {REFUSAL.format(name='--workers')}"]
