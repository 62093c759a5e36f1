"""Calls that end in every way that there is, and processes that make them on one budget.

    python -m tests.support.money DATABASE_URL BUDGET CALLS PROCESSES

prints what the provider bills, a line of ticks a call, before the service learns of it. The first process dies with
the calls that it has in flight.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from sqlalchemy.engine import URL, make_url

import database
from database import Database
from domain.analysis import BatchFault, BeforeSend, Denied, ProviderFault, Reply, Usage
from llm.budget import Budget, End
from tests.support.forked import in_processes
from tests.support.insight_data import NOON

SENDERS = 10


class Priced:
    """What a ledger asks of an analyzer: what a call of so many texts costs at most."""

    name, model, prompt_version, fixed_tokens, row_tokens = "grok", "grok-4.3", "1", 500, 70

    async def analyse(self, texts: Sequence[str], before_send: BeforeSend) -> Reply:
        raise NotImplementedError

    def worst_case(self, texts: Sequence[str]) -> Usage:
        return Usage(prompt_tokens=2_000 + sum(map(len, texts)), completion_tokens=256 + 160 * len(texts))


def served(usage: Usage) -> End:
    return Reply(model="grok-4.3", usage=usage, status=200, rows=[])


def garbled(usage: Usage) -> End:
    return BatchFault("malformed", "no JSON", status=200, usage=usage)


def untold(usage: Usage) -> End:
    return Reply(model="grok-4.3", status=200, rows=[])


def timed_out(usage: Usage) -> End:
    return ProviderFault("timeout", "no whole answer within 60 s")


def unavailable(usage: Usage) -> End:
    return ProviderFault("server_error", "HTTP 503", status=503)


def refused(usage: Usage) -> End:
    return Denied("credentials", "HTTP 401", status=401)


def given_up(usage: Usage) -> End:
    return None


class Way(NamedTuple):
    """How a call ends. `end` of None: its process dies; `leaves` is whether it was written, `billed` whether paid."""

    end: Callable[[Usage], End] | None
    leaves: bool = True
    billed: bool = True
    known: bool = True
    """Whether the service learns what it cost."""


KNOWN = (
    Way(served),
    Way(garbled),
    Way(unavailable, billed=False),
    Way(refused, billed=False),
    Way(given_up, leaves=False, billed=False),
)
UNKNOWN = (
    Way(untold, known=False),
    *(
        Way(end, billed=billed, known=False)
        for end in (timed_out, given_up, None)
        for billed in (True, False)
    ),
)

DYING = UNKNOWN[-2]
WAYS = (*KNOWN, *UNKNOWN[:-2])
"""Those whose process lives on."""


async def _spend(url: URL, limit: int, calls: int, seed: int) -> None:
    """Make calls, ten at a time, until so many are made or the budget is spent."""
    dice, budget = Random(seed), Budget(Priced(), lambda: NOON, limit=limit)  # noqa: S311  which way a call ends
    async with database.opened(url) as db:
        ways = [dice.choice(WAYS) for _ in range(calls)]
        if seed == 0:
            ways[0] = DYING
        gate = asyncio.Semaphore(SENDERS)
        await asyncio.gather(*(_send(db, budget, gate, way, dice.random()) for way in ways))


async def _send(db: Database, budget: Budget, gate: asyncio.Semaphore, way: Way, share: float) -> None:
    async with gate:
        reserve = partial(budget.reserve_for, texts=["x" * 400] * 5, conversations=5)
        _, reservation = await db.write(reserve)
        if reservation is None:
            return
        cost = round(reservation.reserved * share) if way.billed else 0
        os.write(1, f"{cost}\n".encode())
        if way.end is None:
            os.write(1, b"died\n")
            os._exit(0)
        end = way.end(Usage(100, 0, 100, 0, cost_ticks=cost))
        await db.write(partial(budget.record, reservation=reservation, end=end, sent=way.leaves))


def main(url: str, limit: str, calls: str, processes: str) -> None:
    """Spend in so many processes."""
    in_processes(int(processes), partial(_spend, make_url(url), int(limit), int(calls)))


if __name__ == "__main__":
    main(*sys.argv[1:])
