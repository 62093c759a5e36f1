"""A headless Chromium that is steered over its DevTools socket."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.support.waiting import eventually

Json = dict[str, Any]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--no-proxy-server",
    "--remote-debugging-port=0",
)


class Tab:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def send(self, method: str, **params: Any) -> Json:
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(60):
            while True:
                message = json.loads(await self._socket.recv())
                if message.get("id") == number:
                    assert "error" not in message, message
                    found: Json = message["result"]
                    return found

    async def run(self, script: str) -> Any:
        """What a script of the page gives, awaited."""
        result = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def go(self, url: str) -> None:
        """Go somewhere, and wait until the page is there."""
        await self.send("Page.navigate", url=url)
        await self.at(url)

    async def at(self, part: str) -> None:
        """Wait until the page's address has this in it, and the page is there."""
        await self.wait_for(f"location.href.includes({part!r})")

    async def wait_for(self, condition: str) -> None:
        """Wait until a script's condition holds in a page that is there."""

        async def holds() -> bool:
            try:
                return bool(await self.run(f"document.readyState === 'complete' && ({condition})"))
            except AssertionError:  # the page went away meanwhile
                return False

        await eventually(holds)


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Tab]:
    """A browser with nothing in it, and one page."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "apt-get install chromium"
    port_file = folder / "DevToolsActivePort"
    command = [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        await eventually(lambda: port_file.exists() and "\n" in port_file.read_text(), 60)
        async with connect(
            await _page(port_file.read_text().split()[0]), proxy=None, max_size=None
        ) as socket:
            yield Tab(socket)
    finally:
        process.terminate()
        await process.wait()


async def _page(port: str) -> str:
    """The address of the only page's socket."""
    async with httpx.AsyncClient(trust_env=False) as http:
        pages = (await http.get(f"http://127.0.0.1:{port}/json/list")).json()
    return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))
