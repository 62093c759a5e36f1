"""Six processes are replaced one after another under load: `python -m tests.faults.rolling --before COMMIT`.

Two that take requests behind the balancer of `deploy/scale`, four that analyse, on PostgreSQL. They start as that
commit of this repository, or as what is here, and each is stopped and started again as what is here, while clients
post and read. No request may fail but with 503 and Retry-After, every conversation that was answered 202 has to be
analysed, and nothing asked about twice. 0 where that holds, 1 otherwise. Needs `haproxy`, and `git` for a commit.
"""

import argparse
import asyncio
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import URL

from benchmarks.support.databases import fresh
from benchmarks.support.process import POSTS, ROOT, Json, Process, address, client, free_port
from benchmarks.support.waiting import eventually
from tests.fake_grok.server import KEY
from tests.support.service import Grok, faked, rows

BALANCER = ROOT / "deploy" / "scale" / "haproxy.cfg"
SEEN_SECONDS = 1.5
"""Within which the balancer has noticed that a process is there: it asks twice a second."""
CLIENTS = 8
THOUGHT = 0.05
SECONDS_TO_DRAIN = 120
ENVIRON: Json = {"INBOUND_RPS": 0, "GROK_API_KEY": KEY, "OUTBOUND_RPS": 10}
ROLES = ("worker",) * 4 + ("api",) * 2
UNANALYSED = "SELECT count(*) AS n FROM conversations WHERE status <> 'completed'"
NEWEST = "SELECT version_num FROM alembic_version"


@dataclass
class Load:
    """Clients of the balancer, who post and read, each request once."""

    url: str
    accepted: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    left: bool = False

    async def run(self) -> None:
        """Until told to leave."""
        async with client(self.url) as http, asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(self._work(http, number))

    async def _work(self, http: httpx.AsyncClient, number: int) -> None:
        counted = 0
        while not self.left:
            counted += 1
            said = {
                "text": f"Parcel {number}-{counted} is late and nobody answers",
                "external_id": f"{number}-{counted}",
            }
            answer = await self._ask(http, "POST", POSTS, json=said)
            if answer is not None and answer.status_code == 202:
                self.accepted.add(answer.json()["conversation_id"])
            await self._ask(http, "GET", "/api/v1/insights/recent", params={"limit": 1})
            await asyncio.sleep(THOUGHT)

    async def _ask(
        self, http: httpx.AsyncClient, method: str, path: str, **how: Any
    ) -> httpx.Response | None:
        try:
            answer = await http.request(method, path, **how)
        except httpx.TransportError as error:
            self.answers[f"{method} without an answer"] += 1
            self.odd.append(f"{method} {path}: {error!r}")
            return None
        self.answers[f"{method} {answer.status_code}"] += 1
        refused = answer.status_code == 503 and int(answer.headers.get("Retry-After", 0)) > 0
        if answer.status_code not in {200, 202} and not refused:
            self.odd.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer


@contextmanager
def balanced(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """The address of the balancer before these processes."""
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(balancer_config(BALANCER.read_text(), port, ports))
    command = ["haproxy", "-db", "-f", str(config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def balancer_config(text: str, port: int, ports: Sequence[int]) -> str:
    """The configuration of the balancer for processes on this machine, which no name server knows."""
    sections = [each for each in text.split("\n\n") if not each.startswith("resolvers ")]
    lines = [
        line.replace(" resolvers docker init-addr libc,none", "").replace(
            "bind :8080", f"bind 127.0.0.1:{port}"
        )
        for line in "\n\n".join(sections).splitlines()
        if "server-template" not in line
    ]
    servers = (f"    server api-{number} 127.0.0.1:{at}" for number, at in enumerate(ports, 1))
    return "\n".join([*lines, *servers, ""])


def checked_out(commit: str, folder: Path) -> Path:
    """What the repository held at that commit, in the folder."""
    command = ["git", "archive", commit]
    packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@dataclass(frozen=True)
class Replaced:
    """One process, how long its end took and its next start, in seconds, and the schema after that."""

    role: str
    to_end: float
    to_start: float
    schema: str


async def rolling(
    database: URL, folder: Path, before: Path, stack: ExitStack, grok: Grok
) -> tuple[list[Replaced], Load, list[str]]:
    """Replace all once under load; what was done, what clients saw, and what should not have been."""
    given = ENVIRON | {"DATABASE_URL": address(database), "GROK_BASE_URL": grok.url}
    lot = [Process(folder, [str(before / "main.py")], ROLE=role, **given) for role in ROLES]
    for each in lot:
        await asyncio.to_thread(stack.enter_context, each)
    url = stack.enter_context(balanced(folder, [each.port for each in lot[ROLES.index("api") :]]))
    load = Load(url)
    async with client(url) as http:
        await eventually(lambda: answers(http))
    posting = asyncio.create_task(load.run())
    done, odd = [], []
    for role, each in zip(ROLES, lot, strict=True):
        await asyncio.sleep(SEEN_SECONDS)
        to_end = await asyncio.to_thread(each.end, signal.SIGTERM)
        odd += [] if each.exit_code() == 0 else [f"{role} ended with {each.exit_code()}"]
        since = monotonic()
        await asyncio.to_thread(each.become, [str(ROOT / "main.py")])
        [newest] = await rows(database, NEWEST)
        done.append(Replaced(role, to_end, monotonic() - since, newest.version_num))
    await asyncio.sleep(SEEN_SECONDS)
    load.left = True
    await posting
    odd += [] if await asyncio.to_thread(lot[-1].drained, SECONDS_TO_DRAIN) else ["the queue was not emptied"]
    return done, load, odd + [f"logged: {line[:300]}" for each in lot for line in each.errors]


async def answers(http: httpx.AsyncClient) -> bool:
    """Whether the balancer is there, and has found a process."""
    with suppress(httpx.TransportError):
        return (await http.get("/healthz")).status_code == 200
    return False


async def complaints(database: URL, load: Load, grok: Grok) -> list[str]:
    """What is not there, was not analysed, or was asked about twice."""
    stored = {row.id for row in await rows(database, "SELECT id FROM conversations")}
    [left] = await rows(database, UNANALYSED)
    found = {
        "lost": len(load.accepted - stored),
        "not analysed": left.n,
        "asked about twice": sum(count > 1 for count in grok.sent.values()),
    }
    return [f"{count} {what}" for what, count in found.items() if count]


def main() -> int:
    """Replace all; 0 where nothing is to complain of."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.rolling", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--before", metavar="COMMIT", help="what the processes are at first (default: what is here)"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="rolling-")))
        before = checked_out(options.before, folder / "before") if options.before else ROOT
        database = stack.enter_context(fresh("postgresql", folder))
        grok = stack.enter_context(faked())
        done, load, odd = asyncio.run(rolling(database, folder, before, stack, grok))
        odd += load.odd + asyncio.run(complaints(database, load, grok))
    report(Console(), done, load, odd)
    return 1 if odd else 0


def report(console: Console, done: Sequence[Replaced], load: Load, odd: Sequence[str]) -> None:
    """What was done and seen."""
    table = Table("process", "s to end", "s to start", "schema")
    for each in done:
        table.add_row(each.role, f"{each.to_end:.1f}", f"{each.to_start:.1f}", each.schema)
    console.print(table)
    console.print(
        f"{len(load.accepted):,} accepted; answers: {dict(sorted(load.answers.items()))}", highlight=False
    )
    for line in odd[:20]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    raise SystemExit(main())
