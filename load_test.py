"""Puts a running service under load and reports how it did: `python load_test.py --help`.

Uses the HTTP API and nothing else of the server. What concerns the analysis are differences of the service's own
counters, so they include whatever else it did meanwhile. A request costs this program 1.5 ms of CPU: posting one at
a time, it and not the service may be what is measured. Exit codes: 0 when everything was accepted, and analysed
where that was waited for; 1 when it was not, or there is no service; 2 for bad arguments; 130 when interrupted.
"""

import asyncio
import math
import secrets
import socket
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpx
import uvloop
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from client import AsyncClient
from client.load import report
from client.load.connections import connections
from client.load.plan import Plan, batches
from client.load.posting import Posting, Tally
from client.load.snapshot import NoService, Snapshot, drained, look
from client.progress import Meter


class Environment(BaseSettings):
    """What the environment and `.env` say; the command line goes over it."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    api_url: str = "http://localhost:8000"
    api_key: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. `timeout` is for how many seconds nothing may move."""

    base_url: str
    key: str | None
    """The service's API key."""
    concurrency: int
    wait: bool
    timeout: float
    json: bool


@dataclass(slots=True)
class Run:
    """One run. What it has found out is there at any moment, also when it is interrupted."""

    options: Options
    plan: Plan
    console: Console
    """Where progress goes; the report goes elsewhere."""
    tally: Tally = field(default_factory=Tally)
    before: Snapshot | None = None
    after: Snapshot | None = None
    drained_after: float | None = None
    """Seconds from the first request."""
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for has happened."""
        return not self.notes and not self.tally.given_up

    async def drive(self) -> None:
        """Post, wait for the drain where that is wanted, and look before and after. Raises NoService."""
        url, concurrency = self.options.base_url, self.options.concurrency
        async with AsyncExitStack() as stack:
            watcher, *clients = [
                await stack.enter_async_context(each)
                for each in connections(url, concurrency, self.options.key)
            ]
            self.before = await look(watcher)
            if self.before.health.analyzer != report.OFFLINE:
                say(self.console, f"{self.before.health.model} will be asked, which costs money")
            try:
                await self._load(watcher, clients, self.before.health.queue_size)
            finally:
                with suppress(NoService):
                    self.after = await look(watcher)

    async def _load(self, watcher: AsyncClient, clients: Sequence[AsyncClient], queued_before: int) -> None:
        try:
            started_at = time.perf_counter()
            await self._post(clients)
            if self.options.wait and self.tally.accepted:
                self.drained_after = await self._drain(watcher, queued_before) - started_at
        except TimeoutError:
            self.notes.append(f"given up: nothing moved for {self.options.timeout:g} seconds")

    async def _post(self, clients: Sequence[AsyncClient]) -> None:
        async with stall_limit(self.options.timeout) as moved:
            with Meter(self.console, "Posting", "conversations", self.plan.conversations) as meter:

                def show() -> None:
                    moved()
                    meter.show(self.tally.settled, self.tally.settled)

                posting = Posting(self.tally, on_settled=show, on_pause=meter.pause)
                await posting.send(batches(self.plan), clients)

    async def _drain(self, watcher: AsyncClient, queued_before: int) -> float:
        last = math.inf
        async with stall_limit(self.options.timeout) as moved:
            with Meter(self.console, "Draining", "conversations", self.tally.accepted) as meter:

                def show(queued: int) -> None:
                    nonlocal last
                    if queued < last:
                        moved()
                    last = queued
                    ended = max(0, self.tally.accepted - max(0, queued - queued_before))
                    meter.show(ended, ended)

                return await drained(watcher, queued_before, on_depth=show, clock=time.perf_counter)

    def results(self) -> report.Report:
        """What there is to say by now."""
        sections: report.Report = {
            "run": {
                "id": self.plan.run,
                "base_url": self.options.base_url,
                "conversations": self.plan.conversations,
                "batch_size": self.plan.batch_size,
                "concurrency": self.options.concurrency,
                "notes": self.notes,
            },
            "intake": report.intake(self.tally),
        }
        if self.before is not None:
            queued_before = self.before.health.queue_size
            sections["drain"] = report.drain(self.tally, queued_before, self.drained_after)
        if self.before is not None and self.after is not None:
            sections["analysis"] = report.analysis(self.before, self.after)
        return sections


@asynccontextmanager
async def stall_limit(seconds: float) -> AsyncIterator[Callable[[], None]]:
    """Raises TimeoutError when what it yields has not been called for so many seconds."""
    loop = asyncio.get_running_loop()

    def moved() -> None:
        if not limit.expired():  # it may have ended in this very turn of the loop
            limit.reschedule(loop.time() + seconds)

    async with asyncio.timeout(seconds) as limit:
        yield moved


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    run = _run(arguments)
    try:
        uvloop.run(run.drive())
    except NoService as error:
        run.notes.append(str(error))
        code = 1
    except KeyboardInterrupt:
        run.notes.append("interrupted")
        code = 130
    else:
        code = 0 if run.complete else 1
    if run.before is not None:
        report.write(run.results(), Console(), as_json=run.options.json)
    for note in run.notes:
        say(run.console, note)
    return code


def say(console: Console, what: str) -> None:
    """One line for people."""
    console.print(f"load_test.py: {what}", markup=False, highlight=False, soft_wrap=True)


def _run(arguments: Sequence[str] | None) -> Run:
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.yes_really and not is_private(httpx.URL(given.base_url).host):
        parser.error(f"{given.base_url} is not in a private network; --yes-really loads it all the same")
    options = Options(
        given.base_url, _key(given.api_key), given.concurrency, given.wait, given.timeout, given.json
    )
    plan = Plan(secrets.token_hex(4), given.num_conversations, given.batch_size, given.duplicates, given.seed)
    return Run(options, plan, Console(stderr=True))


def _key(given: str | None) -> str | None:
    """The key of the command line, else the environment's."""
    from_environment = Environment().api_key
    return given or (None if from_environment is None else from_environment.get_secret_value())


def is_private(host: str) -> bool:
    """Whether a host is this machine or in a private network, by every address; one without any is no harm."""
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return True
    return all(ip_address(address[0]).is_private for *_, address in found)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        description="Puts a running service under load and reports how it did. With a Grok key it costs money."
    )
    add = parser.add_argument
    default = "(default: %(default)s)"
    add(
        "--base-url", type=_url, default=Environment().api_url, metavar="URL", help=f"{default}; else API_URL"
    )
    add(
        "--api-key",
        metavar="KEY",
        help="where the service wants one; else API_KEY, which no list of processes shows",
    )
    add("--num-conversations", type=_within(int, 1, 10**8), default=2000, metavar="N", help=default)
    add(
        "--concurrency",
        type=_within(int, 1, 1000),
        default=10,
        metavar="N",
        help=f"requests at once {default}",
    )
    add(
        "--batch-size",
        type=_within(int, 1, 500),
        default=50,
        metavar="N",
        help=f"conversations a request; 1 posts them one at a time, more in bulk {default}",
    )
    _add_details(add, default)
    return parser


def _add_details(add: Callable[..., object], default: str) -> None:
    add(
        "--duplicates",
        type=_within(float, 0, 1),
        default=0.0,
        metavar="SHARE",
        help=f"of the conversations that repeat an earlier text, 0 to 1 {default}",
    )
    add("--seed", type=int, default=0, metavar="N", help=f"of the texts {default}")
    add("--wait", action=BooleanOptionalAction, default=True, help="wait until the queue is drained")
    add(
        "--timeout",
        type=_within(float, 0.1, 86_400),
        default=120.0,
        metavar="SECONDS",
        help=f"give up when nothing moves for so long {default}",
    )
    add("--json", action="store_true", help="print the report as JSON")
    add("--yes-really", action="store_true", help="also load a host that is not in a private network")


def _within(kind: Callable[[str], float], low: float, high: float) -> Callable[[str], float]:
    def parsed(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ArgumentTypeError(f"must be a number from {low:g} to {high:,}")
        return value

    return parsed


def _url(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ArgumentTypeError(str(error)) from None
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > 65_535:
        raise ArgumentTypeError("must be http://HOST:PORT or https://HOST")
    return text


if __name__ == "__main__":
    sys.exit(main())
