"""The process as its operator meets it: how it starts, why it does not, and how it ends."""

import asyncio
import gc
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import uvicorn
from sqlalchemy.engine import URL, make_url

import database
from api.server import GC_THRESHOLDS, OPEN_FILES, Server, server_config
from benchmarks.support.process import POSTS, ROOT, Json, Process, address, free_port
from benchmarks.support.waiting import eventually
from core.settings import Settings
from core.version import VERSION
from llm.canary import CANARY
from tests.fake_grok.server import KEY
from tests.support.forks import Forks
from tests.support.service import Grok, rows, running

LATE = "My parcel is three days late and nobody answers"
LONGEST_END = 8
IN_FLIGHT = 30
ONE_BY_ONE: Json = {"OUTBOUND_RPS": 100, "START_BATCH": 1, "MAX_BATCH": 1, "INBOUND_RPS": 0}
PROXYS_KEEP_ALIVE = 60
"""Seconds, of nginx and of the load balancers of the large clouds."""
MAIN = str(ROOT / "main.py")
MISUSE = 2


@pytest.fixture
def sqlite_url(tmp_path: Path) -> URL:
    return make_url(f"sqlite+aiosqlite:///{tmp_path / 'insights.db'}")


def post(url: str, said: str = LATE) -> str:
    """Take in one conversation; its id."""
    response = httpx.post(f"{url}{POSTS}", json={"text": said}, trust_env=False)
    assert response.status_code == 202
    return str(response.json()["conversation_id"])


def post_all(url: str, texts: Sequence[str]) -> None:
    """Take in several conversations at once."""
    response = httpx.post(f"{url}{POSTS}/bulk", json=[{"text": said} for said in texts], trust_env=False)
    assert response.status_code == 202


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=40)


# --- how it ends --------------------------------------------------------------------------------------------


async def test_sigterm_gives_back_what_is_in_flight_and_the_next_start_completes_it(
    database_url: URL, grok: Grok, tmp_path: Path
) -> None:
    grok.latency = 5
    environ: Json = {"DATABASE_URL": address(database_url), "GROK_API_KEY": KEY, "GROK_BASE_URL": grok.url}
    with Process(tmp_path, **ONE_BY_ONE, **environ) as process:
        post_all(process.url, [f"{LATE} ({number})" for number in range(IN_FLIGHT)])
        await eventually(lambda: len(grok.calls) == IN_FLIGHT)
        seconds = process.end(signal.SIGTERM)

        assert process.exit_code() == 0, process.said
        assert seconds < LONGEST_END
        left = await rows(database_url, "SELECT status, lease, failures, id FROM conversations")
        calls = Counter(row.outcome for row in await rows(database_url, "SELECT outcome FROM grok_calls"))
        # On a slow machine some are answered before the grace is over.
        assert Counter(tuple(row[:3]) for row in left) == Counter(
            {("queued", None, 0): calls["given_back"], ("completed", None, 0): calls["ok"]}
        )
        assert calls.total() == IN_FLIGHT
        assert calls["given_back"] > 0
        (told,) = [json.loads(line) for line in process.said.splitlines() if "given_back" in line]
        # One of them may still be answered between the line and the end.
        assert calls["given_back"] <= told["calls"] <= IN_FLIGHT
        assert (await rows(database_url, "SELECT reserved FROM spending"))[0].reserved == 0

    grok.latency = 0
    async with running(database_url, grok) as service:
        await service.all_ended([row.id for row in left])
    insights = "SELECT count(*) AS written, count(DISTINCT conversation) AS about FROM insights"
    assert tuple((await rows(database_url, insights))[0]) == (IN_FLIGHT, IN_FLIGHT)
    assert Counter(grok.sent.values()) == Counter({2: calls["given_back"], 1: calls["ok"]})


async def test_sigterm_gives_back_who_waits_for_a_canary(sqlite_url: URL, grok: Grok, tmp_path: Path) -> None:
    grok.misbehave("status", status=500, calls=1)
    grok.misbehave("hang", marker=CANARY)
    environ: Json = {"DATABASE_URL": address(sqlite_url), "GROK_API_KEY": KEY, "GROK_BASE_URL": grok.url}
    with Process(tmp_path, **environ) as process:
        post(process.url)
        await eventually(lambda: grok.sent[CANARY])
        seconds = process.end(signal.SIGTERM)

        assert process.exit_code() == 0, process.said
        assert seconds < LONGEST_END
        assert "error" not in process.said
        left = await rows(sqlite_url, "SELECT status, lease, failures FROM conversations")
        assert [tuple(row) for row in left] == [("queued", None, 0)]
        calls = await rows(sqlite_url, "SELECT outcome FROM grok_calls ORDER BY number")
        assert [row.outcome for row in calls] == ["server_error", "given_back"]
        assert (await rows(sqlite_url, "SELECT reserved FROM spending"))[0].reserved == 0


async def test_sigterm_lets_calls_finish_that_are_about_to(
    grok: Grok, sqlite_url: URL, tmp_path: Path
) -> None:
    grok.latency = 1.5
    environ: Json = {"DATABASE_URL": address(sqlite_url), "GROK_API_KEY": KEY, "GROK_BASE_URL": grok.url}
    with Process(tmp_path, **environ) as process:
        post(process.url)
        await eventually(lambda: grok.calls)
        process.end(signal.SIGTERM)

    assert [row[0] for row in await rows(sqlite_url, "SELECT status FROM conversations")] == ["completed"]
    assert len(grok.calls) == 1


async def test_sigterm_is_obeyed_while_a_client_waits_and_the_file_is_locked(
    grok: Grok, sqlite_url: URL, tmp_path: Path
) -> None:
    grok.latency = 60
    environ: Json = {"DATABASE_URL": address(sqlite_url), "GROK_API_KEY": KEY, "GROK_BASE_URL": grok.url}
    with Process(tmp_path, **environ) as process:
        id_ = post(process.url)
        await eventually(lambda: grok.calls)
        with (
            closing(sqlite3.connect(str(sqlite_url.database), isolation_level=None)) as foreign,
            socket.create_connection(("127.0.0.1", process.port)) as waiting,
        ):
            foreign.execute("BEGIN EXCLUSIVE")
            waiting.sendall(f"GET {POSTS}/{id_}?wait=60 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            seconds = process.end(signal.SIGTERM)

        assert process.exit_code() == 0, process.said
        assert seconds < LONGEST_END


async def children_at_work(process: Process) -> Sequence[psutil.Process]:
    """What a service has started to analyse a conversation."""
    service = psutil.Process(process.process.pid)
    assert service.children() == []
    post(process.url)
    return list(await eventually(service.children))


async def test_ctrl_c_ends_it_with_0_and_without_a_traceback(tmp_path: Path) -> None:
    with Process(tmp_path) as process:
        children = await children_at_work(process)
        process.end(signal.SIGINT)

        assert process.exit_code() == 0
        assert "Traceback" not in process.said
        assert not re.search("error|exception", process.said, re.IGNORECASE)
        await eventually(lambda: not any(child.is_running() for child in children))


async def test_no_child_outlives_a_kill(tmp_path: Path) -> None:
    with Process(tmp_path) as process:
        children = await children_at_work(process)
        process.end(signal.SIGKILL)

        await eventually(lambda: not any(child.is_running() for child in children))


# --- why it does not start ----------------------------------------------------------------------------------


ORDINARY = re.compile('"level": "(info|warning)"')


def refused(forks: Forks, folder: Path, **environ: object) -> str:
    """The one line of a start that has to fail with exit code 2."""
    said = forks.refused(folder, **environ)
    lines = [line for line in said.splitlines() if not ORDINARY.search(line)]
    assert len(lines) == 1, said
    return lines[0]


SECRET = "swordfish"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"OUTBOUND_RPS": SECRET}, "OUTBOUND_RPS"),
        ({"AUTH_REQUIRED": "true", "AUTH_SECRET": SECRET}, "AUTH_SECRET: each secret must have at least 32"),
        ({"AUTH_REQUIRED": "true"}, "AUTH_REQUIRED=true needs AUTH_SECRET"),
        (
            {"AUTH_SECRET_FILE": "/nowhere/secret"},
            "AUTH_SECRET: AUTH_SECRET_FILE names a file that cannot be read",
        ),
        ({"FIELDS_FILE": SECRET}, "FIELDS_FILE: cannot be read: No such file"),
        ({"TOPICS_FILE": "/nowhere/topics.txt"}, "TOPICS_FILE"),
        ({"ROLE": "Worker"}, "ROLE=worker needs PostgreSQL"),
        ({"ROLE": SECRET}, "ROLE: must be one of all, api, worker"),
        ({"LEASE_MARGIN_SECONDS": "0"}, "LEASE_MARGIN_SECONDS: must be a number from 1 to 3600"),
        ({"WEB_CONCURRENCY": "2"}, "WEB_CONCURRENCY: an SQLite file has a single process"),
        ({"GROK_API_KEY": f"{SECRET}\x07", "GROK_MODE": "real"}, "API key"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(
    forks: Forks, environ: dict[str, str], named: str, tmp_path: Path
) -> None:
    line = refused(forks, tmp_path, **environ)

    assert named in line
    assert SECRET not in line


async def test_a_second_process_on_one_file_is_told_so(forks: Forks, sqlite_url: URL, tmp_path: Path) -> None:
    async with running(sqlite_url) as first:
        line = await asyncio.to_thread(refused, forks, tmp_path, DATABASE_URL=address(sqlite_url))

        assert "another process serves" in line
        assert str(sqlite_url.database) in line
        assert (await first.get("/health"))["status"] == "ok"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_that_is_taken_is_all_that_a_start_says(forks: Forks, host: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        said = forks.refused(tmp_path, PORT=port, HOST=host)

    assert said == f"cannot start: PORT: {port} is in use\n"
    assert list(tmp_path.glob("*.db*")) == []


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("192.0.2.1", "HOST: is not an address of this machine"),
        ("no such host", "HOST: is neither an address of this machine nor a name that leads to one"),
    ],
)
def test_a_host_that_is_not_this_machine_is_told_so(
    forks: Forks, host: str, line: str, tmp_path: Path
) -> None:
    assert forks.refused(tmp_path, HOST=host) == f"cannot start: {line}\n"


def events(process: Process) -> list[Json]:
    return [json.loads(line) for line in process.said.splitlines()]


def test_the_first_start_says_where_to_look_and_little_else(tmp_path: Path) -> None:
    with Process(tmp_path) as process:
        lines = events(process)

    assert [line["event"] for line in lines] == [
        "database_created",
        "offline_analyzer",
        "started",
        "listening",
    ]
    assert [lines[at]["path"] for at in (0, 2)] == [str(tmp_path / "insights.db")] * 2
    assert lines[-1]["docs"] == f"{process.url}/docs"


def test_a_start_that_others_can_reach_warns_once(tmp_path: Path) -> None:
    with Process(tmp_path, HOST="0.0.0.0") as process:
        lines = events(process)

    (warning,) = [line for line in lines if line["event"] == "open_to_the_network"]
    assert warning["level"] == "warning"
    assert "read and change everything" in warning["meaning"]
    (listening,) = [line for line in lines if line["event"] == "listening"]
    assert listening["docs"] == f"{process.url}/docs"


def test_a_file_that_is_no_database_is_told_so_and_left_alone(forks: Forks, tmp_path: Path) -> None:
    path = tmp_path / "insights.db"
    path.write_bytes(b"This is somebody's letter and no database. " * 100)
    before = path.read_bytes()

    line = refused(forks, tmp_path, DB_PATH=path)

    assert "not a database" in line
    assert path.read_bytes() == before


@pytest.fixture
def made(sqlite_url: URL) -> Path:
    """A database that was served and closed."""

    async def serve() -> None:
        async with database.opened(sqlite_url):
            pass

    asyncio.run(serve())
    return Path(str(sqlite_url.database))


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Nobody may write to the path in the block; skips the test where root may all the same."""
    if os.geteuid():
        mode = path.stat().st_mode
        path.chmod(mode & ~0o222)
        yield
        path.chmod(mode)
        return
    again = ["mount", "-o", "remount,bind,ro", str(path)]
    for command in (["mount", "--bind", str(path), str(path)], again):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"root may write anywhere: {done.stderr.strip()}")
    try:
        yield
    finally:
        unmount = ["umount", str(path)]
        subprocess.run(unmount, check=True)


def test_a_file_that_may_not_be_written_is_told_so(forks: Forks, made: Path, tmp_path: Path) -> None:
    with read_only(made):
        line = refused(forks, tmp_path, DB_PATH=made)

    assert "Read-only" in line
    assert str(made) in line


def test_a_folder_that_may_not_be_written_is_told_so(forks: Forks, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with read_only(folder):
        line = refused(forks, tmp_path, DB_PATH=folder / "insights.db")

    assert re.search("read-only|denied", line, re.IGNORECASE)
    assert str(folder) in line


def test_a_database_that_was_cut_off_is_told_so(forks: Forks, made: Path, tmp_path: Path) -> None:
    os.truncate(made, made.stat().st_size // 2)

    line = refused(forks, tmp_path, DB_PATH=made)

    assert "is damaged" in line
    assert str(made) in line


def test_a_database_of_a_newer_version_is_told_so(forks: Forks, made: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(made)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    line = refused(forks, tmp_path, DB_PATH=made)

    assert "a newer version of this program made the database" in line
    assert "9999" in line


def test_a_postgresql_that_is_not_there_is_told_so_without_the_password(forks: Forks, tmp_path: Path) -> None:
    url = f"postgresql://insights:{SECRET}@127.0.0.1:{free_port()}/insights"

    line = refused(forks, tmp_path, DATABASE_URL=url)

    assert SECRET not in line
    assert "onnect" in line


# --- what it may use ----------------------------------------------------------------------------------------


def test_it_opens_as_many_files_as_the_system_allows(tmp_path: Path) -> None:
    """Each connection is one, and a shell starts a program with 1,024."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    lowered = f"resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))"
    served = f"runpy.run_path({str(ROOT / 'main.py')!r}, run_name='__main__')"
    program = f"import resource, runpy, sys; sys.path.insert(0, {str(ROOT)!r}); {lowered}; {served}"
    with Process(tmp_path, ["-c", program]) as process:
        allowed, _ = psutil.Process(process.process.pid).rlimit(psutil.RLIMIT_NOFILE)

    assert allowed == (OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES))


def test_an_idle_connection_is_kept_longer_than_proxies_keep_theirs() -> None:
    """Else a proxy posts into a connection that is being closed, and nobody knows whether it was taken in."""
    assert server_config(Settings.model_construct()).timeout_keep_alive > PROXYS_KEEP_ALIVE


# --- other ways to start it ---------------------------------------------------------------------------------


def test_uvicorn_serves_main_app_as_well(tmp_path: Path) -> None:
    port = free_port()
    command = ["-m", "uvicorn", "main:app", "--app-dir", str(ROOT), "--port", str(port)]
    with Process(tmp_path, command, PORT=port) as process:
        id_ = post(process.url)

        assert get(f"{process.url}{POSTS}/{id_}?wait=20").json()["status"] == "completed"
        process.end(signal.SIGTERM)
        assert process.exit_code() in (0, -signal.SIGTERM)


def test_importing_the_application_opens_nothing(tmp_path: Path) -> None:
    program = "import main, os; main.app; print(sorted(os.listdir('.')))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"


def test_it_prints_its_version_and_opens_nothing(forks: Forks, tmp_path: Path) -> None:
    done = forks.run(tmp_path, {}, MAIN, "--version")

    assert (done.returncode, done.stdout, done.stderr) == (0, f"insights-platform {VERSION}\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argument", ["--port=80", "--ver", "serve"])
def test_an_unknown_argument_is_one_line_that_names_it(forks: Forks, argument: str, tmp_path: Path) -> None:
    done = forks.run(tmp_path, {}, MAIN, argument)

    assert (done.returncode, done.stdout) == (MISUSE, "")
    assert done.stderr == f"cannot start: unrecognized arguments: {argument}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_round_of_requests_passes_with_warnings_as_errors(grok: Grok, tmp_path: Path) -> None:
    environ: Json = {"GROK_API_KEY": KEY, "GROK_BASE_URL": grok.url, "BATCH_FLUSH_SECONDS": 0.1}
    with Process(tmp_path, ["-W", "error", MAIN], **environ) as process:
        id_ = post(process.url)
        asked = [
            "/healthz",
            "/metrics",
            "/openapi.json",
            "/docs",
            POSTS,
            f"{POSTS}/{id_}?wait=20&include=raw",
        ]
        answers = [get(process.url + path) for path in asked]
        retried = httpx.post(f"{process.url}{POSTS}/{id_}/retry", trust_env=False)
        deleted = httpx.delete(f"{process.url}{POSTS}/{id_}", trust_env=False)
        process.end(signal.SIGTERM)

        assert {answer.status_code for answer in answers} == {200}
        assert answers[-1].json()["status"] == "completed"
        assert (retried.status_code, deleted.status_code) == (409, 204)
        assert process.exit_code() == 0
        assert "Warning" not in process.said


async def test_what_lives_as_long_as_the_process_is_not_looked_through_for_garbage() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        raise NotImplementedError

    server = Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_config=None))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    before = gc.get_threshold()
    gc.disable()
    try:
        await server.startup()
        assert gc.isenabled()
        assert gc.get_freeze_count() > len(sys.modules)
        assert gc.get_threshold() == GC_THRESHOLDS
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        gc.enable()
        await server.shutdown()
