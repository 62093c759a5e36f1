"""Pages as Streamlit draws them, without a browser; a real service with real data behind them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from sqlalchemy.engine import URL
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.testing.v1 import AppTest

from benchmarks.support.serving import Served
from dashboard import credentials
from dashboard.pages import CHANGED
from tests.support.service import serving

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_tweets.csv"
OWN = ("API_URL", "API_KEY", "API_KEY_FILE", "LOGIN_URL")


@contextmanager
def sampled(database: URL, **given: Any) -> Iterator[Served]:
    """An offline service that has analysed the sample; `given` are its settings."""
    with serving(database, None, chat_quiet_seconds=0, **given) as server:
        ingest = [
            sys.executable,
            str(ROOT / "ingest_data.py"),
            "--file",
            str(SAMPLE),
            "--api-url",
            server.url,
        ]
        done = subprocess.run([*ingest, "--wait"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        yield server


class Heard:
    """Notes each request on its way to an application."""

    def __init__(self, app: ASGIApp) -> None:
        self.requests: list[str] = []
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.requests.append(f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}")
        await self._app(scope, receive, send)


@contextmanager
def heard(server: Served) -> Iterator[list[str]]:
    """What a running service is asked meanwhile."""
    app: Any = server.app
    usual = app.middleware_stack
    app.middleware_stack = listener = Heard(usual)
    try:
        yield listener.requests
    finally:
        app.middleware_stack = usual


@contextmanager
def settings(url: str, **environ: str) -> Iterator[None]:
    """The dashboard's settings while the block runs, and nothing that it knew before."""
    before = {name: os.environ.pop(name) for name in OWN if name in os.environ}
    _forget()
    os.environ.update({"API_URL": url, **environ})
    try:
        yield
    finally:
        for name in OWN:
            os.environ.pop(name, None)
        os.environ.update(before)
        _forget()


def _forget() -> None:
    credentials.settings.clear()
    st.cache_data.clear()


def opened(path: str = CHANGED.path, address: Mapping[str, str] | None = None) -> AppTest:
    """A page, drawn at an address, in a session of its own."""
    page = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=60)
    if path != CHANGED.path:
        page.run()
        page.switch_page(path)
    for name, value in (address or {}).items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception
    return page


def said(page: AppTest) -> str:
    """All that is written on a page, without its tables."""
    kinds = ("title", "header", "subheader", "text", "caption", "markdown", "info", "warning")
    return "\n".join(str(each.value) for kind in kinds for each in getattr(page, kind))
