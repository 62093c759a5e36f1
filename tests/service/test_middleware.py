"""What every request passes, over a real socket: request id, metrics, rate limits, body sizes."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import httpx
import pytest
import structlog
from fastapi import APIRouter, Body, FastAPI, Request
from prometheus_client.parser import text_string_to_metric_families

from api import errors, middleware
from api.middleware import BodySizes
from benchmarks.support.serving import served
from core.metrics import Metrics
from rate_limiter import InboundLimiter
from tests.support.fake_time import FakeTime
from tests.support.log_lines import captured

POSTS = "/api/v1/conversations"
BULK = f"{POSTS}/bulk"
UNLIMITED = InboundLimiter(0)
SMALL = BodySizes(default=1_000, by_path={BULK: 5_000}, in_progress=6_000)


def routes() -> APIRouter:
    """A few routes under a prefix of their own, as the service has them."""
    router = APIRouter(prefix="/conversations")

    @router.post("", status_code=202)
    async def store(sent: Annotated[dict[str, str], Body()]) -> str:
        return "stored"

    @router.post("/bulk", status_code=202)
    async def bulk(request: Request) -> int:
        return len(await request.body())

    @router.post("/status")
    async def status() -> str:
        return "queued"

    @router.get("/{conversation_id}")
    async def read(conversation_id: str) -> str:
        structlog.get_logger().info("asked_for")
        return conversation_id

    @router.get("/{conversation_id}/broken")
    async def broken(conversation_id: str) -> None:
        raise RuntimeError

    return router


@dataclass
class Edge:
    """A client of an app that has nothing but the edge, and the app's metrics."""

    client: httpx.Client
    metrics: Metrics
    port: int

    def requests(self) -> dict[tuple[str, str], float]:
        """How many requests were counted, by route and status."""
        return {
            (sample.labels["route"], sample.labels["status"]): sample.value
            for family in text_string_to_metric_families(self.metrics.render().decode())
            for sample in family.samples
            if sample.name == "http_request_duration_seconds_count"
        }


@contextmanager
def edge(limiter: InboundLimiter = UNLIMITED, sizes: BodySizes = SMALL) -> Iterator[Edge]:
    app, metrics = FastAPI(), Metrics()
    errors.install(app)
    middleware.install(app, metrics, limiter, sizes)
    app.include_router(routes(), prefix="/api/v1")

    @app.get("/health")
    async def health() -> str:
        return "ok"

    with (
        served(app) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        yield Edge(client, metrics, server.port)


@pytest.fixture(scope="module")
def plain() -> Iterator[Edge]:
    """Without rate limits."""
    with captured("CRITICAL"), edge() as made:
        yield made


def test_a_request_id_is_made_and_differs_each_time(plain: Edge) -> None:
    ids = {plain.client.get(f"{POSTS}/a").headers["x-request-id"] for _ in range(5)}

    assert len(ids) == 5
    assert all(len(each) >= 16 for each in ids)


def test_the_clients_own_request_id_comes_back(plain: Edge) -> None:
    answer = plain.client.get(f"{POSTS}/a", headers={"X-Request-ID": "trace 7/b"})

    assert answer.headers["x-request-id"] == "trace 7/b"


@pytest.mark.parametrize("given", [b"x" * 129, b"caf\xc3\xa9", b"a\tb", b""])
def test_a_request_id_that_is_not_sane_is_replaced(plain: Edge, given: bytes) -> None:
    answer = plain.client.get(f"{POSTS}/a", headers={b"X-Request-ID": given})

    assert len(answer.headers["x-request-id"]) == 16


@pytest.mark.parametrize("path", [f"{POSTS}/a/broken", "/nothing"])
def test_failures_carry_a_request_id_too(plain: Edge, path: str) -> None:
    answer = plain.client.get(path, headers={"X-Request-ID": "mine"})

    assert answer.status_code in (404, 500)
    assert answer.headers["x-request-id"] == "mine"


def test_lines_logged_for_a_request_carry_its_id() -> None:
    with captured("INFO") as lines, edge() as made:
        for request_id in ("one", "two"):
            made.client.get(f"{POSTS}/a", headers={"X-Request-ID": request_id})
        made.client.get(f"{POSTS}/a/broken", headers={"X-Request-ID": "three"})

    told = [(line["event"], line["request_id"]) for line in lines.events()]
    assert told == [("asked_for", "one"), ("asked_for", "two"), ("request_failed", "three")]


def test_requests_are_timed_under_the_template_of_their_route_never_their_path() -> None:
    with captured("CRITICAL"), edge() as made:
        for number in range(3):
            made.client.get(f"{POSTS}/conv_{number}")
        made.client.post(POSTS, json={"text": "a"})
        made.client.post(POSTS, json=["wrong"])
        made.client.get(f"{POSTS}/a/broken")
        made.client.delete(f"{POSTS}/a")
        made.client.get("/nothing/at/all")

        assert made.requests() == {
            ("/api/v1/conversations/{conversation_id}", "200"): 3,
            ("/api/v1/conversations", "202"): 1,
            ("/api/v1/conversations", "400"): 1,
            ("/api/v1/conversations/{conversation_id}/broken", "500"): 1,
            ("/api/v1/conversations/{conversation_id}", "405"): 1,
            ("unmatched", "404"): 1,
        }


def test_over_the_limit_is_a_429_that_says_when_to_come_again() -> None:
    with edge(InboundLimiter(2, clock=FakeTime())) as made:
        answers = [made.client.post(POSTS, json={"text": "a"}) for _ in range(4)]

        refused = answers[-1]
        assert [answer.status_code for answer in answers] == [202, 202, 429, 429]
        assert refused.json() == {"error": "rate_limit_exceeded", "retry_after": 1}
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["x-request-id"]
        assert made.metrics.registry.get_sample_value("rate_limited_total") == 2
        assert made.requests()["unmatched", "429"] == 2


def test_an_ipv6_64_behind_a_trusted_proxy_is_one_client() -> None:
    addresses = ["2001:db8::1", "2001:db8::2", "[2001:db8::3]:4711", "::ffff:192.0.2.1", "192.0.2.1"]
    with edge(InboundLimiter(0, per_client=1, clock=FakeTime())) as made:
        asked = [
            made.client.get(f"{POSTS}/a", headers={"X-Forwarded-For": address}).status_code
            for address in addresses
        ]

    assert asked == [200, 429, 429, 200, 429]


def test_answers_say_where_the_client_stands() -> None:
    with edge(InboundLimiter(1_000, per_client=3, window=60, clock=FakeTime())) as made:
        answers = [made.client.get(f"{POSTS}/a") for _ in range(4)]

        stands = [
            tuple(int(answer.headers[f"ratelimit-{name}"]) for name in ("limit", "remaining", "reset"))
            for answer in answers
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert stands == [(3, 2, 60), (3, 1, 60), (3, 0, 60), (3, 0, 60)]
        assert answers[3].headers["retry-after"] == "60"


def test_a_flood_of_posts_does_not_lock_the_readers_out() -> None:
    with edge(InboundLimiter(3, clock=FakeTime())) as made:
        posts = [made.client.post(POSTS, json={"text": "a"}).status_code for _ in range(10)]

        assert posts == [202] * 3 + [429] * 7
        assert made.client.get(f"{POSTS}/a").status_code == 200
        assert made.client.post(f"{POSTS}/status").status_code == 200


def test_health_and_documentation_are_free() -> None:
    with edge(InboundLimiter(1, clock=FakeTime())) as made:
        for path in ("/health", "/openapi.json"):
            answers = [made.client.get(path) for _ in range(5)]

            assert [answer.status_code for answer in answers] == [200] * 5
            assert "ratelimit-limit" not in answers[0].headers


def test_without_a_limit_there_are_no_headers_of_it(plain: Edge) -> None:
    assert not [name for name in plain.client.get(f"{POSTS}/a").headers if name.startswith("ratelimit")]


def chunks(size: int) -> Iterator[bytes]:
    """A body whose length is not announced."""
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_its_paths_limit_is_a_413(plain: Edge, announced: bool) -> None:
    for path, size, status in ((POSTS, 1_100, 413), (BULK, 4_900, 202), (BULK, 5_100, 413)):
        answer = plain.client.post(
            path,
            content=b"x" * size if announced else chunks(size),
            headers={"content-type": "application/json"},
        )

        assert answer.status_code == status
        if status == 413:
            assert answer.json()["error"] == "payload_too_large"


def test_a_client_that_sends_on_after_a_413_still_reads_it(plain: Edge) -> None:
    answer = plain.client.post(POSTS, content=b"x" * 20_000_000, headers={"content-type": "application/json"})

    assert answer.json()["error"] == "payload_too_large"


@contextmanager
def half_sent(port: int, size: int, announced: int = 5_000) -> Iterator[socket.socket]:
    """A bulk of which `size` bytes arrive, and no more."""
    head = f"POST {BULK} HTTP/1.1\r\nHost: a\r\nContent-Length: {announced}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode() + b"x" * size)
        yield connection


def test_a_body_that_is_announced_as_too_large_is_refused_before_it_is_sent(plain: Edge) -> None:
    with half_sent(plain.port, 0, announced=5_001) as connection:
        assert connection.recv(1_000).startswith(b"HTTP/1.1 413 ")


async def refused_by(made: Edge, size: int) -> httpx.Response:
    """The answer to a bulk of `size` bytes as soon as one is refused."""
    async with asyncio.timeout(60):
        while True:
            answer = await asyncio.to_thread(made.client.post, BULK, content=b"x" * size)
            if answer.status_code != 202:
                return answer


async def test_bodies_that_together_are_too_much_for_the_memory_are_a_503_until_one_is_gone() -> None:
    with edge() as made:
        with half_sent(made.port, 4_000):
            answer = await refused_by(made, 3_000)
            small = await asyncio.to_thread(made.client.post, POSTS, json={"text": "a"})
            with half_sent(made.port, 0, announced=3_000) as connection:
                early = connection.recv(1_000)

            assert answer.status_code == 503
            assert answer.json() == {"error": "overloaded", "retry_after": 1}
            assert answer.headers["retry-after"] == "1"
            assert small.status_code == 202
            assert early.startswith(b"HTTP/1.1 503 ")

        async with asyncio.timeout(60):
            while (await asyncio.to_thread(made.client.post, BULK, content=b"x" * 3_000)).status_code != 202:
                pass


async def test_a_client_that_announces_much_and_sends_little_takes_no_room_from_the_others(
    plain: Edge,
) -> None:
    with half_sent(plain.port, 10), half_sent(plain.port, 10), half_sent(plain.port, 10):
        answers = [plain.client.post(BULK, content=b"x" * 4_000).status_code for _ in range(20)]

    assert set(answers) == {202}
