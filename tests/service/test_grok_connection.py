"""When a call leaves, how long it may take, and what becomes of its connection."""

import asyncio
import gzip
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from benchmarks.support.serving import served
from benchmarks.support.waiting import eventually
from domain.analysis import CallFailed, ProviderFault, Unsent
from domain.topics import BUILT_IN
from grok_client import GrokClient
from tests.fake_grok.faults import Draft
from tests.fake_grok.server import KEY, FakeGrok, judged

TEXT = "the parcel is late"
ROW = {"conversation_id": "1"} | judged(TEXT)
COMPLETION = Draft(rows=[ROW], usage=None, model="grok-4.3", strict=True).payload
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(COMPLETION) + COMPLETION

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def client_for(url: str, **how: Any) -> GrokClient:
    given: dict[str, Any] = {"timeout": 10, "max_in_flight": 1}
    return GrokClient(
        base_url=f"{url}/v1", api_key=SecretStr(KEY), model="grok-4.3", topics=BUILT_IN, **(given | how)
    )


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    """A server that does with each connection what the handler does; its address."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def request(reader: asyncio.StreamReader) -> None:
    """Read one request to its end; raises IncompleteReadError where there is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    await reader.readexactly(int(length[1]))


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def at_once() -> None:
    """A pacer without a pace."""


async def failure(client: GrokClient, before_send: Callable[[], Awaitable[None]] = at_once) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await client.analyse([TEXT], before_send)
    return caught.value


async def test_a_call_gets_its_turn_before_it_takes_a_connection() -> None:
    seen: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append("connection")
        await request(reader)
        writer.write(ANSWER)
        await closed(writer)

    async def before_send() -> None:
        await asyncio.sleep(0.1)  # a connection made too early would have arrived by now
        seen.append("turn")

    async with listening(handler) as url, client_for(url) as client:
        reply = await client.analyse([TEXT], before_send)

    assert seen == ["turn", "connection"]
    assert len(reply.rows) == 1


async def test_the_timeout_counts_from_the_turn_and_not_from_the_wait_for_it() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(ANSWER)
        await closed(writer)

    async with listening(handler) as url, client_for(url, timeout=2) as client:
        reply = await client.analyse([TEXT], lambda: asyncio.sleep(2.2))

    assert len(reply.rows) == 1


@pytest.mark.parametrize(("kind", "how"), [("hang", {}), ("endless", {"pause": 0.05})], ids=["hang", "drip"])
async def test_an_answer_that_never_ends_is_a_timeout_of_the_whole_call(
    kind: str, how: dict[str, Any]
) -> None:
    fake = FakeGrok()
    fake.misbehave(kind, calls=1, **how)

    with served(fake, grace=0) as server:
        # So long that a busy machine answers the second call in time.
        async with client_for(server.url, timeout=2) as client:
            error = await failure(client)
            fine = await client.analyse([TEXT], at_once)

    assert (type(error), error.outcome) == (ProviderFault, "timeout")
    assert len(fine.rows) == 1


async def test_a_server_that_does_not_listen_is_unreachable_until_it_does() -> None:
    fake = FakeGrok()
    with served(fake, grace=0) as server:
        async with client_for(server.url) as client:
            server.stop()
            error = await failure(client)
            server.start()
            fine = await client.analyse([TEXT], at_once)

    assert (type(error), error.outcome) == (Unsent, "unreachable")
    assert len(fine.rows) == 1


async def test_a_call_whose_connection_is_never_made_has_not_left() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await closed(writer)

    async with listening(silent) as url:
        https = url.replace("http:", "https:")  # whose handshake is never answered
        async with client_for(https, timeout=0.3) as client:
            error = await failure(client)

    assert (type(error), error.outcome) == (Unsent, "unreachable")


async def test_what_the_pacer_raises_comes_through_and_leaves_no_connection_behind() -> None:
    fake = FakeGrok()

    async def refuse() -> None:
        raise LookupError

    with served(fake, grace=0) as server:
        async with client_for(server.url) as client:
            for _ in range(3):
                with pytest.raises(LookupError):
                    await client.analyse([TEXT], refuse)
            reply = await client.analyse([TEXT], at_once)

    assert len(fake.calls) == 1
    assert len(reply.rows) == 1


async def test_a_timeout_of_the_pacer_is_not_taken_for_one_of_the_server() -> None:
    async def refuse() -> None:
        raise TimeoutError

    with served(FakeGrok(), grace=0) as server:
        async with client_for(server.url) as client:
            with pytest.raises(TimeoutError):
                await client.analyse([TEXT], refuse)


async def test_a_cancelled_call_frees_its_connection() -> None:
    fake = FakeGrok()
    fake.misbehave("hang", calls=1)

    with served(fake, grace=0) as server:
        async with client_for(server.url) as client:
            call = asyncio.create_task(client.analyse([TEXT], at_once))
            await eventually(lambda: fake.calls)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            reply = await client.analyse([TEXT], at_once)

    assert len(reply.rows) == 1


async def test_one_connection_carries_call_after_call() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(3):
            await request(reader)
            writer.write(ANSWER)
        await closed(writer)

    async with listening(handler) as url, client_for(url) as client:
        for _ in range(3):
            await client.analyse([TEXT], at_once)

    assert connections == 1


async def test_a_pooled_connection_that_the_server_closed_loses_no_call() -> None:
    hung_up = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(ANSWER)
        await closed(writer)
        hung_up.set()

    async with listening(handler) as url, client_for(url) as client:
        for _ in range(3):
            hung_up.clear()
            reply = await client.analyse([TEXT], at_once)
            await hung_up.wait()

    assert len(reply.rows) == 1


async def test_a_connection_that_breaks_without_an_answer_is_unreachable() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        await closed(writer)

    async with listening(handler) as url, client_for(url) as client:
        error = await failure(client)

    assert (type(error), error.outcome) == (ProviderFault, "unreachable")


async def test_a_client_that_was_left_makes_no_more_calls() -> None:
    async with client_for("http://127.0.0.1:9") as client:
        pass

    with pytest.raises(RuntimeError):
        await client.analyse([TEXT], at_once)


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    with served(FakeGrok(), grace=0) as server:
        async with client_for(server.url) as client:
            reply = await client.analyse([TEXT], at_once)

    assert len(reply.rows) == 1


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(COMPLETION, mtime=0)),
        ("GZIP", gzip.compress(COMPLETION, mtime=0)),
        (" Gzip ", gzip.compress(COMPLETION, mtime=0)),
        ("x-gzip", gzip.compress(COMPLETION, mtime=0)),
        ("Deflate", zlib.compress(COMPLETION)),
        ("Identity", COMPLETION),
    ],
)
async def test_an_answer_is_unpacked_however_its_coding_is_written(coding: str, packed: bytes) -> None:
    async with listening(answering(coding, packed)) as url, client_for(url) as client:
        reply = await client.analyse([TEXT], at_once)

    assert len(reply.rows) == 1


@pytest.mark.parametrize(
    ("coding", "words"),
    [
        ("br", "the body is packed as br, and gzip was asked for"),
        ("gzip", "the body is not packed as content-encoding says"),
    ],
)
async def test_an_answer_that_cannot_be_unpacked_is_named(coding: str, words: str) -> None:
    async with listening(answering(coding, COMPLETION)) as url, client_for(url) as client:
        error = await failure(client)

    assert (error.outcome, error.detail) == ("no_completion", words)


def answering(coding: str, body: bytes) -> Handler:
    """A server that answers with this body, said to be packed so."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await closed(writer)

    return handler
