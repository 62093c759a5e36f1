"""`kill -9` in the life of batches at the provider: `python -m tests.faults.batch_lane --kills 200`.

The real service and a fake Batch API with all its misbehaviours. Conversations that can wait come in, some are deleted,
some get messages, fresh ones are posted meanwhile, and the service is killed again and again. At the end each accepted
conversation has its insight, no text was ever submitted to two batches, money was never over the budget, and at least
what the fake has billed was booked; without kills exactly that. 0 where that holds on every database, 1 otherwise.
"""

import argparse
import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from rich.console import Console
from sqlalchemy.engine import URL

import database
from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import POSTS, Process, address, client
from benchmarks.support.waiting import eventually
from tests.fake_grok.server import KEY
from tests.support.rows import assert_rolled_up
from tests.support.service import Grok, faked, rows

SAID = "My parcel is two weeks late and nobody answers."
PAID: dict[str, Any] = {
    "GROK_MODE": "real",
    "GROK_API_KEY": KEY,
    "INBOUND_RPS": 0,
    "CHAT_QUIET_SECONDS": 0,
    "OUTBOUND_RPS": 100,
    "BATCH_FLUSH_SECONDS": 0.1,
    "BATCH_LANE_HOURS": 0.02,
    "COOLDOWN_SECONDS": 0.5,
    "DAILY_BUDGET_USD": 40,
}
"""72 seconds to the deadline: a kill every two meets every stage of a batch's life."""
TICKS = 10**10
AT_ONCE = 100
CALLS = ("status", "lost_answer", "garbage")
READINGS = ("twice", "short_pages", "empty_token", "no_token", "late_rows", "no_state", "uncounted")
SECONDS_TO_END = 900
LET_LEASES_END = (
    "UPDATE conversations SET run_at = received_at WHERE lease IS NOT NULL"
    " AND lease NOT IN (SELECT holder FROM provider_batches WHERE run_at IS NOT NULL)",
    "UPDATE asking SET until = 0 WHERE lease NOT IN"
    " (SELECT holder FROM provider_batches WHERE run_at IS NOT NULL)",
    "UPDATE provider_batches SET run_at = 0 WHERE run_at IS NOT NULL",
)
"""Nobody lives to hold them; to wait for their ends would take a minute and a half a kill."""


@dataclass
class Posted:
    """What was accepted."""

    ids: list[str] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    number: int = 0


@dataclass(frozen=True)
class Judged:
    """What became of it."""

    figures: str
    complaints: Sequence[str]


async def ordeal(
    url: URL, folder: Path, pauses: Sequence[float], seed: int, show: Callable[[str], None]
) -> Judged:
    """Live through all kills, and judge."""
    dice, posted, kills = random.Random(seed), Posted(), len(pauses)  # noqa: S311  not for secrets
    with ExitStack() as stack:
        grok = stack.enter_context(faked())
        misbehave(grok, has_kills=bool(kills))
        given = {**PAID, "GROK_BASE_URL": grok.url, "DATABASE_URL": address(url)}
        process = stack.enter_context(Process(folder, **given))
        over: list[str] = []
        for number, pause in enumerate(pauses or [20.0], 1):
            await _lived(process.url, posted, pause, dice)
            if kills:
                process.end(signal.SIGKILL)
                for statement in LET_LEASES_END:
                    await rows(url, statement)
                over += [each async for each in _over_budget(url)]
                await asyncio.to_thread(process.start)
            if number % 20 == 0:
                show(f"{number} kills, {len(posted.ids)} conversations")
        grok.batches.mishaps.clear()
        await eventually(lambda: _is_over(url), SECONDS_TO_END)
        process.end(signal.SIGTERM)
        complaints = [*over, *(f"logged: {line}" for line in process.errors)]
        return await _judged(url, posted, grok, complaints, had_kills=bool(kills))


def misbehave(grok: Grok, *, has_kills: bool) -> None:
    """Everything that the Batch API was seen to do, at once.

    What a row without answer and text has cost, nobody is told, so that it would not be booked exactly.
    """
    fake = grok.batches
    fake.seconds, fake.revert_seconds = 3.0, 2.0
    for kind in CALLS:
        fake.misbehave(kind, probability=0.03)
    fake.misbehave("status", status=404, probability=0.02)
    fake.misbehave("status", status=429, probability=0.02, headers={"retry-after": "1"})
    for kind in READINGS:
        fake.misbehave(kind, probability=0.05)
    for kind in ("stuck", "error", *(("unknown", "nothing") if has_kills else ())):
        fake.misbehave(kind, probability=0.03)
    for kind in ("refused", "stopped"):
        fake.misbehave(kind, probability=0.05)
    fake.misbehave("reverts", probability=0.5)


async def _lived(url: str, posted: Posted, pause: float, dice: random.Random) -> None:
    meddling = asyncio.create_task(_meddle(url, posted, dice))
    await asyncio.sleep(pause)
    meddling.cancel()
    await asyncio.wait([meddling])


async def _meddle(url: str, posted: Posted, dice: random.Random) -> None:
    with suppress(httpx.HTTPError):
        async with client(url) as http:
            for number in range(1_000):
                await _post(http, posted, AT_ONCE, freshness="day")
                await _post(http, posted, 2, freshness="now")
                if number % 3 == 0:
                    id_ = dice.choice(posted.ids)
                    posted.deleted.add(id_)
                    await http.delete(f"{POSTS}/{id_}")
                if number % 5 == 0:
                    await http.post("/chats", json=_turn(dice.choice(posted.ids)))
                await asyncio.sleep(0.7)


async def _post(http: httpx.AsyncClient, posted: Posted, number: int, *, freshness: str) -> None:
    items = [{"text": f"{SAID} {freshness} {posted.number + at}."} for at in range(number)]
    posted.number += number
    answer = await http.post(f"{POSTS}/bulk", json=items, params={"freshness": freshness})
    if answer.status_code == 202:
        posted.ids += answer.json()["conversation_ids"]


def _turn(id_: str) -> dict[str, str]:
    said = {"user_id": "ann", "user_type": "customer", "message_content": f"Hello? {id_}"}
    return {"conversation_id": id_, **said}


async def _is_over(url: URL) -> bool:
    [left] = await rows(url, "SELECT count(*) AS n FROM conversations WHERE run_at IS NOT NULL")
    [open_] = await rows(url, "SELECT count(*) AS n FROM provider_batches WHERE run_at IS NOT NULL")
    return bool(left.n == 0 and open_.n == 0)


async def _over_budget(url: URL) -> AsyncIterator[str]:
    for day in await rows(url, "SELECT spent, reserved FROM spending"):
        if day.spent + day.reserved > PAID["DAILY_BUDGET_USD"] * TICKS:
            yield f"over the budget: {day}"


async def _judged(url: URL, posted: Posted, grok: Grok, complaints: list[str], *, had_kills: bool) -> Judged:
    found = {row.id: row.status for row in await rows(url, "SELECT id, status FROM conversations")}
    lost = [id_ for id_ in posted.ids if id_ not in found and id_ not in posted.deleted]
    complaints += [f"{len(lost)} are lost: {lost[:3]}"] if lost else []
    unfinished = Counter(status for status in found.values() if status != "completed")
    complaints += [f"not completed: {dict(unfinished)}"] if unfinished else []
    [insights] = await rows(url, "SELECT count(*) AS n FROM insights")
    if insights.n != len(found) - sum(unfinished.values()):
        complaints.append(f"{insights.n} insights of {len(found)} conversations")
    stats = grok.batches.stats()
    if stats["most_often_asked"] > 1:
        complaints.append(f"a text was submitted {stats['most_often_asked']} times")
    [money] = await rows(url, "SELECT sum(spent) AS spent, sum(reserved) AS reserved FROM spending")
    billed, booked = grok.billed_ticks + grok.batches.billed_ticks, int(money.spent + money.reserved)
    if booked < billed or (not had_kills and booked != billed):
        complaints.append(f"{booked} were booked of {billed} billed, {money.reserved} of them reserved")
    async with database.opened(url) as db:
        with suppress(AssertionError):
            await db.read(assert_rolled_up)
            return Judged(_figures(found, stats, billed, booked), complaints)
    return Judged(_figures(found, stats, billed, booked), [*complaints, "a roll-up is not a recount's"])


def _figures(found: dict[str, str], stats: dict[str, Any], billed: int, booked: int) -> str:
    texts = f"{len(found)} conversations, {stats['batches']} batches, {stats['texts']} texts in them"
    money = f"billed {billed / TICKS:.4f}, booked {booked / TICKS:.4f} dollars"
    return f"{texts} ({dict(stats['states'])}), {money}"


def _pauses(kills: int, seed: int) -> list[float]:
    dice = random.Random(seed)  # noqa: S311
    return [dice.uniform(0.3, 2.5) for _ in range(kills)]


def _kinds(kind: str) -> Iterator[str]:
    yield from KINDS if kind == "both" else [kind]


def main() -> int:
    """Kill it on one or both databases; 0 where nothing is to complain of."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.batch_lane", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=200, help="on each database (default: %(default)s)")
    parser.add_argument("--database", choices=[*KINDS, "both"], default="both", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: %(default)s)")
    given = parser.parse_args()
    console, bad = Console(), False
    for kind in _kinds(given.database):
        with TemporaryDirectory(prefix="batch-lane-") as folder, fresh(kind, Path(folder)) as url:
            pauses = _pauses(given.kills, given.seed)
            judged = asyncio.run(
                ordeal(url, Path(folder), pauses, given.seed, lambda said: console.print(f"  {said}"))
            )
        lines = (f"{kind}: {judged.figures}, {len(judged.complaints)} complaints", *judged.complaints[:20])
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        bad |= bool(judged.complaints)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
