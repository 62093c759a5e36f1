"""`kill -9` while batches are at the provider: `python -m tests.faults.batches --kills 200`.

The real service, a Batch API that misbehaves in every way that the fake knows, and a client that posts what can wait,
posts again what was not answered, and deletes. The service is killed at random moments of a batch's life. Then
everything is given the time to end, and what client, provider and database saw must agree: nothing accepted is lost
or there twice, no text was asked again whose answer could be had, no request is in two batches, the budget was kept, at
least what the provider charged is booked, and each count is that of a recount. 0 where that holds on every database, 1
otherwise.
"""

import argparse
import asyncio
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import URL

import database
from benchmarks.support.databases import KINDS, SQLITE, fresh
from benchmarks.support.process import POSTS, Json, Process, address, client
from benchmarks.support.waiting import eventually
from llm.canary import CANARY
from llm.prices import TICKS_PER_USD
from tests.fake_grok.server import KEY
from tests.faults.batch_judge import Findings, Kept, Money, Submission
from tests.faults.crash_moments import dice
from tests.support.rows import assert_rolled_up
from tests.support.service import Grok, faked, rows

BUDGET_USD = 30.0
SECONDS_TO_END = 300
# The provider knows a batch no more, as it is told to say; a lock was not had in time, which PostgreSQL answers on a
# machine with ten times the work that it can do: the call goes back to the queue.
EXPECTED_ERRORS = ("batch_lost", "55P03")
MOST_COMPLAINTS = 20
OPERATIONS = ("create", "add", "add", "progress", "results", "results", "cancel", "list")
SECONDS_TO_HAPPEN = 8.0
ENVIRON: Json = {
    "INBOUND_RPS": 0,
    "OUTBOUND_RPS": 40,
    "MAX_BATCH": 10,
    "START_BATCH": 10,
    "BATCH_FLUSH_SECONDS": 0.1,
    "BACKOFF_SECONDS": 0.05,
    "COOLDOWN_SECONDS": 0.3,
    # Bad luck with the faults below must not make a conversation `failed`: that is not what is tried here.
    "MAX_RETRIES": 20,
    "GROK_TIMEOUT_SECONDS": 5,
    "DAILY_BUDGET_USD": BUDGET_USD,
}
# Nobody lives to hold anything. What a batch holds stays with it, whoever looks after the batch.
LET_LEASES_END = (
    "UPDATE provider_batches SET run_at = 0 WHERE status = 'processing'",
    "UPDATE conversations SET run_at = received_at WHERE status = 'processing' AND lease NOT IN"
    " (SELECT holder FROM provider_batches WHERE run_at IS NOT NULL)",
    "UPDATE asking SET until = 0",
)


class Blow(NamedTuple):
    """When to kill: so many seconds after the provider has heard of an operation again, or after a start has begun."""

    on: str
    after: float


@dataclass(frozen=True)
class Plan:
    """What happens to a service."""

    blows: Sequence[Blow]
    seed: int
    misbehaves: bool = True
    seconds: float = 4.0
    """For how long the client posts before the first kill."""
    hours: float = 0.02
    """72 seconds: after 54 a conversation that waits goes live, and a batch is cancelled at its end."""


def blows(seed: int, kills: int) -> Iterator[Blow]:
    """One of eight while it starts, the others about a call of the Batch API."""
    random = dice(seed, "kills")
    for _ in range(kills):
        if random.randrange(8) == 0:
            yield Blow("start", random.uniform(0.5, 4))
        else:
            yield Blow(
                random.choice(OPERATIONS), random.choice((0.0, random.uniform(0, 0.05), random.uniform(0, 1)))
            )


def misbehave(grok: Grok, *, untold: bool) -> None:
    """Everything that the fakes can do wrong, each now and then; `untold` is also charging without a word."""
    batches = grok.batches
    for operation in ("create", "list", "add", "progress", "results", "cancel"):
        batches.misbehave("status", on=operation, status=500, probability=0.04)
        batches.misbehave("status", on=operation, status=429, probability=0.04, headers={"retry-after": "1"})
        batches.misbehave("lost_answer", on=operation, probability=0.06)
        batches.misbehave("garbage", on=operation, probability=0.02)
    for operation in ("progress", "results"):
        batches.misbehave("status", on=operation, status=404, probability=0.04)
    batches.misbehave("hang", on="results", probability=0.01)
    batches.misbehave("refused", probability=0.1)
    batches.misbehave("stopped", probability=0.1)
    batches.misbehave("stuck", probability=0.03)
    batches.misbehave("error", probability=0.05)
    batches.misbehave("error", probability=0.03, text="The service is currently unavailable")
    if untold:
        batches.misbehave("unknown", probability=0.02)
        batches.misbehave("nothing", probability=0.02)
    batches.misbehave("reverts", probability=0.5)
    for kind in ("uncounted", "no_state", "late_rows", "twice", "short_pages", "empty_token", "no_token"):
        batches.misbehave(kind, probability=0.1)
    grok.misbehave("missing", probability=0.05, first_only=True)
    grok.misbehave("content", text='{"results": [{"conversation', probability=0.03)


# --- the client ---------------------------------------------------------------------------------------------


class Importer:
    """Posts what can wait and a little that cannot, each until it is answered, and deletes some of it."""

    def __init__(self, url: str, random: Random) -> None:
        self.accepted: set[str] = set()
        self.deleted: set[str] = set()
        self.odd: list[str] = []
        self._url, self._random = url, random
        self._numbers = iter(range(10**9))

    async def run(self, until: asyncio.Event) -> None:
        """Until told to leave."""
        async with client(self._url) as http:
            while not until.is_set():
                ids = await self._post(http)
                if ids and self._random.random() < 0.3:
                    await self._delete(http, self._random.choice(ids))
                with suppress(TimeoutError):
                    await asyncio.wait_for(until.wait(), self._random.uniform(0.1, 0.6))

    async def _post(self, http: httpx.AsyncClient) -> list[str]:
        is_fresh = self._random.random() < 0.1
        items = [self._item() for _ in range(self._random.randint(1, 4 if is_fresh else 40))]
        path = f"{POSTS}/bulk" if is_fresh else f"{POSTS}/bulk?freshness=day"
        answer = await _answer(http, "POST", path, json=items)
        if answer.status_code != 202:
            self.odd.append(f"POST {path}: {answer.status_code} {answer.text[:200]}")
            return []
        ids: list[str] = answer.json()["conversation_ids"]
        self.accepted.update(ids)
        return ids

    def _item(self) -> Json:
        number = next(self._numbers)
        text = f"Parcel {number} is three days late and nobody answers my mails about it"
        return {"external_id": f"order-{number}", "text": text}

    async def _delete(self, http: httpx.AsyncClient, id_: str) -> None:
        if id_ in self.deleted:
            return
        answer = await _answer(http, "DELETE", f"{POSTS}/{id_}")
        if answer.status_code in (204, 404):  # a try before may have done it
            self.deleted.add(id_)
        else:
            self.odd.append(f"DELETE: {answer.status_code} {answer.text[:200]}")


async def _answer(http: httpx.AsyncClient, method: str, path: str, **how: object) -> httpx.Response:
    """The answer, after as many tries as it takes."""
    while True:
        with suppress(httpx.TransportError):
            answer = await http.request(method, path, **how)  # type: ignore[arg-type]
            if answer.status_code != 503:
                return answer
        await asyncio.sleep(0.2)


# --- the ordeal ---------------------------------------------------------------------------------------------


@dataclass
class Lives:
    """A service that is killed and started again."""

    process: Process
    grok: Grok
    url: URL

    async def end(self, blow: Blow) -> float:
        """Kill it at that moment; gives when. Fails where it ended by itself."""
        if blow.on != "start":
            await asyncio.to_thread(self.process.until_healthy)
            seen = self.grok.batches.operations[blow.on]
            with suppress(TimeoutError):
                await eventually(lambda: self.grok.batches.operations[blow.on] > seen, SECONDS_TO_HAPPEN)
        await asyncio.sleep(blow.after)
        now = time.monotonic()
        await asyncio.to_thread(self.process.end, signal.SIGKILL)
        if self.process.exit_code() != -signal.SIGKILL:
            raise RuntimeError(f"it ended by itself: {self.process.said}")
        return now

    async def begin(self) -> None:
        if not self.url.drivername.startswith(SQLITE):
            for statement in LET_LEASES_END:
                await rows(self.url, statement)
        await asyncio.to_thread(self.process.start)


async def ordeal(
    url: URL, folder: Path, plan: Plan, show: Callable[[str], None] = lambda _: None
) -> Findings:
    """A service on an empty database, its kills, the end of its work, and what everybody saw."""
    environ = ENVIRON | {
        "DATABASE_URL": address(url),
        "GROK_API_KEY": KEY,
        "BATCH_LANE_HOURS": plan.hours,
    }
    with faked() as grok, Process(folder, wait=False, GROK_BASE_URL=grok.url, **environ) as process:
        grok.seed = plan.seed
        grok.reset()
        # Within the time in which the service lets counters settle, a tenth of what a batch has.
        grok.batches.told({"seconds": plan.hours * 150, "revert_seconds": plan.hours * 50, "limited": True})
        if plan.misbehaves:
            misbehave(grok, untold=bool(plan.blows))
        await asyncio.to_thread(process.until_healthy)
        lives, leaving, kills, most = Lives(process, grok, url), asyncio.Event(), [], 0
        importer = Importer(process.url, dice(plan.seed, "posts"))
        posting = asyncio.create_task(importer.run(leaving))
        await asyncio.sleep(plan.seconds)
        for number, blow in enumerate(plan.blows, 1):
            kills.append(await lives.end(blow))
            most = max(most, await _most_of_a_day(url))
            await lives.begin()
            show(f"{number} kills, {len(importer.accepted)} accepted")
        leaving.set()
        await posting
        odd = await _end_of_work(url, process)
        most = max(most, await _most_of_a_day(url))
        return await _found(url, grok, importer, kills, most, [*odd, *importer.odd])


async def _end_of_work(url: URL, process: Process) -> list[str]:
    """Wait until all is done, end it, and say what went wrong."""
    since, left = time.monotonic(), -1
    while left and time.monotonic() < since + SECONDS_TO_END:
        await asyncio.sleep(1)
        left = await _unfinished(url)
    process.end(signal.SIGTERM)
    odd = [] if not left else [f"{left} were not done after {SECONDS_TO_END} s"]
    odd += [] if process.exit_code() == 0 else [f"it ended with {process.exit_code()}"]
    errors = [line for line in process.errors if not any(each in line for each in EXPECTED_ERRORS)]
    return [*odd, *(f"logged: {line[:2000]}" for line in errors), *await _miscounted(url)]


async def _miscounted(url: URL) -> list[str]:
    async with database.opened(url) as db:
        with suppress(AssertionError):
            await db.read(assert_rolled_up)
            return []
    return ["a roll-up is not what a recount gives"]


async def _unfinished(url: URL) -> int:
    [row] = await rows(
        url,
        "SELECT (SELECT count(*) FROM provider_batches WHERE run_at IS NOT NULL)"
        " + (SELECT count(*) FROM conversations WHERE status IN ('queued', 'processing')) AS n",
    )
    return int(row.n)


async def _most_of_a_day(url: URL) -> int:
    found = await rows(url, "SELECT max(spent + reserved) AS n FROM spending")
    return int(found[0].n or 0)


async def _found(
    url: URL, grok: Grok, importer: Importer, kills: Sequence[float], most: int, odd: Sequence[str]
) -> Findings:
    kept = await rows(
        url,
        "SELECT c.id, c.status, count(i.conversation) AS n FROM conversations c"
        " LEFT JOIN insights i ON i.conversation = c.number GROUP BY c.id, c.status",
    )
    [sums] = await rows(
        url,
        "SELECT sum(spent) AS spent, sum(reserved) AS reserved, sum(analysed + cached) AS n FROM spending",
    )
    billed = grok.billed_ticks + grok.batches.billed_ticks
    names = Counter(each.name for each in grok.batches.batches.values() if each.requests)
    return Findings(
        accepted=importer.accepted,
        deleted=importer.deleted,
        kept=[Kept(row.id, row.status, row.n) for row in kept],
        sent=[*_in_batches(grok), *_live(grok)],
        money=Money(billed, int(sums.spent), int(sums.reserved), most, int(BUDGET_USD * TICKS_PER_USD)),
        kills=kills,
        answered=int(sums.n),
        names=names,
        unfinished=await _unfinished(url),
        odd=[*odd, *grok.violations],
    )


def _in_batches(grok: Grok) -> Iterator[Submission]:
    for each in grok.batches.bill():
        for text in each["texts"]:
            is_well = text in each["well"]
            yield Submission(
                text,
                each["asked_at"],
                each["batch"],
                each["id"],
                answered_at=each["answered_at"] if is_well else None,
                read_at=each["read_at"] if is_well else None,
                stopped_at=each["stopped_at"],
            )


def _live(grok: Grok) -> Iterator[Submission]:
    for call in grok.calls:
        for text in call.texts:
            if text != CANARY:
                at = call.arrived if text in call.answered else None
                yield Submission(text, call.arrived, answered_at=at, read_at=at)


# --- the program --------------------------------------------------------------------------------------------


def main() -> int:
    """Kill it on one or both databases; 0 where nothing is to complain of."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.batches", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=20, help="on each database (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="before the first (default: %(default)g)")
    parser.add_argument("--well", action="store_true", help="the provider does not misbehave")
    parser.add_argument("--database", choices=(*KINDS, "both"), default="both")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="default: another")
    given = parser.parse_args()
    # As at Ctrl-C, what was started is ended; without it a SIGTERM leaves service and PostgreSQL behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console, found = Console(highlight=False, markup=False), {}
    console.print(f"python -m tests.faults.batches --kills {given.kills} --seed {given.seed}")
    plan = Plan([*blows(given.seed, given.kills)], given.seed, not given.well, given.seconds)
    for kind in KINDS if given.database == "both" else (given.database,):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="batches-")))
            url = stack.enter_context(fresh(kind, folder))
            found[kind] = asyncio.run(ordeal(url, folder, plan, console.print))
        console.print(table(found))
        for complaint in found[kind].complaints[:MOST_COMPLAINTS]:
            console.print(f"{kind}: {complaint}", soft_wrap=True)
    return 1 if any(each.complaints for each in found.values()) else 0


def table(found: dict[str, Findings]) -> Table:
    """What was counted, a column for each database."""
    shown = Table("", *found)
    columns = [_figures(each) for each in found.values()]
    for name in dict.fromkeys(name for column in columns for name in column):
        shown.add_row(name, *(column.get(name, "0") for column in columns))
    return shown


def _figures(found: Findings) -> dict[str, str]:
    money = {"billed": found.money.billed, "spent": found.money.spent, "reserved": found.money.reserved}
    counted = {
        "kills": len(found.kills),
        "accepted (202)": len(found.accepted),
        "deleted": len(found.deleted),
        "completed": sum(row.status == "completed" for row in found.kept),
        "lost": len(found.lost),
        "batches with requests": sum(found.names.values()),
        "texts sent in batches": found.ways["batch"],
        "texts sent live": found.ways["live"],
        **{f"asked again after a kill, {ways}": count for ways, count in sorted(found.again.items())},
        "answered after their batch was cancelled": found.late,
        "complaints": len(found.complaints),
    }
    dollars = {f"{name}, $": f"{ticks / TICKS_PER_USD:.4f}" for name, ticks in money.items()}
    return {**{name: f"{count:,}" for name, count in counted.items()}, **dollars}


if __name__ == "__main__":
    raise SystemExit(main())
