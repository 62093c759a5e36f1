"""Sockets, streams and idle connections through Caddy and nginx with the configurations of `deploy/proxy`."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Semaphore

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.server import KEEP_ALIVE
from benchmarks.support.process import POSTS
from tests.proxy.front import PONG, Front, fronted, ping
from tests.proxy.programs import DEPLOY, Proxy, Wanted, running

PING_SECONDS = 20
"""Between two pings that the service sends on a socket."""


def test_a_socket_with_a_key(front: Front) -> None:
    with front.socket() as connection:
        assert ping(connection) == PONG


def test_a_page_of_the_public_host_may_open_a_socket(front: Front) -> None:
    with front.socket(origin=front.proxy.origin) as connection:
        assert ping(connection) == PONG


@pytest.mark.parametrize("origin", ["https://localhost", "https://evil.example:8443"])
def test_a_page_from_elsewhere_may_not(front: Front, origin: str) -> None:
    """Another port is elsewhere, too: the Host header arrives with its port."""
    with pytest.raises(InvalidStatus) as refused:
        front.socket(origin=origin)

    assert refused.value.response.status_code == 403


def test_a_quiet_socket_outlives_the_proxys_limit(kind: str, tmp_path: Path) -> None:
    """The service's pings keep it open: the limit is twice passed, and shortened here."""
    limit = PING_SECONDS + 5
    with fronted(kind, tmp_path, read_seconds=limit) as front, front.socket() as connection:
        assert ping(connection) == PONG
        with pytest.raises(TimeoutError):
            connection.recv(timeout=limit * 2 + 1)
        assert ping(connection) == PONG


def test_frames_keep_a_socket_open_and_silence_closes_it(kind: str, tmp_path: Path) -> None:
    """What the pings are for: under a limit that is shorter than the time between them."""
    with fronted(kind, tmp_path, read_seconds=4) as front, front.socket() as connection:
        until = time.monotonic() + 8
        while time.monotonic() < until:
            assert ping(connection) == PONG
            with pytest.raises(TimeoutError):
                connection.recv(timeout=1)
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=PING_SECONDS - 5)


# --- nothing is kept back -----------------------------------------------------------------------------------


@contextmanager
def scripted(
    kind: str, folder: Path, idle_seconds: int | None = None
) -> Iterator[tuple[socket.socket, Proxy, ThreadPoolExecutor]]:
    """A proxy in front of a socket that the test itself serves, beside its client in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as upstream, ThreadPoolExecutor() as pool:
        upstream.settimeout(30)
        port = upstream.getsockname()[1]
        with running(kind, Wanted(port, idle_seconds=idle_seconds), folder) as proxy:
            yield upstream, proxy, pool


def test_each_line_arrives_before_the_next_is_sent(kind: str, tmp_path: Path) -> None:
    heard, lines = Semaphore(0), list[str]()

    def send_lines() -> None:
        connection, _ = upstream.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for number in range(5):
                connection.sendall(b"7\r\nline %d\n\r\n" % number)
                assert heard.acquire(timeout=20), f"line {number} was kept back"
            connection.sendall(b"0\r\n\r\n")

    with scripted(kind, tmp_path) as (upstream, proxy, pool):
        sent = pool.submit(send_lines)
        with proxy.client().stream("GET", POSTS) as answer:
            for line in answer.iter_lines():
                lines.append(line)
                heard.release()
        sent.result()

    assert lines == [f"line {number}" for number in range(5)]


def test_each_piece_of_a_body_arrives_before_the_next_is_sent(kind: str, tmp_path: Path) -> None:
    """Texts lie in no file of the proxy's."""
    arrived = Semaphore(0)

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            yield b"piece %d" % number
            assert arrived.acquire(timeout=20), f"piece {number} was kept back"

    with scripted(kind, tmp_path) as (upstream, proxy, pool):
        asked = pool.submit(proxy.client().post, POSTS, content=pieces())
        connection, _ = upstream.accept()
        with connection:
            received = b""
            for number in range(3):
                while b"piece %d" % number not in received:
                    received += connection.recv(65_536)
                arrived.release()
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            assert asked.result().status_code == 202


def test_an_idle_connection_to_the_service_is_closed_by_the_proxy(kind: str, tmp_path: Path) -> None:
    """Or a post could enter a connection that the service closes at that moment."""
    with scripted(kind, tmp_path, idle_seconds=2) as (upstream, proxy, pool):
        asked = pool.submit(proxy.client().get, "/healthz")
        connection, _ = upstream.accept()
        with connection:
            assert connection.recv(65_536).startswith(b"GET /healthz HTTP/1.1\r\n")
            since = time.monotonic()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.settimeout(30)
            assert connection.recv(1) == b""
            assert time.monotonic() - since >= 1.5
        assert asked.result().status_code == 200


@pytest.mark.parametrize(
    ("file", "setting"),
    [("Caddyfile", r"UPSTREAM_IDLE:(\d+)s"), ("nginx.conf", r"keepalive_timeout (\d+)s")],
)
def test_the_proxy_closes_idle_connections_before_the_service_does(file: str, setting: str) -> None:
    found = [int(seconds) for seconds in re.findall(setting, (DEPLOY / file).read_text())]

    assert found
    assert max(found) <= KEEP_ALIVE - 10
