"""The fake Grok as a program: it tells its address, goes away for a while, and stops."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.support.waiting import eventually
from domain.topics import BUILT_IN
from llm.prompts import request_body, system_message

HERE = Path(__file__).parents[2]


TEXTS = ["the parcel is late", "great support, thanks", "where is my seat?"]


def body(texts: list[str]) -> dict[str, Any]:
    written = request_body(
        texts, system=system_message(BUILT_IN), model="grok-4.3", effort="none", strict=True
    )
    document: dict[str, Any] = json.loads(written)
    return document


@contextmanager
def program(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    command = [sys.executable, "-W", "error", "-m", "tests.fake_grok", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


async def test_as_a_program_it_tells_its_address_and_stops_on_sigterm() -> None:
    with program("--key", "k") as (process, url):
        async with httpx.AsyncClient(headers={"authorization": "Bearer k"}, trust_env=False) as http:
            response = await http.post(f"{url}/chat/completions", json=body(TEXTS))
        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == 0
        assert response.status_code == 200


async def test_as_a_program_it_can_be_gone_for_a_while() -> None:
    async def there(http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get("/__stats")).is_success
        except httpx.TransportError:
            return False

    async def gone(http: httpx.AsyncClient) -> bool:
        return not await there(http)

    with program() as (_, url):
        async with httpx.AsyncClient(base_url=url.removesuffix("/v1"), trust_env=False) as http:
            assert await there(http)
            await http.post("/__control", json={"refuse_seconds": 0.5})
            await eventually(lambda: gone(http))
            await eventually(lambda: there(http))
