"""`kill -9` between results and their deliveries: `python -m tests.faults.deliveries --kills 60`.

The real service with a webhook, posts that go on, a receiver that is slow and refuses now and then, and kills while
results are stored and events are on their way. After the last kill all is delivered. Then there is an event for every
insight and every failure, no event has come with two bodies, and those of a conversation came in order. 0 where that
holds on every database, 1 otherwise.
"""

import argparse
import asyncio
import json
import random
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from rich.console import Console
from sqlalchemy.engine import URL

from benchmarks.support.databases import KINDS, fresh
from benchmarks.support.process import POSTS, Process, address, client
from benchmarks.support.waiting import eventually
from tests.support.receivers import WebhookReceiver, receiving
from tests.support.service import let_leases_end, rows

SAID = "My parcel is two weeks late and nobody answers."
ENVIRON: dict[str, Any] = {
    "GROK_MODE": "offline",
    "INBOUND_RPS": 0,
    "CHAT_QUIET_SECONDS": 0,
    "WEBHOOK_ALLOW_PRIVATE": "true",
}
SECONDS_TO_DELIVER = 300
CHATS = 5
LET_LEASES_END = "UPDATE webhooks SET run_at = 0 WHERE run_at IS NOT NULL"
DUE_NOW = "UPDATE webhook_deliveries SET next_at = 0 WHERE next_at IS NOT NULL"


class Fickle(WebhookReceiver):
    """Refuses one in ten and is slow with one in five."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.dice = dice

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.status = 500 if self.dice.random() < 0.1 else 200
        if self.dice.random() < 0.2:
            await asyncio.sleep(0.2)
        await super().__call__(scope, receive, send)


@dataclass(frozen=True)
class Told:
    """What the receiver was sent, and what the database says at the end."""

    kills: int
    insights: int
    events: int
    """Different ones that came."""
    requests: int
    """All that came, with those that came again."""
    complaints: Sequence[str]


async def ordeal(
    database: URL,
    folder: Path,
    pauses: Sequence[float],
    seed: int,
    show: Callable[[int], None] = lambda _: None,
) -> Told:
    """A service that is killed so many seconds after each start, and once more runs to the end."""
    dice = random.Random(seed)  # noqa: S311  not for secrets
    with ExitStack() as stack:
        receiver = Fickle(dice)
        stack.enter_context(receiving(receiver))
        process = stack.enter_context(Process(folder, DATABASE_URL=address(database), **ENVIRON))
        receiver.secret = await _register(process.url, receiver.url)
        for number, pause in enumerate(pauses, 1):
            posting = asyncio.create_task(_post(process.url, number))
            await asyncio.sleep(pause)
            process.end(signal.SIGKILL)
            posting.cancel()
            await asyncio.wait([posting])
            show(number)
            # Nobody lives to hold a lease; to wait for the end of each would take a minute and a half a kill.
            await let_leases_end(database)
            await rows(database, LET_LEASES_END)
            await asyncio.to_thread(process.start)
        process.drained(SECONDS_TO_DELIVER)
        receiver.dice = random.Random(0)  # noqa: S311
        await eventually(lambda: _is_delivered(database), SECONDS_TO_DELIVER)
        process.end(signal.SIGTERM)
        errors = [f"logged: {line}" for line in process.errors]
        return await _judged(database, receiver, len(pauses), errors + receiver.badly_signed)


async def _register(url: str, receiver: str) -> str:
    body = {"url": f"{receiver}/hook", "events": ["insight.completed", "conversation.failed"]}
    async with client(url) as http:
        answer = (await http.post("/api/v1/webhooks", json=body)).raise_for_status()
    return str(answer.json()["secret"])


async def _post(url: str, life: int) -> None:
    """Post until the service is gone: texts in bulk, and messages of chats that have been analysed before."""
    with suppress(httpx.HTTPError):
        async with client(url) as http:
            for post in range(1_000):
                texts = [{"text": f"{SAID} It is number {at} of {life}-{post}."} for at in range(20)]
                await http.post(f"{POSTS}/bulk", json=texts)
                turn = {"user_id": "ann", "user_type": "customer", "message_content": f"{SAID} {life} {post}"}
                await http.post(
                    "/chats", json=[{**turn, "conversation_id": f"chat-{at}"} for at in range(CHATS)]
                )
                await asyncio.sleep(0.05)


async def _is_delivered(database: URL) -> bool:
    await rows(database, DUE_NOW)
    await rows(database, LET_LEASES_END.replace("IS NOT NULL", "IS NOT NULL AND lease IS NULL"))
    [row] = await rows(database, "SELECT count(*) AS n FROM webhook_deliveries WHERE next_at IS NOT NULL")
    await asyncio.sleep(0.2)
    return bool(row.n == 0)


async def _judged(database: URL, receiver: WebhookReceiver, kills: int, errors: Sequence[str]) -> Told:
    stored = await rows(
        database,
        "SELECT c.id, i.analysed_at FROM insights i JOIN conversations c ON c.number = i.conversation",
    )
    first: dict[str, dict[str, Any]] = {}
    for headers, body in receiver.got:
        first.setdefault(headers["webhook-id"], json.loads(body))
    complaints = [
        *errors,
        *_of_bodies(receiver),
        *_of_order(first.values()),
        *_of_losses(stored, first.values()),
    ]
    return Told(kills, len(stored), len(first), len(receiver.got), complaints)


def _of_bodies(receiver: WebhookReceiver) -> Iterator[str]:
    for id_, bodies in receiver.bodies.items():
        if len(bodies) > 1:
            yield f"{id_} came with {len(bodies)} bodies"


def _of_order(events: Any) -> Iterator[str]:
    """By the times of the insights, which are those of the versions of a chat."""
    times: defaultdict[str, list[str]] = defaultdict(list)
    for event in events:
        times[event["data"]["conversation_id"]].append(event["timestamp"])
    for id_, of_one in times.items():
        if of_one != sorted(of_one):
            yield f"the events of {id_} came as {of_one}"


def _of_losses(stored: Sequence[Any], events: Any) -> Iterator[str]:
    """Every insight that is stored was told: earlier ones of a chat are not stored any more."""
    told = {event["data"]["conversation_id"] for event in events}
    for row in stored:
        if row.id not in told:
            yield f"the insight of {row.id} was not told"


def main() -> int:
    """Kill it on one or both databases; 0 where nothing is to complain of."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.deliveries", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=60, help="on each database (default: %(default)s)")
    parser.add_argument("--database", choices=[*KINDS, "both"], default="both", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: %(default)s)")
    options = parser.parse_args()
    console, bad = Console(), False
    for kind in KINDS if options.database == "both" else [options.database]:
        dice = random.Random(options.seed)  # noqa: S311
        pauses = [dice.uniform(0.2, 2.0) for _ in range(options.kills)]
        with TemporaryDirectory(prefix="deliveries-") as folder, fresh(kind, Path(folder)) as url:
            told = asyncio.run(ordeal(url, Path(folder), pauses, options.seed))
        counts = (
            f"{told.kills} kills, {told.insights} insights, {told.events} events in {told.requests} requests"
        )
        console.print(f"{kind}: {counts}, {len(told.complaints)} complaints", highlight=False, soft_wrap=True)
        for complaint in told.complaints[:20]:
            console.print(f"  {complaint}", markup=False, highlight=False, soft_wrap=True)
        bad |= bool(told.complaints)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
