"""`kill -9` again and again, then a count: `python -m tests.faults.crash --kills 200`.

The real service, a Grok that misbehaves, clients that post what was not answered again. After the last kill the
queue drains, and what the clients were told, what Grok saw and what lies in the database must agree: nothing that
was answered 202 is lost, nothing is there twice, Grok was asked again only about what was in flight at a kill.
0 where that holds on every database, 1 otherwise. The seed repeats the moments of the kills, the posts and the
faults, but not what the service is doing at that moment.
"""

import argparse
import asyncio
import secrets
import signal
import sys
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from benchmarks.support.databases import KINDS, SQLITE, fresh
from benchmarks.support.process import Json, Process, address, client
from benchmarks.support.waiting import eventually
from client.progress import Meter
from llm.canary import CANARY
from llm.prices import TICKS_PER_USD
from tests.fake_grok.server import KEY
from tests.faults import several
from tests.faults.crash_clients import Clients
from tests.faults.crash_judge import Asked, Books, Evidence, Stored
from tests.faults.crash_moments import Moment, dice, moments
from tests.faults.recovery import Recovery
from tests.support.rows import assert_rolled_up
from tests.support.service import Grok, faked, let_leases_end, rows

MOST_COMPLAINTS = 20
SECONDS_TO_START = 60
SECONDS_TO_DRAIN = 300
MOST_IN_FLIGHT = 16
LATENCY = 0.2
CUT_SECONDS = 15.0
ENVIRON: Json = {
    "INBOUND_RPS": 0,
    "OUTBOUND_RPS": 40,
    "MAX_IN_FLIGHT": MOST_IN_FLIGHT,
    "MAX_BATCH": 20,
    "BATCH_FLUSH_SECONDS": 0.1,
    "BACKOFF_SECONDS": 0.05,
    "COOLDOWN_SECONDS": 0.3,
    # Bad luck with the faults below must not make a conversation `failed`: that is not what is tried here.
    "MAX_RETRIES": 20,
    # Above any stall of a busy machine, as nothing here is to time out. A lease lives 30 s longer: in a long run
    # on PostgreSQL what a killed process held falls due while later ones work.
    "GROK_TIMEOUT_SECONDS": 20,
}


@contextmanager
def misbehaving(seed: int, latency: float) -> Iterator[Grok]:
    """A Grok with every fault that is nobody's own, each now and then. `latency` in seconds."""
    with faked() as grok:
        grok.seed = seed
        grok.reset()
        grok.latency = latency
        grok.misbehave("status", status=500, probability=0.05)
        grok.misbehave("status", status=429, probability=0.03, headers={"retry-after": "0.2"})
        grok.misbehave("content", text='{"results": [{"conversation', probability=0.05)
        grok.misbehave("missing", probability=0.1, first_only=True)
        grok.misbehave("slow", pause=0.8, probability=0.1)
        yield grok


@dataclass
class Lives:
    """A service that is killed and started again, and where in Grok's record each of its lives began."""

    process: Process
    grok: Grok
    began: list[int] = field(default_factory=lambda: [0])
    started_at: float = field(default_factory=time.monotonic)
    start_takes: float = 1.0
    """Seconds that it took last."""

    async def end(self, moment: Moment) -> None:
        """Kill it at that moment. Fails where it ended by itself."""
        await self._reach(moment)
        await asyncio.to_thread(self.process.end, signal.SIGKILL)
        assert self.process.exit_code() == -signal.SIGKILL, self.process.said

    async def begin(self) -> None:
        """Start it again, with a new key: what the dead one had written but Grok not read is refused by it.

        So each call that Grok answers belongs to one life for certain.
        """
        key = f"{KEY}-{len(self.began)}"
        await steer(self.grok, key=key)
        self.began.append(len(self.grok.calls))
        self.started_at = time.monotonic()
        await asyncio.to_thread(self.process.start, GROK_API_KEY=key)

    async def is_up(self) -> None:
        """Wait until it answers."""
        await asyncio.to_thread(self.process.until_healthy, SECONDS_TO_START)
        self.start_takes = time.monotonic() - self.started_at

    async def _reach(self, moment: Moment) -> None:
        if moment.of == "start":
            await asyncio.sleep(moment.after * self.start_takes)
            return
        await self.is_up()
        if moment.of == "call":
            await eventually(lambda: len(self.grok.calls) > self.began[-1], SECONDS_TO_START)
        await asyncio.sleep(moment.after)

    def asked(self, settled: Collection[str]) -> list[Asked]:
        """Grok's record; `settled` are the ids of the calls whose end is booked."""
        return [
            Asked(
                life=bisect_right(self.began, number) - 1,
                texts=() if list(call.texts) == [CANARY] else call.texts,
                answered=call.answered,
                settled=f"call-{number + 1}" in settled,
                billed=call.billed_ticks,
            )
            for number, call in enumerate(self.grok.calls)
        ]


async def steer(grok: Grok, **order: object) -> None:
    """Tell it between two calls, which from another thread could be in the middle of one."""
    async with client(grok.url.removesuffix("/v1")) as http:
        (await http.post("/__control", json=order)).raise_for_status()


async def ordeal(
    database: URL,
    folder: Path,
    killings: Sequence[Moment],
    seed: int,
    show: Callable[[int, int], None] = lambda _kills, _accepted: None,
    latency: float = LATENCY,
) -> Evidence:
    """A service on an empty database, its kills, the end of its work, and what everybody saw.

    Until the last kill every call to Grok takes at least `latency` seconds.
    """
    environ = ENVIRON | {"DATABASE_URL": address(database), "GROK_API_KEY": KEY}
    with (
        misbehaving(seed, latency) as grok,
        Process(folder, wait=False, GROK_BASE_URL=grok.url, **environ) as process,
    ):
        lives = Lives(process, grok)
        clients = Clients(process.url, dice(seed, "posts"))
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.run())
            for number, moment in enumerate(killings, 1):
                await lives.end(moment)
                show(number, len(clients.accepted))
                if number < len(killings):
                    await lives.begin()
            await _last_life(database, lives)
            clients.leaving = True
        clients.odd += await asyncio.to_thread(_end_of_work, process)
        clients.odd += [said for said in grok.violations if "Incorrect API key" not in said]
        settled = await _settled(database)
        found = replace(await _evidence(database, [clients]), asked=lives.asked(settled))
        return replace(found, last_life=len(lives.began) - 1, most_in_flight=MOST_IN_FLIGHT)


async def ordeal_of_several(
    database: URL,
    folder: Path,
    rounds: int,
    seed: int,
    show: Callable[[int, int], None] = lambda _rounds, _accepted: None,
    cut_seconds: float = CUT_SECONDS,
) -> Evidence:
    """Six processes on an empty PostgreSQL database, disturbed so often in all, and what everybody saw.

    One of them is cut off from the database for `cut_seconds` at the end.
    """
    recoveries: dict[str, Recovery] = {}
    async with AsyncExitStack() as stack:
        grok = stack.enter_context(misbehaving(seed, LATENCY))
        lot = await several.processes(database, folder, grok, seed, stack, ENVIRON)

        async def at_the_end(clients: Sequence[Clients]) -> None:
            recoveries.update(await several.one_after_another(lot, clients, grok, cut_seconds))

        clients = await several.under_load(lot, rounds, seed, show, at_the_end)
        await steer(grok, clear=True, latency=0)
        odd = await asyncio.to_thread(several.end_of_work, lot, SECONDS_TO_DRAIN)
        odd += grok.violations
        found = await _evidence(database, clients)
        asked = several.asked(grok, lot, await _settled(database))
        # A process that wakes after a call's time-out books that, and has not read the call's id.
        unread = "SELECT count(*) AS n FROM grok_calls WHERE finished_at IS NOT NULL AND request_id IS NULL"
        [row] = await rows(database, unread)
        books = replace(found.books, open=found.books.open + row.n)
        odd += [
            f"{what}: {said}" for what, each in recoveries.items() if (said := each.complaint(several.LEASE))
        ]
        return replace(
            found,
            books=books,
            asked=asked,
            most_in_flight=len(asked),
            odd=[*found.odd, *odd],
            disturbed=several.what_was_done(lot),
            recoveries=recoveries,
        )


async def _last_life(database: URL, lives: Lives) -> None:
    await steer(lives.grok, clear=True, latency=0)
    if not database.drivername.startswith(SQLITE):
        # Only here, where nobody lives to hold a lease: leases that end by themselves are seen in a long run, and
        # to wait for the last of them would add nothing but a minute.
        await let_leases_end(database)
    await lives.begin()
    await lives.is_up()


def _end_of_work(process: Process) -> list[str]:
    drained = process.drained(SECONDS_TO_DRAIN)
    process.end(signal.SIGTERM)
    odd = [] if drained else [f"the queue was not empty after {SECONDS_TO_DRAIN} s"]
    odd += [] if process.exit_code() == 0 else [f"it ended with {process.exit_code()}"]
    return odd + [f"logged: {line}" for line in process.errors]


async def _settled(database: URL) -> set[str]:
    """The ids of the calls whose end is booked."""
    calls = await rows(database, "SELECT request_id FROM grok_calls WHERE finished_at IS NOT NULL")
    return {row.request_id for row in calls}


async def _evidence(database: URL, clients: Sequence[Clients]) -> Evidence:
    """What the database and the clients know."""
    stored = await rows(
        database,
        "SELECT c.id, c.external_id, c.status, count(i.conversation) AS insights FROM conversations c"
        " LEFT JOIN insights i ON i.conversation = c.number GROUP BY c.id, c.external_id, c.status",
    )
    calls = await rows(database, "SELECT request_id, finished_at FROM grok_calls")
    [sums] = await rows(
        database, "SELECT sum(spent + reserved) AS spent, sum(analysed + cached) AS analysed FROM spending"
    )
    return Evidence(
        accepted=[told for each in clients for told in each.accepted],
        deleted={id_ for each in clients for id_ in each.deleted},
        stored=[Stored(row.id, row.external_id, row.status, row.insights) for row in stored],
        asked=(),
        books=Books(
            calls=len(calls),
            open=sum(row.finished_at is None for row in calls),
            spent=int(sums.spent),
            analysed=int(sums.analysed),
            rolled_up=await _is_rolled_up(database),
        ),
        last_life=0,
        most_in_flight=0,
        unanswered=sum(each.unanswered for each in clients),
        odd=[said for each in clients for said in each.odd],
    )


async def _is_rolled_up(database: URL) -> bool:
    engine = create_async_engine(database, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(assert_rolled_up)
    except AssertionError:
        return False
    finally:
        await engine.dispose()
    return True


# --- the program --------------------------------------------------------------------------------------------


def main() -> int:
    """Kill it on one or both databases; 0 where nothing is to complain of."""
    options = _options()
    # As at Ctrl-C, what was started is ended; without it a SIGTERM leaves service and PostgreSQL behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console()
    kinds = KINDS if options.database == "both" else [options.database]
    kinds = ["postgresql"] if options.processes else kinds
    which = "--processes" if options.processes else f"--database {options.database}"
    again = f"python -m tests.faults.crash --kills {options.kills} {which} --seed {options.seed}"
    console.print(again, highlight=False, soft_wrap=True)
    with ExitStack() as stack:
        folders = {kind: Path(stack.enter_context(TemporaryDirectory(prefix="crash-"))) for kind in kinds}
        urls = {kind: stack.enter_context(fresh(kind, folder)) for kind, folder in folders.items()}
        meter = stack.enter_context(Meter(console, "kills", "conversations", len(kinds) * options.kills))
        if options.processes:
            [(kind, url)] = urls.items()
            rounds = ordeal_of_several(
                url, folders[kind], options.kills, options.seed, meter.show, options.cut_seconds
            )
            found = {"two api and four worker processes": asyncio.run(rounds)}
        else:
            found = asyncio.run(side_by_side(urls, folders, options.kills, options.seed, meter))
    console.print(table(found))
    for kind, evidence in found.items():
        for complaint in evidence.complaints[:MOST_COMPLAINTS]:
            console.print(f"{kind}: {complaint}", markup=False, highlight=False, soft_wrap=True)
    return 1 if any(evidence.complaints for evidence in found.values()) else 0


async def side_by_side(
    urls: Mapping[str, URL], folders: Mapping[str, Path], kills: int, seed: int, meter: Meter
) -> dict[str, Evidence]:
    """The same kills on every database at once: one starts again, which takes most of a life, while others work."""
    killings = list(moments(seed, kills))
    so_far: dict[str, tuple[int, int]] = {}

    def show(kind: str, killed: int, accepted: int) -> None:
        so_far[kind] = killed, accepted
        meter.show(*map(sum, zip(*so_far.values(), strict=True)))

    async with asyncio.TaskGroup() as group:
        ordeals = {
            kind: group.create_task(ordeal(url, folders[kind], killings, seed, partial(show, kind)))
            for kind, url in urls.items()
        }
    return {kind: each.result() for kind, each in ordeals.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.crash", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=15, help="on each database (default: %(default)s)")
    parser.add_argument(
        "--processes",
        action="store_true",
        help="two api and four worker processes on PostgreSQL instead, disturbed so often in all",
    )
    parser.add_argument(
        "--cut-seconds",
        type=float,
        default=CUT_SECONDS,
        help="for how long a worker is cut off from the database at the end (default: %(default)g)",
    )
    parser.add_argument("--database", choices=(*KINDS, "both"), default="both")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="default: another each time"
    )
    return parser.parse_args()


def table(found: Mapping[str, Evidence]) -> Table:
    """What was counted, a column for each database."""
    shown = Table("", *found)
    columns = [_figures(evidence) for evidence in found.values()]
    for name in columns[0]:
        shown.add_row(name, *(column[name] for column in columns))
    return shown


def _figures(evidence: Evidence) -> dict[str, str]:
    statuses = Counter(row.status for row in evidence.stored)
    billed = sum(call.billed for call in evidence.asked)
    counted = {
        **(evidence.disturbed or {"kills": evidence.last_life}),
        "requests without an answer": evidence.unanswered,
        "accepted (202)": len({each.id for each in evidence.accepted}),
        "deleted": len(evidence.deleted),
        "stored": len(evidence.stored),
        "completed": statuses["completed"],
        "skipped": statuses["skipped"],
        "lost": len(evidence.lost),
        "doubled": len(evidence.doubled),
        "calls": len(evidence.asked),
        "in flight at the kills": evidence.in_flight.total(),
        "most at one kill": max(evidence.in_flight.values(), default=0),
        "of these asked again": evidence.asked_again,
        "texts repeated without a reason": len(evidence.repeated),
        "open in the books": evidence.books.open,
        "complaints": len(evidence.complaints),
    }
    money = {"billed": billed, "spent or reserved": evidence.books.spent}
    dollars = {f"{name}, $": f"{ticks / TICKS_PER_USD:.4f}" for name, ticks in money.items()}
    rates = {what: str(recovery) for what, recovery in evidence.recoveries.items()}
    return {**{name: f"{count:,}" for name, count in counted.items()}, **dollars, **rates}


if __name__ == "__main__":
    raise SystemExit(main())
