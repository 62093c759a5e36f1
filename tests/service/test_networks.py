"""Gateways in networks of their own: a private authority, a proxy, headers that they want."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import URL

from benchmarks.support.waiting import eventually
from domain.analysis import CallFailed
from domain.topics import BUILT_IN
from grok_client import GrokClient
from llm.transport import is_loopback
from tests.fake_grok.server import KEY
from tests.service.test_grok_connection import ANSWER, at_once, closed, request
from tests.support.service import Grok, Service, running

TEXT = "the parcel is late"
HOST = "grok.test"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of an authority that nobody knows, with its key, in one file."""
    folder = tmp_path_factory.mktemp("authority")
    key, file = folder / "key.pem", folder / "certificate.pem"
    names = f"subjectAltName=DNS:{HOST},IP:127.0.0.1"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    subprocess.run(
        [*made, "-addext", names, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True
    )
    file.write_text(file.read_text() + key.read_text())
    return file


@asynccontextmanager
async def a_gateway(certificate: Path | None = None) -> AsyncIterator[int]:
    """A server that answers every call, over TLS where there is a certificate; its port."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(ANSWER)
        await closed(writer)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
    if context and certificate:
        context.load_cert_chain(certificate)
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def a_proxy(port: int) -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that leads everywhere to this port; its address, and what it was asked for."""
    asked: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(lead(reader, writer)))

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0].decode())
        back, forth = await asyncio.open_connection("127.0.0.1", port)
        if head.startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            forth.write(head)
        await asyncio.gather(copied(reader, forth), copied(back, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
    await closed(writer)


def client_for(url: str) -> GrokClient:
    return GrokClient(base_url=url, api_key=SecretStr(KEY), model="grok-4.3", topics=BUILT_IN, timeout=10)


async def rows(url: str) -> int:
    """Make a call; how many rows came back."""
    async with client_for(url) as client:
        return len((await client.analyse([TEXT], at_once)).rows)


async def test_an_authority_of_the_environment_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_gateway(certificate) as port:
        url = f"https://127.0.0.1:{port}/v1"
        with pytest.raises(CallFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await rows(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert await rows(url) == 1


@pytest.mark.parametrize("written", [None, "no certificate"])
def test_an_unusable_authority_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if written:
        file.write_text(written)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))

    with pytest.raises(ValueError, match="SSL_CERT_FILE"):
        client_for("https://gateway.test/v1")


async def test_a_call_goes_through_the_proxy_of_the_environment(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with a_gateway(certificate) as port, a_proxy(port) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        assert await rows(f"https://{HOST}/v1") == 1

    assert asked == [f"CONNECT {HOST}:443 HTTP/1.1"]


async def test_a_call_without_tls_goes_through_the_other_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_gateway() as port, a_proxy(port) as (proxy, asked):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        assert await rows(f"http://{HOST}/v1") == 1

    assert asked == [f"POST http://{HOST}/v1/chat/completions HTTP/1.1"]


async def test_a_host_that_is_excepted_is_not_asked_for_at_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_gateway() as port, a_proxy(port) as (proxy, asked):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", HOST)
        with pytest.raises(CallFailed, match="unreachable"):
            await rows(f"http://{HOST}:9/v1")

    assert asked == []


@pytest.mark.parametrize(
    "proxy", ["socks5://user:s3cret@127.0.0.1:9", "ftp://user:s3cret@x", "http://user:s3cret@x:port"]
)
def test_an_unusable_proxy_is_named_without_its_password(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(ValueError, match="HTTPS_PROXY") as caught:
        client_for("https://gateway.test/v1")

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("grok.localhost", True),
        ("10.0.0.1", False),
        ("api.x.ai", False),
        ("localhost.example", False),
    ],
)
def test_addresses_of_this_machine_are_known(host: str, here: bool) -> None:
    assert is_loopback(host) is here


async def test_extra_headers_go_with_each_call_and_are_never_told(database_url: URL, grok: Grok) -> None:
    secret = "s3cret-of-the-gateway"
    grok.misbehave("status", calls=2, status=401, text=f"x-gateway-key {secret} is unknown")
    settings = {"grok_extra_headers": f"X-Gateway-Key: {secret}, X-Team: support", "log_level": "DEBUG"}
    async with running(database_url, grok, **settings) as service:
        id_ = await service.post("My parcel is three days late and nobody answers")
        told = await eventually(lambda: reasons(service))
        view = await service.ended(id_)
        logged = str(service.logged)

    assert view["status"] == "completed"
    assert {received.headers["x-gateway-key"] for received in grok.recent} == {secret}
    assert {received.headers["x-team"] for received in grok.recent} == {"support"}
    assert "x-gateway-key [key] is unknown" in told
    assert secret not in told + logged


async def reasons(service: Service) -> str:
    """The reasons of /health in one."""
    return " ".join((await service.get("/health")).get("reasons", []))
