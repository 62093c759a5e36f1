"""The programs that take part in a measurement, each a process of its own on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.results import ROOT
from benchmarks.support.process import Process, free_port
from tests.fake_grok.server import KEY

LEAN = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
LONGEST_DRIVE = 600


@contextmanager
def fake_grok(latency: float) -> Iterator[str]:
    """A fake Grok that takes so many seconds for a call; its address."""
    command = [sys.executable, "-m", "tests.fake_grok", "--latency", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own
        assert process.stdout is not None  # noqa: S101  for the type checker
        try:
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.kill()  # it keeps nothing; ended gently, it would tell of each call that is under way


@contextmanager
def service(folder: Path, grok: str | None, **environ: Any) -> Iterator[Process]:
    """The service on an SQLite file in `folder`, rate limits off; without a Grok's address it is offline."""
    asked = {} if grok is None else {"GROK_API_KEY": KEY, "GROK_BASE_URL": f"{grok}/v1"}
    given = {"DATABASE_URL": f"sqlite:///{folder}/insights.db", "INBOUND_RPS": 0, "LOG_LEVEL": "WARNING"}
    with Process(folder, **{**given, **asked, **environ}) as process:
        yield process


@contextmanager
def baseline(folder: Path, name: str) -> Iterator[Process]:
    """One of `benchmarks.baselines`, served as the service is."""
    port = free_port()
    command = ["-m", "uvicorn", f"benchmarks.baselines:{name}", "--port", str(port), *LEAN]
    given = {"PORT": port, "DB_PATH": folder / "baseline.db", "PYTHONPATH": ROOT}
    with Process(folder, command, wait=False, **given) as process:
        _until_answered(process.url)
        yield process


def _until_answered(url: str) -> None:
    transport = httpx.HTTPTransport(retries=8)  # after half a second, then twice as long each time
    with httpx.Client(transport=transport, trust_env=False, timeout=30) as http:
        http.get(f"{url}/openapi.json").raise_for_status()


def drive(process: Process, path: str, *, key: str = "", **given: float) -> dict[str, Any]:
    """What `benchmarks.driver` saw with these options, and the CPU microseconds a conversation cost the server."""
    command = [sys.executable, "-m", "benchmarks.driver", process.url + path]
    options = [f"--{name.replace('_', '-')}={value:g}" for name, value in given.items()]
    options += [f"--key={key}"] if key else []
    before = cpu_seconds(process)
    done = subprocess.run(  # noqa: S603  our own
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=True, timeout=LONGEST_DRIVE
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "cpu_us": (cpu_seconds(process) - before) / found["sent"] * 1_000_000}


def cpu_seconds(process: Process) -> float:
    """CPU time that the server has used so far, without its children's."""
    times = psutil.Process(process.process.pid).cpu_times()
    return float(times.user + times.system)


def resident_mb(process: Process) -> float:
    """Resident memory of the server and its children, in MB."""
    server = psutil.Process(process.process.pid)
    return sum(each.memory_info().rss for each in (server, *server.children(recursive=True))) / 1_000_000
