"""`kill -9` in the middle of a re-analysis: `python -m tests.faults.reanalysis --kills 40`.

The real service with conversations that were analysed offline, and a fake Grok. A part of them is analysed again while
posts, growing chats, corrections and deletions go on, and the service is killed again and again. At the end each chosen
conversation that is still what it was has exactly one new version, nobody else has one, what people corrected counts,
all counts are those of a recount, and the fake has billed no more than `max_usd` for it. Meanwhile somebody looks on,
and the counts are those of a recount at every look. 0 where that holds on every database, 1 otherwise.
"""

import argparse
import asyncio
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from rich.console import Console
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import POSTS, Json, Process, address, client
from benchmarks.support.waiting import eventually
from tests.fake_grok.server import KEY
from tests.faults.onlooker import Seen, onlooker
from tests.support.rows import assert_rolled_up
from tests.support.service import Grok, faked, let_leases_end, rows

SAID = "My parcel is two weeks late and nobody answers."
CHOSEN, OTHERS, FRESH = "Chosen", "Another", "Fresh"
OFFLINE: dict[str, Any] = {"GROK_MODE": "offline", "INBOUND_RPS": 0, "CHAT_QUIET_SECONDS": 0}
PAID: dict[str, Any] = {
    **OFFLINE,
    "GROK_MODE": "real",
    "GROK_API_KEY": KEY,
    "OUTBOUND_RPS": 100,
    "BATCH_FLUSH_SECONDS": 0.1,
    # About a hundred conversations a second are analysed again, so that it lasts for some lives.
    "MAX_BATCH": 20,
    "START_BATCH": 20,
}
TICKS = 10**10
PATH = "/api/v1/reanalysis"
SENTIMENT_OF = {"negative": -1, "neutral": 0, "positive": 1}
MOMENT = "2026-03-{day:02d}T12:00:00Z"
WINDOW = {"start_time": "2026-03-01T00:00:00Z", "end_time": "2026-03-02T00:00:00Z"}
"""Of the chosen ones; the others are of the day after."""
AT_ONCE = 500
LATENCY = 1.0
CHATS = 20
SECONDS_TO_END = 1_800
RECOUNT_EVERY = 10
"""Kills after which everything is counted; a recount of 100,000 takes ten seconds."""
LET_LEASES_END = (
    "UPDATE reanalysis_items SET run_at = 0 WHERE run_at IS NOT NULL",
    "UPDATE jobs SET run_at = 0 WHERE run_at IS NOT NULL",
)


@dataclass(frozen=True)
class Plan:
    """How much there is, and what happens to it."""

    conversations: int
    chosen: int
    pauses: Sequence[float]
    """Seconds after which each life ends."""
    max_usd: float
    seed: int


@dataclass(frozen=True)
class Done:
    """What became of it."""

    status: str
    changed: int
    dropped: int
    sent: int
    """How often a chosen text was sent."""
    usd: float
    """What the fake billed for them."""
    corrected: int
    """How many have a correction that counts."""
    seen: Seen
    complaints: Sequence[str]


@dataclass
class Said:
    """The conversations that may be deleted, and what people said of which."""

    ids: list[str]
    corrections: dict[str, int | None]
    """The sentiment that was said last, None where that was taken back; without those of which no answer came."""


async def ordeal(url: URL, folder: Path, plan: Plan, show: Callable[[str], None] = lambda _: None) -> Done:
    """Fill a database, analyse a part again through all kills, and judge."""
    said = Said(await _filled(url, folder, plan), {})
    show(f"{plan.conversations} conversations are there")
    complaints: list[str] = []
    with ExitStack() as stack:
        grok = stack.enter_context(faked())
        grok.latency = LATENCY
        given = {**PAID, "GROK_BASE_URL": grok.url, "DATABASE_URL": address(url)}
        process = stack.enter_context(Process(folder, **given))
        seen = stack.enter_context(onlooker(url))
        job = await _begun(process.url, plan.max_usd)
        for number, pause in enumerate(plan.pauses, 1):
            await _lived(process, said, number, pause, random.Random(f"{plan.seed} {number}"))  # noqa: S311
            await _let_leases_end(url)
            if number % RECOUNT_EVERY == 0:
                complaints += [f"after kill {number}: {each}" async for each in _of_counts(url)]
                show(f"{number} kills")
            await asyncio.to_thread(process.start)
        grok.latency = 0.1
        end = await _ended(process.url, job)
        process.drained(SECONDS_TO_END)
        process.end(signal.SIGTERM)
        complaints += [f"logged: {line}" for line in process.errors]
    return await _judged(url, plan, grok, end, said, seen, complaints)


async def _filled(url: URL, folder: Path, plan: Plan) -> list[str]:
    """Conversations that are analysed offline; gives the ids of the chosen ones."""
    with Process(folder, DATABASE_URL=address(url), **OFFLINE) as process:
        async with client(process.url) as http:
            chosen = await _posted(http, CHOSEN, plan.chosen - CHATS, day=1)
            await http.post("/chats", json=[_turn(at, "It is late.") for at in range(CHATS)])
            await _posted(http, OTHERS, plan.conversations - plan.chosen, day=2)
        if not process.drained(SECONDS_TO_END):
            raise TimeoutError("they were not analysed in time")
        process.end(signal.SIGTERM)
    return chosen


async def _posted(http: httpx.AsyncClient, kind: str, number: int, *, day: int) -> list[str]:
    ids: list[str] = []
    for first in range(0, number, AT_ONCE):
        numbers = range(first, min(number, first + AT_ONCE))
        items = [{"text": f"{SAID} {kind} {at}.", "timestamp": MOMENT.format(day=day)} for at in numbers]

        async def stored(items: Any = items) -> list[str] | None:
            answer = await http.post(f"{POSTS}/bulk", json=items)
            return None if answer.status_code == 503 else answer.raise_for_status().json()["conversation_ids"]

        ids += await eventually(stored, 300)
    return ids


def _turn(chat: int, said: str) -> Json:
    return {
        "conversation_id": f"chat-{chat}",
        "user_id": "ann",
        "user_type": "customer",
        "message_content": f"{said} {CHOSEN} chat {chat}.",
        "timestamp": MOMENT.format(day=1),
    }


async def _begun(url: str, max_usd: float) -> str:
    async with client(url) as http:
        body = {"window": WINDOW, "filter": {"analyzer": "offline"}, "max_usd": max_usd}
        return str((await http.post(PATH, json=body)).raise_for_status().json()["id"])


async def _lived(process: Process, said: Said, life: int, pause: float, dice: random.Random) -> None:
    """A life of the service under posts, corrections, deletions and growing chats, and its end."""
    meddling = asyncio.create_task(_meddle(process.url, said, life, dice))
    await asyncio.sleep(pause)
    process.end(signal.SIGKILL)
    meddling.cancel()
    await asyncio.wait([meddling])


async def _meddle(url: str, said: Said, life: int, dice: random.Random) -> None:
    with suppress(httpx.HTTPError):
        async with client(url) as http:
            for post in range(1_000):
                texts = [{"text": f"{SAID} {FRESH} {life}-{post}-{at}."} for at in range(5)]
                await http.post(f"{POSTS}/bulk", json=texts)
                await _correct(http, said, dice)
                gone = said.ids.pop(dice.randrange(len(said.ids)))
                said.corrections.pop(gone, None)
                await http.delete(f"{POSTS}/{gone}")
                if post % 20 == 0:
                    await http.post("/chats", json=[_turn(dice.randrange(CHATS), f"Hello {life} {post}?")])
                await asyncio.sleep(0.05)


async def _correct(http: httpx.AsyncClient, said: Said, dice: random.Random) -> None:
    """Correct one, or take back what was said of it: every other time one that somebody has corrected before."""
    before = sorted(said.corrections)
    id_ = dice.choice(before if before and dice.random() < 0.5 else said.ids)
    name = dice.choice([*SENTIMENT_OF, None])
    said.corrections.pop(id_, None)
    answer = await http.post(f"{POSTS}/{id_}/corrections", json={"sentiment": name})
    if answer.status_code == 200:
        said.corrections[id_] = None if name is None else SENTIMENT_OF[name]


async def _let_leases_end(url: URL) -> None:
    """Nobody lives to hold one; to wait for their ends would take a minute and a half a kill."""
    await let_leases_end(url)
    for statement in LET_LEASES_END:
        await rows(url, statement)


async def _ended(url: str, job: str) -> Json:
    async with client(url) as http:

        async def end() -> Json | None:
            found: Json = (await http.get(f"{PATH}/{job}")).raise_for_status().json()
            return found if found["job"]["ended_at"] else None

        found: Json = await eventually(end, SECONDS_TO_END)
        return found


async def _judged(
    url: URL, plan: Plan, grok: Grok, end: Json, said: Said, seen: Seen, complaints: list[str]
) -> Done:
    ours = [call for call in grok.calls if any(CHOSEN in text for text in call.texts)]
    again = [
        call for call in ours if call.kind == "analysis" and not any(FRESH in text for text in call.texts)
    ]
    billed = sum(call.billed_ticks for call in again)
    complaints += [each async for each in _of_counts(url)]
    complaints += [each async for each in _of_versions(url, end)]
    complaints += [f"somebody saw at {each}" for each in seen.complaints]
    corrections = await rows(url, CORRECTIONS)
    complaints += _of_corrections(corrections, said)
    if billed > plan.max_usd * TICKS:
        complaints.append(f"{billed / TICKS} dollars were billed, of {plan.max_usd}")
    sent = sum(CHOSEN in text for call in again for text in call.texts)
    counts = end["changed"], end["dropped"], sent, billed / TICKS, len(corrections)
    return Done(end["job"]["status"], *counts, seen, complaints)


async def _of_counts(url: URL) -> Any:
    """While the service is down, by a connection without its limits, which would end so long a transaction."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        try:
            await connection.run_sync(assert_rolled_up)
        except AssertionError as error:
            yield f"a roll-up is not what a recount gives: {str(error)[:200]}"


VERSIONS = """
SELECT i.analyzer, c.revision, c.timestamp, count(v.number) AS n FROM insights i
JOIN conversations c ON c.number = i.conversation
LEFT JOIN insight_versions v ON v.conversation = i.conversation AND v.origin = 'analysis'
GROUP BY i.conversation, i.analyzer, c.revision, c.timestamp
"""
DAY_OF_CHOSEN = 1_772_323_200 * 1_000_000, 1_772_409_600 * 1_000_000
"""WINDOW in UTC microseconds."""


async def _of_versions(url: URL, end: Json) -> Any:
    """Who has how many versions. A chat that grew before its turn was analysed as any fresh one."""
    found = await rows(url, VERSIONS)
    start, before = DAY_OF_CHOSEN
    done = 0
    for row in found:
        is_chosen = start <= row.timestamp < before
        wanted = int(is_chosen and row.revision == 1 and row.analyzer == "grok")
        done += wanted
        # A chat that grew afterwards keeps the version that it had before.
        if row.n != wanted and not (row.revision > 1 and row.n == 1):
            yield f"one has {row.n} earlier versions, not {wanted}: {row}"
        if is_chosen and row.analyzer != "grok" and end["job"]["status"] == "completed":
            yield f"one was not analysed again: {row}"
    # Of those that were done, some were deleted or grew later.
    if done > end["changed"]:
        yield f"{done} have a new version, and the job says {end['changed']}"


CORRECTIONS = """
SELECT c.id, x.sentiment AS said, i.sentiment AS counts, x.analyzer AS beside, i.analyzer AS by
FROM corrections x JOIN conversations c ON c.number = x.conversation
JOIN insights i ON i.conversation = x.conversation AND i.revision = x.revision
"""


def _of_corrections(found: Sequence[Any], said: Said) -> Iterator[str]:
    """Whether what was said counts, and stands beside what the newest analysis says."""
    for row in found:
        if (row.said, row.beside) != (row.counts, row.by):
            yield f"a correction does not count, or is beside another analysis: {row}"
    stored: dict[str, int] = {row.id: row.said for row in found}
    for id_, sentiment in said.corrections.items():
        if stored.get(id_) != sentiment:
            yield f"{id_} was corrected to {sentiment}, and {stored.get(id_)} is stored"


def _pauses(kills: int, seed: int) -> list[float]:
    dice = random.Random(seed)  # noqa: S311
    return [dice.uniform(0.5, 3.0) for _ in range(kills)]


def _shown(console: Console, kind: str, done: Done) -> None:
    counts = f"{done.status}, {done.changed} changed, {done.dropped} dropped, {done.sent} texts sent"
    more = f"{done.corrected} corrected, {done.seen.looks} looks, {done.seen.recounts} of them at all counts"
    line = f"{kind}: {counts}, {done.usd:.4f} dollars, {more}, {len(done.complaints)} complaints"
    for each in (line, *(f"  {complaint}" for complaint in done.complaints[:20])):
        console.print(each, markup=False, highlight=False, soft_wrap=True)


def _kinds(database: str) -> Iterator[str]:
    yield from KINDS if database == "both" else [database]


def main() -> int:
    """Kill it on one or both databases; 0 where nothing is to complain of."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.reanalysis", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=40, help="on each database (default: %(default)s)")
    parser.add_argument("--conversations", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--chosen", type=int, default=20_000, help="of them (default: %(default)s)")
    parser.add_argument("--max-usd", type=float, default=20.0, help="(default: %(default)s)")
    parser.add_argument("--database", choices=[*KINDS, "both"], default="both", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: %(default)s)")
    given = parser.parse_args()
    console, bad = Console(), False
    pauses = _pauses(given.kills, given.seed)
    plan = Plan(given.conversations, given.chosen, pauses, given.max_usd, given.seed)
    for kind in _kinds(given.database):
        with TemporaryDirectory(prefix="reanalysis-") as folder, fresh(kind, Path(folder)) as url:
            done = asyncio.run(ordeal(url, Path(folder), plan, lambda said: console.print(f"  {said}")))
        _shown(console, kind, done)
        bad |= bool(done.complaints)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
