"""HTTP calls to log-in providers: every way in which they can go wrong ends in one of two errors."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

from core.errors import LoginFailed, LoginUnavailable

SECONDS = 10.0
"""For a whole call."""
MOST_BYTES = 1_000_000
SERVER_FAULT = 500
LOOPBACK = ("localhost", "*.localhost", "127.0.0.1", "[::1]")
Json = dict[str, Any]
JSON = {"Accept": "application/json"}


class Form(NamedTuple):
    """What is posted for a code."""

    fields: Mapping[str, str]
    basic: tuple[str, str] | None = None
    """Name and password, if they are not among the fields."""


def provider_client() -> httpx.AsyncClient:
    """The HTTP client for providers. A proxy is never asked for an address of this machine."""
    return httpx.AsyncClient(timeout=SECONDS, mounts={f"all://{host}": None for host in LOOPBACK})


class ProviderWeb:
    """Reads JSON from providers."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def fetched(self, url: str, token: str | None = None) -> Any:
        """What a GET gives, with an access token if there is one. Raises LoginFailed and LoginUnavailable."""
        headers = JSON if token is None else {**JSON, "Authorization": f"Bearer {token}"}
        status, found = await self._answer(self._http.build_request("GET", url, headers=headers))
        if status != httpx.codes.OK:
            raise LoginFailed(f"provider answers {status} at {httpx.URL(url).path}")
        return found

    async def exchanged(self, url: str, form: Form) -> Json:
        """What the provider gives for a code. Raises LoginFailed and LoginUnavailable."""
        request = self._http.build_request("POST", url, headers=JSON, data=dict(form.fields))
        status, found = await self._answer(request, form.basic)
        if not isinstance(found, dict):
            raise LoginUnavailable("provider answers no JSON object")
        # GitHub answers 200 with an error.
        if status != httpx.codes.OK or "error" in found:
            raise LoginFailed(f"provider refused the code: {word(found.get('error', status))}")
        return found

    async def _answer(self, request: httpx.Request, basic: tuple[str, str] | None = None) -> tuple[int, Any]:
        auth = None if basic is None else httpx.BasicAuth(*basic)
        try:
            async with asyncio.timeout(SECONDS):
                response = await self._http.send(request, auth=auth, stream=True)
                try:
                    content = await _content(response)
                finally:
                    await response.aclose()
            if response.status_code >= SERVER_FAULT:
                raise LoginUnavailable(f"provider answers {response.status_code}")
            return response.status_code, json.loads(content)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # a time-out is an OSError
            raise LoginUnavailable(f"provider does not answer: {type(error).__name__}") from None
        except (ValueError, RecursionError):
            raise LoginUnavailable("provider answers no JSON") from None


async def _content(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MOST_BYTES:
            raise LoginUnavailable("provider answers too much")
    return bytes(content)


def word(value: object) -> str:
    """Something that a provider sent, as it may stand in the audit log."""
    return "".join(each if each.isprintable() else "?" for each in str(value)[:40])
