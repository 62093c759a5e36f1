"""Several processes on one PostgreSQL database, each disturbed again and again while the others work on.

They are killed, frozen, and cut off from the database. At the end one worker is cut off for longer, and two are killed
for good, while nothing else happens: that shows how soon the others do their work.
"""

import asyncio
import math
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
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
from tests.faults.recovery import Recovery, Some, recovery
from tests.support.relay import HangingRelay, hanging
from tests.support.service import Grok

APIS, WORKERS = ("api-1", "api-2"), ("worker-1", "worker-2", "worker-3", "worker-4")
CALL_SECONDS, MARGIN_SECONDS = 5, 2
LEASE = 2 * CALL_SECONDS + MARGIN_SECONDS
TO_STORE = CALL_SECONDS + 10
"""Seconds from a call's arrival within which its answer is stored by a process that nobody disturbs."""
IN_BETWEEN = (0.5, 4.0)
OF_ALL = ("killed", "killed", "frozen inside a transaction", "frozen past its lease")
OF_WORKERS = (*OF_ALL, "cut off from the database past its lease")
ENVIRON: Json = {"GROK_TIMEOUT_SECONDS": CALL_SECONDS, "LEASE_MARGIN_SECONDS": MARGIN_SECONDS}
BAD_SIGNS = ('"code": "internal_error"', '"event": "call_not_settled"', '"event": "summary_not_written"')
"""What no process may log. That it met a closed connection, or a time-out, is another matter."""


@dataclass
class Disturbed:
    """One of the processes, and when it was dead, frozen or cut off, on the monotonic clock."""

    name: str
    process: Process
    database: URL
    random: Random
    relay: HangingRelay | None = None
    """Its way to the database, if that can be cut."""
    spans: list[tuple[float, float]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    is_gone: bool = False
    """Whether it was killed for good."""

    async def rounds(self, count: int, show: Callable[[], None]) -> None:
        """Disturb it so often, with some work in between."""
        for _ in range(count):
            await asyncio.sleep(self.random.uniform(*IN_BETWEEN))
            since = time.monotonic()
            self.done.append(await self._disturb())
            self.spans.append((since, time.monotonic()))
            show()

    async def _disturb(self) -> str:
        what = self.random.choice(OF_ALL if self.relay is None else OF_WORKERS)
        past_its_lease = LEASE + self.random.uniform(0, 3)
        match what:
            case "killed":
                await asyncio.to_thread(self.process.end, signal.SIGKILL)
                await asyncio.to_thread(self.process.start)
                await asyncio.to_thread(self.process.until_healthy)
            case "frozen inside a transaction":
                inside = await freeze_inside_a_transaction(self.process, self.database, self.name, 2)
                await asyncio.sleep(self.random.uniform(0.5, 5))
                wake(self.process)
                return what if inside else "frozen"
            case "frozen past its lease":
                await freeze(self.process)
                await asyncio.sleep(past_its_lease)
                wake(self.process)
            case _:
                await self._cut_off(past_its_lease)
        return what

    async def cut_off(self, seconds: float) -> None:
        """Keep it from the database for so long."""
        since = time.monotonic()
        await self._cut_off(seconds)
        self.done.append(f"cut off from the database for {seconds:g} s")
        self.spans.append((since, time.monotonic()))

    async def _cut_off(self, seconds: float) -> None:
        assert self.relay is not None
        self.relay.hang()
        await asyncio.sleep(seconds)
        self.relay.go_on()

    async def leave(self) -> None:
        """Kill it for good."""
        self.spans.append((time.monotonic(), math.inf))
        self.is_gone = True
        self.done.append("killed for good")
        await asyncio.to_thread(self.process.end, signal.SIGKILL)

    def was_disturbed(self, arrived: float) -> bool:
        """Whether so between a call's arrival and when its answer is stored at the latest."""
        return any(since < arrived + TO_STORE and arrived < until for since, until in self.spans)


async def processes(
    database: URL, folder: Path, grok: Grok, seed: int, stack: AsyncExitStack, environ: Json
) -> list[Disturbed]:
    """Four that analyse and two that take requests, started; the first migrates. `stack` ends them."""
    lot = []
    for name in (*WORKERS, *APIS):
        relay = await stack.enter_async_context(hanging(database)) if name in WORKERS else None
        url = named(database if relay is None else relay.url, name)
        given = environ | ENVIRON | {"DATABASE_URL": address(url), "GROK_API_KEY": KEY}
        given |= {"ROLE": name.partition("-")[0], "GROK_EXTRA_HEADERS": f"X-Process: {name}"}
        process = Process(folder, GROK_BASE_URL=grok.url, **given)
        # In a thread: its way to the database is in this one.
        await asyncio.to_thread(stack.enter_context, process)
        lot.append(Disturbed(name, process, database, dice(seed, name), relay))
    return lot


async def under_load(
    lot: Sequence[Disturbed],
    rounds: int,
    seed: int,
    show: Callable[[int, int], None],
    at_the_end: Callable[[Sequence[Clients]], Awaitable[None]],
) -> list[Clients]:
    """Disturb all at once while clients post to each that takes requests; gives the clients, with what they know.

    `at_the_end` is called with the clients once that is over, while they still post.
    """
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
        await at_the_end(clients)
        for each in clients:
            each.leaving = True
    return clients


async def one_after_another(
    lot: Sequence[Disturbed], clients: Sequence[Clients], grok: Grok, cut_seconds: float
) -> dict[str, Recovery]:
    """Cut one worker off for so long, then kill two for good: how the rate went, by what was done."""
    first, second, third = lot[:3]

    async def after(*happenings: Callable[[], Awaitable[None]]) -> Recovery:
        await asyncio.sleep(LEASE)
        happened = time.monotonic()
        await asyncio.gather(asyncio.sleep(2 * LEASE), *(happen() for happen in happenings))
        posted = [some for each in clients for some in each.posted]
        analysed = [Some(call.arrived, len(call.answered)) for call in grok.calls]
        return recovery(posted, analysed, happened, LEASE)

    return {
        f"one worker cut off for {cut_seconds:g} s": await after(partial(first.cut_off, cut_seconds)),
        "two of four workers killed": await after(second.leave, third.leave),
    }


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
        if each.is_gone:
            continue
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
