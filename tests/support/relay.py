"""A relay before a server, which closes connections as gateways do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from sqlalchemy.engine import URL

CHUNK = 65_536


class Relay:
    """Passes on what comes, and closes a connection on which nothing came for `idle` seconds.

    With `hangs_up` the connection carries one request: the next one is not passed on, and ends it. `resets` says
    whether it ends with a reset, so that writing to it fails.
    """

    def __init__(self, url: str, *, idle: float = 60, hangs_up: bool = False, resets: bool = False) -> None:
        self._port = urlsplit(url).port
        self._idle = idle
        self._hangs_up = hangs_up
        self._resets = resets
        self.url = ""
        self.connections = 0
        self.hung_up = 0
        self._open: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection in a task that `closed` waits for."""
        self._open.add(asyncio.create_task(self._relay(reader, writer)))

    async def closed(self) -> None:
        """Close every connection."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        upstream, downstream = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._pass_on(upstream, writer))
        try:
            await self._forward(reader, downstream)
        finally:
            back.cancel()
            if self._resets:
                writer.transport.abort()
            for each in (downstream, writer):
                each.close()
                with suppress(ConnectionError):
                    await each.wait_closed()

    async def _forward(self, reader: asyncio.StreamReader, downstream: asyncio.StreamWriter) -> None:
        requests = 0
        while chunk := await self._read(reader):
            requests += chunk.startswith(b"POST")
            if self._hangs_up and requests > 1:
                self.hung_up += 1
                return
            downstream.write(chunk)

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await asyncio.wait_for(reader.read(CHUNK), self._idle)
        except (TimeoutError, ConnectionError):
            return b""

    async def _pass_on(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await upstream.read(CHUNK):
            writer.write(chunk)


@asynccontextmanager
async def relayed(
    url: str, *, idle: float = 60, hangs_up: bool = False, resets: bool = False
) -> AsyncIterator[Relay]:
    """A relay before the server at this address, on a port of its own."""
    relay = Relay(url, idle=idle, hangs_up=hangs_up, resets=resets)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
    async with server:
        relay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield relay
        finally:
            await relay.closed()


class HangingRelay:
    """A relay before a PostgreSQL server; it can stop passing anything on, and closes nothing."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._server = url
        self._moving = asyncio.Event()
        self._moving.set()
        self._open: set[asyncio.Task[None]] = set()

    def hang(self) -> None:
        """Pass nothing on from now on, what is under way included."""
        self._moving.clear()

    def go_on(self) -> None:
        """Pass on what came meanwhile, and what comes."""
        self._moving.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        upstream, downstream = await self._connect()
        for source, sink in ((reader, downstream), (upstream, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if "host" in self._server.query:
            return await asyncio.open_unix_connection(f"{self._server.query['host']}/.s.PGSQL.5432")
        return await asyncio.open_connection(self._server.host, self._server.port or 5432)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await source.read(CHUNK):
                await self._moving.wait()
                sink.write(chunk)
        # That the other side has hung up is not heard either.
        await self._moving.wait()
        sink.close()

    async def closed(self) -> None:
        """Close every connection."""
        self.go_on()
        for task in set(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


@asynccontextmanager
async def hanging(url: URL) -> AsyncIterator[HangingRelay]:
    """A relay before the server of this database."""
    relay = HangingRelay(url)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
    async with server:
        relay.url = url.set(host="127.0.0.1", port=server.sockets[0].getsockname()[1], query={})
        try:
            yield relay
        finally:
            await relay.closed()
