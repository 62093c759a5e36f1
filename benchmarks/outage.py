"""An outage of Grok for a minute, with every kind of fault: what it costs, and how soon the queue drains afterwards.

    python -m benchmarks.outage [--full]

A quarter of the time it refuses connections, then it answers 500, then never, then 429 without `Retry-After`. It
comes back right after a canary has failed, which is the worst moment: the next one is a whole cooldown away. Calls
are counted in the service's books, and beside them by the fake Grok, which sees none while it refuses. Settings are
the defaults but for GROK_TIMEOUT_SECONDS=5.
"""

import argparse
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx

from benchmarks.baselines import PATH
from benchmarks.driver import text_of
from benchmarks.processes import fake_grok, service
from benchmarks.results import Figure, Result, finish
from core.clock import SECOND, now
from core.settings import Settings

QUEUED, AT_ONCE = 10_000, 500
LATENCY, TIMEOUT = 2.0, 5.0
WARM_CALLS = 50
LOOK_EVERY = 0.02
LONGEST_WAIT = 120.0
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "hang"},
    {"kind": "status", "status": 429},
)
SHARE_OF_CAP = 0.95
TICK = 0.5
"""Seconds within which the service sees that a cooldown is over, and what is due."""

DEFAULT = Settings.model_construct()


class Call(NamedTuple):
    """One call of the books that was made; times in UTC microseconds, `ended` None while it is under way."""

    conversations: int
    """0 for a canary."""
    started: int
    ended: int | None
    outcome: str | None


@dataclass
class Outage:
    """When it began, and when it ended, on both clocks; what Grok had counted by then."""

    began: int = 0
    ended: int = 0
    """UTC microseconds."""
    ended_at: float = 0.0
    """Monotonic seconds, as Grok's arrivals."""
    seen: int = 0
    """Calls that reached Grok while it listened and was down."""
    arrivals: Sequence[float] = ()
    busiest_second: int = 0


@dataclass
class Grok:
    """The fake, from outside."""

    url: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))

    def steer(self, **order: Any) -> None:
        """Set its faults."""
        self.http.post(f"{self.url}/__control", json=order).raise_for_status()

    def stats(self, **params: int) -> dict[str, Any]:
        """What it was sent."""
        found: dict[str, Any] = self.http.get(f"{self.url}/__stats", params=params).json()
        return found

    def listens(self) -> bool:
        """Whether it takes connections."""
        try:
            return self.http.get(f"{self.url}/__stats").is_success
        except httpx.TransportError:
            return False

    def calls(self) -> int:
        """How many it was sent."""
        return int(self.stats()["calls"])


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.outage", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="a minute of each fault, not a quarter of one")
    phase = 60.0 if parser.parse_args().full else 15.0
    with TemporaryDirectory(prefix="outage-") as name, fake_grok(LATENCY) as url:
        outage, calls, statuses = _measured(Path(name), Grok(url), phase)
    setting = (
        f"{phase:g} s each of refused connections, 500, silence and 429 without Retry-After; SQLite, {QUEUED:,} "
        f"queued, a fake Grok that takes {LATENCY:g} s a call, defaults but for GROK_TIMEOUT_SECONDS={TIMEOUT:g}"
    )
    figures = (*_lost(statuses), *_asked(calls, outage), *_drained(calls, outage))
    return finish(Result(program="outage", setting=setting, figures=figures))


def _measured(folder: Path, grok: Grok, phase: float) -> tuple[Outage, list[Call], dict[str, int]]:
    with service(folder, grok.url, GROK_TIMEOUT_SECONDS=TIMEOUT) as process:
        _fill(process.url)
        _until(lambda: grok.calls() >= WARM_CALLS)
        outage = _down(grok, phase)
        drained = process.drained(LONGEST_WAIT)
        stats = grok.stats(arrivals=1)
        outage.arrivals, outage.busiest_second = stats["arrivals"], stats["busiest_second"]
        calls, statuses = _accounting(folder / "insights.db")
        if not drained:
            sys.stderr.write(f"not drained after {LONGEST_WAIT:g} s: {statuses}\n{process.errors}\n")
    return outage, calls, statuses


def _fill(url: str) -> None:
    with httpx.Client(trust_env=False, timeout=60) as http:
        for first in range(0, QUEUED, AT_ONCE):
            items = [{"text": text_of(number)} for number in range(first, first + AT_ONCE)]
            http.post(f"{url}{PATH}/bulk", json=items).raise_for_status()


def _down(grok: Grok, phase: float) -> Outage:
    outage = Outage(began=now())
    # What is down answers at once, if at all. The next fault lies ready for when it listens again.
    grok.steer(latency=0, faults=[FAULTS[0]], refuse_seconds=phase)
    time.sleep(phase)
    _until(grok.listens)
    before = grok.calls()
    time.sleep(phase)
    for fault in FAULTS[1:]:
        grok.steer(clear=True, faults=[fault])
        time.sleep(phase)
    asked = grok.calls()
    _until(lambda: grok.calls() > asked)
    grok.steer(clear=True, latency=LATENCY)
    outage.ended, outage.ended_at = now(), time.monotonic()
    outage.seen = asked + 1 - before
    return outage


def _until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_WAIT
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not so after {LONGEST_WAIT:g} s")
        time.sleep(LOOK_EVERY)


def _accounting(path: Path) -> tuple[list[Call], dict[str, int]]:
    """Every call that was made, not those that were held before they left; conversations by status."""
    made = (
        "SELECT conversations, started_at, finished_at, outcome FROM grok_calls"
        " WHERE outcome IS NOT 'blocked' ORDER BY number"
    )
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        calls = [Call(*row) for row in connection.execute(made)]
        statuses = dict(connection.execute("SELECT status, count(*) FROM conversations GROUP BY status"))
    return calls, statuses


# --- figures ------------------------------------------------------------------------------------------------


def _lost(statuses: dict[str, int]) -> Iterator[Figure]:
    whole = sum(statuses.values())
    yield Figure(name="conversations that failed", value=statuses.get("failed", 0), at_most=0)
    left = whole - statuses.get("completed", 0)
    yield Figure(name="not completed at the end", value=left, at_most=0, note=f"of {whole:,}")


def _asked(calls: Sequence[Call], outage: Outage) -> Iterator[Figure]:
    threshold, cooldown = DEFAULT.error_threshold, DEFAULT.cooldown_seconds
    failed = [call for call in calls if call.conversations and call.outcome != "ok"]
    fifth = sorted(call.ended for call in failed if call.ended is not None)[threshold - 1]
    under_way = sum(call.started < fifth and (call.ended is None or call.ended > fifth) for call in calls)
    yield Figure(
        name="calls with conversations that failed",
        value=len(failed),
        at_most=threshold + under_way,
        note=f"{threshold} errors that open the circuit, {under_way} under way at the last of them",
    )
    during = [call for call in calls if fifth < call.started < outage.ended]
    yield Figure(
        name="that left while the circuit was open",
        value=sum(call.conversations > 0 for call in during),
        at_most=0,
    )
    canaries = [call for call in during if not call.conversations]
    seconds = (outage.ended - fifth) / SECOND
    yield Figure(
        name="canaries in that time",
        value=len(canaries),
        at_most=int(seconds / cooldown),
        note=f"{seconds:.1f} s, one a cooldown",
    )
    gaps = [(later.started - earlier.started) / SECOND for earlier, later in pairwise(canaries)]
    yield Figure(name="shortest time between two", value=min(gaps), unit="s", at_least=cooldown)
    on_draft = sum(call.outcome != "unreachable" for call in canaries)
    yield Figure(
        name="calls in it that Grok counts",
        value=outage.seen,
        at_least=on_draft,
        at_most=on_draft,
        note="those of the books that were not refused a connection",
    )


def _drained(calls: Sequence[Call], outage: Outage) -> Iterator[Figure]:
    cooldown, rate = DEFAULT.cooldown_seconds, DEFAULT.outbound_rps
    canary, *arrivals = (at for at in outage.arrivals if at > outage.ended_at)
    yield Figure(
        name="its end to the canary that tells of it",
        value=canary - outage.ended_at,
        unit="s",
        at_most=cooldown + TICK,
    )
    yield Figure(
        name="its end to the first call with conversations",
        value=arrivals[0] - outage.ended_at,
        unit="s",
        at_most=cooldown + LATENCY + TICK,
        note=f"{LATENCY:g} s of it Grok takes to answer the canary",
    )
    then = [at for at in arrivals if at < arrivals[0] + cooldown]
    yield Figure(
        name=f"calls in the {cooldown:g} s from there",
        value=len(then) / cooldown,
        unit="/s",
        at_least=SHARE_OF_CAP * rate,
    )
    answered = [call for call in calls if call.started > outage.ended and call.conversations][: len(then)]
    packed = sum(call.conversations for call in answered) / len(answered)
    yield Figure(name="conversations a call there", value=packed, at_least=0.9 * DEFAULT.max_batch)
    yield Figure(name="calls in the busiest second", value=outage.busiest_second, at_most=rate)


if __name__ == "__main__":
    raise SystemExit(main())
