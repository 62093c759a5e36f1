"""What HTTP clients, monitors and proxies expect of any service: HEAD, slashes, a prefix, an orderly end."""

import asyncio
import json
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy.engine import URL
from websockets.asyncio.client import connect

from api import errors
from benchmarks.support.process import POSTS, Process
from benchmarks.support.serving import served
from core.settings import Settings
from tests.fake_grok.server import KEY
from tests.support.log_lines import captured
from tests.support.service import Grok, Service, running

LATE = "My parcel is three days late and nobody answers"
MESSAGE = {"user_id": "u", "user_type": "customer", "message_content": LATE}
WINDOW = "start_time=2020-01-01&end_time=2030-01-01"


@pytest.fixture
async def service(database_url: URL) -> AsyncIterator[Service]:
    async with running(database_url) as made:
        yield made


@pytest.fixture(scope="module")
async def shared(shared_database_url: URL) -> AsyncIterator[Service]:
    """For tests that change nothing, or all the same."""
    async with running(shared_database_url) as made:
        yield made


# --- HEAD ---------------------------------------------------------------------------------------------------

READ = [
    "/health",
    "/healthz",
    "/docs",
    "/openapi.json",
    "/chats",
    f"/api/v1/insights?{WINDOW}",
    f"{POSTS}/one",
    "/",
]


@pytest.mark.parametrize("path", [*READ, "/metrics", "/nothing/here", f"/api/v1/insights?{WINDOW}&limit=0"])
async def test_head_is_answered_like_get_without_the_body(shared: Service, path: str) -> None:
    await shared.post(LATE, conversation_id="one")
    await shared.ended("one")

    full = await shared.http.get(path)
    head = await shared.http.head(path)

    assert head.status_code == full.status_code
    assert head.content == b""
    assert head.headers.get("content-type") == full.headers.get("content-type")
    assert path == "/metrics" or head.headers.get("content-length") == full.headers.get("content-length")


async def test_head_of_an_export_ends_with_its_headers(service: Service) -> None:
    await service.ended(await service.post(LATE))

    head = await service.http.head(f"/api/v1/insights?{WINDOW}", headers={"Accept": "text/csv"})

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/csv")
    assert (await service.http.get("/healthz")).status_code == 200


async def test_head_where_there_is_no_get_is_a_405(service: Service) -> None:
    head = await service.http.head("/api/v1/analysis/pause")

    assert (head.status_code, head.headers["allow"]) == (405, "POST")


# --- a slash at the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["/", "//"])
async def test_a_slash_at_the_end_is_answered_without_a_redirect(service: Service, slash: str) -> None:
    posted = await service.http.post(f"{POSTS}{slash}", json={"text": LATE, "conversation_id": "one"})
    answers = [
        posted,
        *[
            await service.http.get(f"{path}{slash}")
            for path in ("/health", "/chats", f"{POSTS}/one", "/docs")
        ],
        await service.http.get(f"{POSTS}/?limit=1"),
        await service.http.delete(f"/chats/one{slash}"),
    ]

    assert [answer.status_code for answer in answers] == [202, 200, 200, 200, 200, 200, 204]


# --- the address itself, and /docs --------------------------------------------------------------------------


async def test_the_address_itself_leads_to_the_docs(service: Service) -> None:
    answer = await service.http.get("/")

    assert answer.is_redirect
    assert answer.headers["location"] == "/docs"


def links(page: str) -> list[str]:
    return re.findall(r"""(?:src|href)=["']([^"']+)["']""", page) + re.findall(
        r"""url: ["']([^"']+)["']""", page
    )


async def test_the_docs_need_nothing_from_outside(service: Service) -> None:
    page = (await service.http.get("/docs")).text

    assert len(links(page)) == 4
    assert "://" not in page
    for link in links(page):
        answer = await service.http.get(link)
        assert answer.status_code == 200
        assert len(answer.content) > 500


async def test_there_are_no_other_files_beside_the_docs(service: Service) -> None:
    for name in ("__init__.py", "..%2Fmain.py", "nothing.js"):
        answer = await service.http.get(f"/docs/{name}")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


# --- behind a prefix ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "passed on"])
async def test_links_begin_with_the_prefix_whether_or_not_the_proxy_removes_it(
    database_url: URL, removed: bool
) -> None:
    prefix = "/apps/insights"
    async with running(database_url, root_path=f"{prefix}/") as service:
        seen = "" if removed else prefix
        posted = await service.http.post(f"{seen}{POSTS}", json={"text": LATE, "conversation_id": "one"})
        asked = await service.http.post(f"{seen}/chats/summarize?wait=0", json={"conversation_id": "one"})
        page = await service.http.get(f"{seen}/docs")
        root = await service.http.get(f"{seen}/")
        document = await service.http.get(f"{seen}/openapi.json/")
        missing = await service.http.get(f"{prefix}x/health")
        address = f"{service.url.replace('http', 'ws')}{seen}/ws/chats/one"
        async with connect(address, proxy=None) as live:
            await live.send('{"type": "ping"}')
            assert "pong" in str(await live.recv())

    assert posted.headers["location"] == f"{prefix}{POSTS}/one"
    assert asked.headers.get("location", f"{prefix}/chats/one/summary") == f"{prefix}/chats/one/summary"
    assert root.headers["location"] == f"{prefix}/docs"
    assert document.json()["servers"] == [{"url": prefix}]
    assert missing.status_code == 404
    assert links(page.text)
    assert all(link.startswith(f"{prefix}/") for link in links(page.text))


@pytest.mark.parametrize(
    "path", ["insights", "/in sights", "//x", "https://host/x", "/api", "/api/v1", "/chats", "/docs"]
)
def test_a_prefix_that_is_none_is_refused_by_name(path: str) -> None:
    with pytest.raises(ValidationError, match="root_path"):
        Settings.model_validate({"root_path": path})


# --- numbers that are too large -----------------------------------------------------------------------------


NO_SUCH_PAGE = ["9" * 20, "9223372036854775808", "1" + "0" * 10, "9" * 5_000]
PAGED = ["/chats?keyword=late&page=", "/chats?page=", "/users/u/chats?page=", "/chats/one?page="]
NO_SUCH_NUMBER = [number for number in NO_SUCH_PAGE if len(number) >= 19]
"""A cursor is the number of a conversation, and there may be ten billion."""


@pytest.mark.parametrize(
    "path",
    [path + number for path in PAGED for number in NO_SUCH_PAGE]
    + [f"{POSTS}?cursor={number}" for number in NO_SUCH_NUMBER],
)
async def test_a_page_number_that_no_list_reaches_is_a_400(shared: Service, path: str) -> None:
    await shared.post(LATE, conversation_id="one")

    answer = await shared.http.get(path)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_query")
    assert re.match("page|cursor", answer.json()["details"])


# --- the end ------------------------------------------------------------------------------------------------


class Asked:
    """A request that was sent over a socket of its own, and is read by the server but not answered."""

    def __init__(self, url: str, method: str, path: str, body: str = "") -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20)
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        self._socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def answer(self) -> tuple[int, Any]:
        with self._socket:
            received = HTTPResponse(self._socket)
            received.begin()
            return received.status, json.load(received)


def stop_while_asked(process: Process, method: str, path: str, body: str = "") -> tuple[int, Any]:
    asked = Asked(process.url, method, path, body)
    with httpx.Client(base_url=process.url, trust_env=False) as http:
        # Whatever was sent before these two has been read by now: one loop reads all.
        http.get("/healthz")
        http.get("/healthz")
    assert process.end(signal.SIGTERM) < 8
    assert "Exception in ASGI" not in process.said
    assert "Traceback" not in process.said
    return asked.answer()


@pytest.fixture
def held(tmp_path: Path, grok: Grok) -> Iterator[Process]:
    """A service whose model takes a minute to answer, with one chat."""
    grok.latency = 60
    environ: dict[str, Any] = {"GROK_API_KEY": KEY, "GROK_BASE_URL": grok.url, "BATCH_FLUSH_SECONDS": 0}
    with Process(tmp_path, DB_PATH="insights.db", **environ) as process:
        with httpx.Client(base_url=process.url, trust_env=False) as http:
            http.post(POSTS, json={"text": LATE, "conversation_id": "one"}).raise_for_status()
        yield process


def test_a_stop_answers_who_waits_for_an_analysis_with_its_state(held: Process) -> None:
    status, body = stop_while_asked(held, "GET", f"{POSTS}/one?wait=30")

    assert status == 200
    assert body["status"] in ("queued", "processing")


@pytest.mark.parametrize("kind", ["summarize", "insights"])
def test_a_stop_answers_who_waits_for_a_summary_with_its_state(held: Process, kind: str) -> None:
    answer = stop_while_asked(held, "POST", f"/chats/{kind}?wait=30", '{"conversation_id": "one"}')

    assert answer == (202, {"status": "pending"})


def test_any_other_request_that_a_stop_cuts_off_is_told_so() -> None:
    app, begun = FastAPI(), threading.Event()
    errors.install(app)

    @app.get("/slow")
    async def slow() -> None:
        begun.set()
        await asyncio.sleep(60)

    with captured("INFO") as lines:
        with served(app) as server:
            asked = Asked(server.url, "GET", "/slow")
            assert begun.wait(10)
        status, body = asked.answer()

    assert (status, body["error"], body["details"]) == (503, "overloaded", "the service is stopping")
    assert "request_cut_off" in str(lines)
    assert "Exception in ASGI" not in str(lines)
