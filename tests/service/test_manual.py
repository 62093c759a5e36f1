"""The calls that the manual shows: each page's work in their order, against a service that has just been started."""

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path

import httpx
import pytest

from benchmarks.support.process import ROOT, Process

README, API = ROOT / "README.md", ROOT / "docs" / "API.md"
HOST = "http://localhost:8000"
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def calls(page: Path) -> Iterator[httpx.Request]:
    """Every `curl` in a page's shell examples, as the request that it would send."""
    for block in SHELL.findall(page.read_text()):
        words = shlex.split(block.replace("\\\n", " "), comments=True)
        for is_curl, arguments in groupby(words, key="curl".__eq__):
            if not is_curl and "curl" in words:
                yield request(list(arguments))


def request(arguments: list[str]) -> httpx.Request:
    """What `curl` would send with these arguments."""
    parser = ArgumentParser()
    for flag in ("-s", "-i"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data")
    parser.add_argument("url")
    given = parser.parse_args(arguments)
    method = given.method or ("GET" if given.data is None else "POST")
    headers = dict(header.split(": ", 1) for header in given.headers)
    return httpx.Request(method, given.url, headers=headers, content=given.data)


@pytest.mark.parametrize("pages", [(README, API), (API, README)], ids=lambda pages: pages[0].name)
def test_the_calls_of_a_page_work_in_their_order_and_after_the_other_page(
    pages: Sequence[Path], tmp_path: Path
) -> None:
    with (
        Process(tmp_path, DB_PATH="insights.db") as process,
        httpx.Client(trust_env=False, timeout=40) as http,
    ):
        for call in chain.from_iterable(map(calls, pages)):
            call.url = httpx.URL(str(call.url).replace(HOST, process.url))
            answer = http.send(call)

            assert answer.is_success, f"{call.method} {call.url}: {answer.status_code} {answer.text}"


def test_the_readme_shows_ten_calls() -> None:
    assert len(list(calls(README))) == 10
    assert all(str(call.url).startswith(HOST) for call in calls(README))


def test_the_windows_of_the_readme_hold_its_conversations_whenever_it_is_read() -> None:
    said = re.findall(r'"timestamp": "([^"]+)"', README.read_text())
    windows = [
        call.url.params for call in calls(README) if {"insights", "trends"} & set(call.url.path.split("/"))
    ]

    assert len(said) == 3
    assert len(windows) == 3
    assert all(window["start_time"] <= each < window["end_time"] for window in windows for each in said)
