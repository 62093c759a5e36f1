"""`kill -9` while batches are at the provider: `python -m tests.faults.batches --kills 200`.

The real service, a Batch API that misbehaves in every way that the fake knows, and a client that posts what can wait,
posts again what was not answered, adds messages, cancels batches and deletes. The service is killed at random moments
of a batch's life, and in most of its lives the day's budget is too small for what there is to do. Then everything is
given the money and the time to end, and what client, provider and database saw must agree: nothing accepted is lost or
there twice, no text was asked again whose answer could be had, no request is in two batches, no commit exceeded the
budget, at least what the provider charged is booked, and each count is that of a recount. 0 where that holds on every
database, 1 otherwise.
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
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import URL

import database
from benchmarks.support.databases import KINDS, POSTGRESQL, SQLITE, fresh
from benchmarks.support.process import Json, Process, address
from benchmarks.support.waiting import eventually
from llm.canary import CANARY
from llm.prices import TICKS_PER_USD
from tests.fake_grok.server import KEY
from tests.faults.batch_importer import Importer
from tests.faults.batch_judge import Findings, Kept, Life, Money, Submission
from tests.faults.budget_lives import BUDGET_USD, ONE_BOOKED, PEAKS, Budgeted, budgets
from tests.faults.crash_moments import dice
from tests.faults.forked import ForkedProcess
from tests.support.rows import assert_rolled_up
from tests.support.service import Grok, faked, rows

SECONDS_TO_END = 900
# The provider knows a batch no more, as it is told to say; a lock was not had in time, which PostgreSQL answers on a
# machine with ten times the work that it can do: the call goes back to the queue.
EXPECTED_ERRORS = ("batch_lost", "55P03")
MOST_COMPLAINTS = 20
OPERATIONS = ("create", "add", "add", "progress", "results", "results", "cancel", "list")
SECONDS_TO_HAPPEN = 4.0
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
    "CHAT_QUIET_SECONDS": 0.5,
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
    budgets: Sequence[Budgeted] = ()
    """Of the life before each kill, but for the first, which has enough; without any all have."""
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


# --- the ordeal ---------------------------------------------------------------------------------------------


@dataclass
class Lives:
    """A service that is killed and started again."""

    process: Process
    grok: Grok
    url: URL
    lived: list[Life] = field(default_factory=list)
    _limit: int = int(BUDGET_USD * TICKS_PER_USD)
    _binds_at: int = int(BUDGET_USD * TICKS_PER_USD)

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
        await self.over()
        return now

    async def begin(self, budget: Budgeted) -> None:
        if not self.url.drivername.startswith(SQLITE):
            for statement in LET_LEASES_END:
                await rows(self.url, statement)
        used = await self.used()
        self._limit, self._binds_at = budget.limit(used), budget.binds_at(used)
        await rows(self.url, "DELETE FROM spending_peaks")
        await rows(self.url, "UPDATE spending SET spent = spent")
        dollars = f"{self._limit / TICKS_PER_USD:.10f}"
        await asyncio.to_thread(partial(self.process.start, DAILY_BUDGET_USD=dollars))

    async def used(self) -> int:
        """What is spent or reserved of the day that has most of it."""
        found = await rows(self.url, "SELECT max(spent + reserved) AS n FROM spending")
        return int(found[0].n or 0)

    async def over(self) -> None:
        """Note what was spent in a life."""
        found = await rows(self.url, "SELECT max(most) AS n FROM spending_peaks")
        peak = int(found[0].n or 0)
        self.lived.append(Life(self._limit, peak, has_refused=peak + ONE_BOOKED > self._binds_at))


async def ordeal(
    url: URL, folder: Path, plan: Plan, show: Callable[[str], None] = lambda _: None
) -> Findings:
    """A service on an empty database, its kills, the end of its work, and what everybody saw."""
    environ = ENVIRON | {
        "DATABASE_URL": address(url),
        "GROK_API_KEY": KEY,
        "BATCH_LANE_HOURS": plan.hours,
    }
    with faked() as grok, ForkedProcess(folder, wait=False, GROK_BASE_URL=grok.url, **environ) as process:
        grok.seed = plan.seed
        grok.reset()
        # Within the time in which the service lets counters settle, a tenth of what a batch has.
        grok.batches.told({"seconds": plan.hours * 150, "revert_seconds": plan.hours * 50, "limited": True})
        if plan.misbehaves:
            misbehave(grok, untold=bool(plan.blows))
        await asyncio.to_thread(process.until_healthy)
        for statement in PEAKS[SQLITE if url.drivername.startswith(SQLITE) else POSTGRESQL]:
            await rows(url, statement)
        lives, leaving, kills = Lives(process, grok, url), asyncio.Event(), []
        importer = Importer(process.url, dice(plan.seed, "posts"))
        posting = asyncio.create_task(importer.run(leaving))
        await asyncio.sleep(plan.seconds)
        given = [*plan.budgets[1:], Budgeted()] if plan.budgets else [Budgeted()] * len(plan.blows)
        for number, (blow, budget) in enumerate(zip(plan.blows, given, strict=True), 1):
            kills.append(await lives.end(blow))
            await lives.begin(budget)
            show(f"{number} kills, {len(importer.accepted)} accepted")
        leaving.set()
        await posting
        odd = await _end_of_work(url, process)
        await lives.over()
        return await _found(url, grok, importer, kills, lives.lived, [*odd, *importer.odd])


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


async def _unsaid(url: URL, importer: Importer) -> list[str]:
    """Messages that were answered 201 and are not there."""
    found = await rows(
        url,
        "SELECT c.id, count(m.message_id) AS n FROM conversations c LEFT JOIN messages m"
        " ON m.conversation = c.number AND m.message_id LIKE 'm-%' GROUP BY c.id",
    )
    there = {row.id: row.n for row in found}
    expected = {id_: n for id_, n in importer.said.items() if id_ not in importer.deleted}
    return [f"{id_}: {there.get(id_)} of {n} messages" for id_, n in expected.items() if there.get(id_) != n]


async def _found(
    url: URL,
    grok: Grok,
    importer: Importer,
    kills: Sequence[float],
    lives: Sequence[Life],
    odd: Sequence[str],
) -> Findings:
    kept = await rows(
        url,
        "SELECT c.id, c.status, count(i.conversation) AS n FROM conversations c"
        " LEFT JOIN insights i ON i.conversation = c.number AND i.revision = c.revision"
        " GROUP BY c.id, c.status",
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
        money=Money(billed, int(sums.spent), int(sums.reserved), lives),
        kills=kills,
        answered=int(sums.n),
        names=names,
        unfinished=await _unfinished(url),
        odd=[*odd, *grok.violations, *await _unsaid(url, importer)],
        grown=importer.said.total(),
        mishaps=_mishaps(grok),
    )


def _mishaps(grok: Grok) -> Counter[str]:
    met: Counter[str] = Counter()
    for each in grok.batches.mishaps:
        met[f"{each.kind} {each.status}" if each.kind == "status" else each.kind] += each.met
    return met


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
    of_each = [*budgets(given.seed, given.kills)]
    plan = Plan([*blows(given.seed, given.kills)], given.seed, not given.well, given.seconds, of_each)
    for kind in KINDS if given.database == "both" else (given.database,):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="batches-")))
            url = stack.enter_context(fresh(kind, folder))
            found[kind] = asyncio.run(ordeal(url, folder, plan, console.print))
        console.print(table(found))
        for complaint in found[kind].complaints[:MOST_COMPLAINTS]:
            console.print(f"{kind}: {complaint}", soft_wrap=True)
        for told in found[kind].of_batches_again[:MOST_COMPLAINTS]:
            console.print(f"{kind}, after a kill: {told}", soft_wrap=True)
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
        "messages added": found.grown,
        "lives in which the budget bound": sum(life.has_refused for life in found.money.lives),
        **{f"provider: {kind}": count for kind, count in found.mishaps.items()},
        "complaints": len(found.complaints),
    }
    dollars = {f"{name}, $": f"{ticks / TICKS_PER_USD:.4f}" for name, ticks in money.items()}
    return {**{name: f"{count:,}" for name, count in counted.items()}, **dollars}


if __name__ == "__main__":
    raise SystemExit(main())
