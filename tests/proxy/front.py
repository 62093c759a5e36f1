"""A closed service as a process, and a proxy in front of it."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.engine import make_url
from websockets.sync.client import ClientConnection, connect

from benchmarks.support.process import Json, Process
from benchmarks.support.waiting import eventually
from tests.proxy.programs import Proxy, Wanted, running
from tests.support.access import SECRET, bearer, make_keys

ADDRESSES = (f"127.0.1.{number}" for number in count(1))


PONG: Json = {"type": "pong", "ref": 1}


def ping(connection: ClientConnection) -> Json:
    """What the service answers to a ping frame."""
    connection.send(json.dumps({"type": "ping", "ref": 1}))
    answer: Json = json.loads(connection.recv(timeout=30))
    return answer


@dataclass
class Front:
    """The proxy, the service behind it, and a key of each role."""

    proxy: Proxy
    service: Process
    keys: Mapping[str, str]
    prefix: str = ""

    def client(self, role: str = "admin", address: str = "", **headers: str) -> httpx.Client:
        """A client with a key, at an address that no other has."""
        given = {**bearer(self.keys[role]), **headers}
        return self.proxy.client(address or next(ADDRESSES), headers=given)

    def socket(self, chat: str = "c1", query: str = "", **given: Any) -> ClientConnection:
        """A socket of an agent's. It sends no pings of its own."""
        url = f"{self.proxy.origin.replace('https', 'wss')}{self.prefix}/ws/chats/{chat}{query}"
        given.setdefault("additional_headers", bearer(self.keys["agent"]))
        opened: ClientConnection = connect(url, ssl=self.proxy.tls, proxy=None, ping_interval=None, **given)
        return opened

    def restart(self) -> None:
        """Start the service again, at the same port."""
        self.service.start()
        asyncio.run(_until_up(self.service))


@contextmanager
def fronted(
    kind: str,
    folder: Path,
    *,
    prefix: str = "",
    removes: bool = False,
    read_seconds: int | None = None,
    dashboard: int | None = None,
) -> Iterator[Front]:
    """A closed service behind Caddy or nginx. One client may make 30 requests in a minute."""
    database = f"sqlite+aiosqlite:///{folder / 'insights.db'}"
    keys = asyncio.run(make_keys(make_url(database)))
    environ: Json = {
        "DATABASE_URL": database,
        "AUTH_REQUIRED": "true",
        "AUTH_SECRET": SECRET,
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "ROOT_PATH": prefix,
        "RATE_LIMIT": 30,
    }
    with Process(folder, wait=False, **environ) as service:
        asyncio.run(_until_up(service))
        with running(
            kind, Wanted(service.port, prefix, removes, read_seconds, dashboard=dashboard), folder / kind
        ) as proxy:
            yield Front(proxy, service, keys, prefix)


async def _until_up(service: Process) -> None:
    def is_up() -> bool:
        assert service.process.poll() is None, service.said
        try:
            return httpx.get(f"{service.url}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    await eventually(is_up, 60)
