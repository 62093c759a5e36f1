"""A browser as far as log-in needs one: it sends secure cookies over http to this machine, as Chromium does."""

from collections.abc import Mapping
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

import httpx

from benchmarks.support.process import NO_TLS

ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"


class Browser:
    """Follows no redirect by itself: a test looks at each, and may tamper with it."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        """`address` is the loopback address that it comes from: to the service each is another client."""
        self.address = address
        self.cookies: dict[tuple[str, str], str] = {}
        """By host, without a port, and name."""

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return await self.send("GET", url, headers)

    async def send(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A request as of a page of the service itself."""
        sent = {"Accept": ACCEPT, "Cookie": self._held(url), **(headers or {})}
        coming = httpx.AsyncHTTPTransport(verify=NO_TLS, local_address=self.address)
        async with httpx.AsyncClient(transport=coming, timeout=60) as http:
            answer = await http.request(
                method, url, headers={name: value for name, value in sent.items() if value}
            )
        self._keep(url, answer)
        return answer

    async def led(self, url: str) -> str:
        """Where an address leads."""
        answer = await self.get(url)
        assert answer.is_redirect, (answer.status_code, answer.text)
        return answer.headers["location"]

    def cookie(self, name: str) -> str | None:
        return next((value for (_, each), value in self.cookies.items() if each == name), None)

    def _held(self, url: str) -> str:
        host = urlsplit(url).hostname
        return "; ".join(f"{name}={value}" for (each, name), value in self.cookies.items() if each == host)

    def _keep(self, url: str, answer: httpx.Response) -> None:
        host = str(urlsplit(url).hostname)
        for header in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                assert (morsel["path"], morsel["domain"]) == ("/", "")
                assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "lax")
                if morsel["max-age"] == "0":
                    self.cookies.pop((host, name), None)
                else:
                    self.cookies[host, name] = morsel.value
