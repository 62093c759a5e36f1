"""Serving an app on a real socket."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp


class Served:
    """An ASGI app on loopback, run by uvicorn in a thread. While stopped its port refuses connections."""

    def __init__(self, app: ASGIApp, *, port: int = 0, grace: int = 1, **options: Any) -> None:
        """`grace` is how many seconds a stop waits for requests in progress before it cancels them.

        `options` are the server's.
        """
        self.app = app
        self.port = port
        self.grace = grace
        self.options = options
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = uvicorn.Config(
            self.app,
            host="127.0.0.1",
            port=self.port,
            log_config=None,
            log_level="error",
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=self.grace,
            **self.options,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="served", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the server did not start")
            if time.monotonic() > deadline:
                raise TimeoutError("the server did not start within 30 s")
            time.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(self.grace + 30)
        if self._thread.is_alive():
            raise TimeoutError("the server did not stop")
        self._server = self._thread = None


@contextmanager
def served(app: ASGIApp, *, port: int = 0, grace: int = 1, **options: Any) -> Iterator[Served]:
    """Serve the app while the block runs; `url` says where."""
    server = Served(app, port=port, grace=grace, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
