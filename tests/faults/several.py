"""Several processes on one PostgreSQL database, each killed or frozen again and again while the others work on."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from sqlalchemy.engine import URL

from benchmarks.support.process import Json, Process, address
from llm.canary import CANARY
from tests.fake_grok.server import KEY
from tests.faults.crash_clients import Clients
from tests.faults.crash_judge import Asked
from tests.faults.crash_moments import dice
from tests.faults.freezing import freeze, freeze_inside_a_transaction, named, wake
from tests.support.service import Grok

APIS, WORKERS = ("api-1", "api-2"), ("worker-1", "worker-2")
CALL_SECONDS, MARGIN_SECONDS = 5, 2
LEASE = 2 * CALL_SECONDS + MARGIN_SECONDS
TO_STORE = CALL_SECONDS + 10
"""Seconds from a call's arrival within which its answer is stored by a process that nobody disturbs."""
IN_BETWEEN = (0.5, 4.0)
ENVIRON: Json = {"GROK_TIMEOUT_SECONDS": CALL_SECONDS, "LEASE_MARGIN_SECONDS": MARGIN_SECONDS}
BAD_SIGNS = ('"code": "internal_error"', '"event": "call_not_settled"', '"event": "summary_not_written"')
"""What no process may log. That it met a closed connection, or a time-out, is another matter."""


@dataclass
class Disturbed:
    """One of the processes, and when it was dead or frozen, on the monotonic clock."""

    name: str
    process: Process
    database: URL
    random: Random
    spans: list[tuple[float, float]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    async def rounds(self, count: int, show: Callable[[], None]) -> None:
        """Disturb it so often, with some work in between."""
        for _ in range(count):
            await asyncio.sleep(self.random.uniform(*IN_BETWEEN))
            since = time.monotonic()
            self.done.append(await self._disturb())
            self.spans.append((since, time.monotonic()))
            show()

    async def _disturb(self) -> str:
        match self.random.randrange(4):
            case 0 | 1:
                await asyncio.to_thread(self.process.end, signal.SIGKILL)
                await asyncio.to_thread(self.process.start)
                await asyncio.to_thread(self.process.until_healthy)
                return "killed"
            case 2:
                inside = await freeze_inside_a_transaction(self.process, self.database, self.name, 2)
                await asyncio.sleep(self.random.uniform(0.5, 5))
                wake(self.process)
                return "frozen inside a transaction" if inside else "frozen"
        await freeze(self.process)
        await asyncio.sleep(LEASE + self.random.uniform(0, 3))
        wake(self.process)
        return "frozen past its lease"

    def was_disturbed(self, arrived: float) -> bool:
        """Whether so between a call's arrival and when its answer is stored at the latest."""
        return any(since < arrived + TO_STORE and arrived < until for since, until in self.spans)


def processes(
    database: URL, folder: Path, grok: Grok, seed: int, stack: ExitStack, environ: Json
) -> Iterator[Disturbed]:
    """Two that take requests and two that analyse, started; the first migrates, the others wait for it."""
    for name in (*WORKERS, *APIS):
        given = environ | ENVIRON | {"DATABASE_URL": address(named(database, name)), "GROK_API_KEY": KEY}
        given |= {"ROLE": name.partition("-")[0], "GROK_EXTRA_HEADERS": f"X-Process: {name}"}
        process = Process(folder, GROK_BASE_URL=grok.url, **given)
        stack.enter_context(process)
        yield Disturbed(name, process, database, dice(seed, name))


async def under_load(
    lot: Sequence[Disturbed], rounds: int, seed: int, show: Callable[[int, int], None]
) -> list[Clients]:
    """Disturb all at once while clients post to each that takes requests; gives the clients, with what they know."""
    clients = [
        Clients(each.process.url, dice(seed, f"posts to {each.name}"), f"{each.name[-1]}0")
        for each in lot
        if each.name in APIS
    ]

    def shown() -> None:
        show(sum(len(each.done) for each in lot), sum(len(each.accepted) for each in clients))

    async with asyncio.TaskGroup() as group:
        for each in clients:
            group.create_task(each.run())
        async with asyncio.TaskGroup() as disturbing:
            for number, one in enumerate(lot):
                share = rounds // len(lot) + (number < rounds % len(lot))
                disturbing.create_task(one.rounds(share, shown))
        for each in clients:
            each.leaving = True
    return clients


def asked(grok: Grok, lot: Sequence[Disturbed], settled: set[str]) -> list[Asked]:
    """Grok's record, by whether the process that made a call was disturbed in it."""
    of = {each.name: each for each in lot}
    return [
        Asked(
            life=0,
            texts=() if list(call.texts) == [CANARY] else call.texts,
            answered=call.answered,
            settled=f"call-{number}" in settled,
            billed=call.billed_ticks,
            disturbed=of[call.by].was_disturbed(call.arrived),
        )
        for number, call in enumerate(grok.calls, 1)
    ]


def end_of_work(lot: Sequence[Disturbed], seconds: float) -> list[str]:
    """Wait until the queue is empty, and stop all; what should not have been, a line each."""
    drained = lot[-1].process.drained(seconds)
    odd = [] if drained else [f"the queue was not empty after {seconds:g} s"]
    for each in lot:
        each.process.end(signal.SIGTERM)
        code = each.process.exit_code()
        odd += [] if code == 0 else [f"{each.name} ended with {code}"]
        bad = (line for line in each.process.said.splitlines() if any(sign in line for sign in BAD_SIGNS))
        odd += [f"{each.name} logged: {line[:500]}" for line in bad]
    return odd


def what_was_done(lot: Sequence[Disturbed]) -> dict[str, int]:
    """How often what was done to any of them."""
    done = [what for each in lot for what in each.done]
    return {what: done.count(what) for what in sorted(set(done))}
