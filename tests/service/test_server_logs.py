"""What a whole server writes: lines of JSON, one for each failure."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

SECRET = "hunter2-hunter2"


PROGRAM = """
from collections.abc import AsyncIterator
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from api import errors, middleware
from api.server import listen
from core import logs
from core.metrics import Metrics
from rate_limiter import InboundLimiter

app = FastAPI()
errors.install(app)
middleware.install(app, Metrics(), InboundLimiter(0))

@app.get("/fine")
async def fine() -> str:
    return "fine"

@app.get("/broken")
async def broken(said: str) -> None:
    raise ValueError(said)

@app.get("/half")
async def half(said: str) -> StreamingResponse:
    async def lines() -> AsyncIterator[bytes]:
        yield b"one"
        raise ValueError(said)
    return StreamingResponse(lines())

sockets = listen("127.0.0.1", 0)
config = uvicorn.Config(app)
logs.configure("DEBUG")
print(sockets[0].getsockname()[1], flush=True)
uvicorn.Server(config).run(sockets)
"""


def test_a_server_writes_nothing_but_lines_of_json_and_one_for_each_failure() -> None:
    command = [sys.executable, "-c", PROGRAM]
    folder = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        with httpx.Client(base_url=url, trust_env=False, params={"said": SECRET}) as client:
            client.get("/fine")
            client.get("/broken", headers={"X-Request-ID": "first"})
            with pytest.raises(httpx.RemoteProtocolError):
                client.get("/half", headers={"X-Request-ID": "second"})
        server.send_signal(signal.SIGTERM)
        written, complaints = server.communicate(timeout=300)

    failures = [line for line in map(json.loads, written.splitlines()) if line["level"] == "error"]
    assert [(line["event"], line["error"], line["request_id"]) for line in failures] == [
        ("request_failed", "ValueError", "first"),
        ("Exception in ASGI application", "ValueError", "second"),
    ]
    assert complaints == ""
    assert SECRET not in written
    assert "/fine" not in written
