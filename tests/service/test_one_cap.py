"""Several services on one PostgreSQL database: one cap, one circuit and one pause, as their Grok sees them."""

import asyncio
import re
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import POSTS, Process, address, client
from benchmarks.support.waiting import eventually
from tests.fake_grok.server import KEY
from tests.support.service import Grok, Service, running

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

LATE = "My parcel is three days late and nobody answers"
RATE, TEXTS = 10, 60
THRESHOLD, IN_FLIGHT = 4, 2
OK = re.compile(r'^grok_calls_total\{outcome="ok"\} [1-9]', re.MULTILINE)


async def test_two_processes_make_no_more_calls_than_one_may(
    database_url: URL, grok: Grok, tmp_path: Path
) -> None:
    grok.latency = 0.2
    limits = {"INBOUND_RPS": 0, "OUTBOUND_RPS": RATE, "MAX_BATCH": 1, "START_BATCH": 1}
    where = {"DATABASE_URL": address(database_url), "GROK_API_KEY": KEY, "GROK_BASE_URL": grok.url}
    given: dict[str, Any] = {**limits, **where}
    with ExitStack() as stack:
        one, other = [stack.enter_context(Process(tmp_path, **given)) for _ in range(2)]
        async with client(one.url) as http, client(other.url) as at_the_other:
            items = [{"text": f"{LATE} {number}"} for number in range(TEXTS)]
            assert (await http.post(f"{POSTS}/bulk", json=items)).status_code == 202
            await eventually(lambda: len(grok.calls) >= TEXTS, 60)
            made = [OK.search((await each.get("/metrics")).text) for each in (http, at_the_other)]

    # By the arrival in this process, which may be late: that is what the shorter window is for. Two caps make 14 in it.
    assert grok.busiest_second(jitter=0.3) <= RATE
    assert all(made)
    assert set(grok.sent.values()) == {1}


async def test_one_circuit_and_one_pause_for_both(database_url: URL, grok: Grok) -> None:
    given = {"error_threshold": THRESHOLD, "cooldown_seconds": 2, "max_in_flight": IN_FLIGHT, "max_batch": 1}
    async with running(database_url, grok, **given) as one, running(database_url, grok, **given) as other:
        down = grok.misbehave("status", status=503)
        ids = await one.post_all(f"{LATE} {number}" for number in range(20))
        await eventually(partial(are, "open", one, other))
        # By the books, because on a busy machine a call may fail before it gets there.
        assert len(await one.rows("SELECT number FROM grok_calls WHERE outcome <> 'ok'")) >= THRESHOLD
        # As many as one process would make, those that were in flight, and a canary.
        assert len(grok.calls) <= THRESHOLD + 2 * IN_FLIGHT + 1
        await asyncio.gather(*(says(each, "calls to grok fail, server_error") for each in (one, other)))
        grok.faults.remove(down)
        await eventually(partial(are, "closed", one, other))
        await one.all_ended(ids)

        grok.misbehave("status", status=429, headers={"retry-after": "2"}, calls=1)
        more = await one.post_all(f"{LATE} and late {number}" for number in range(4))
        await asyncio.gather(*(says(each, "rate limited by the provider") for each in (one, other)))
        await other.all_ended(more)


async def are(state: str, *services: Service) -> bool:
    """Whether the circuit is so for all of them."""
    return {(await each.get("/health"))["circuit"] for each in services} == {state}


async def says(service: Service, reason: str) -> None:
    """Wait until that is a reason of its health."""

    async def there() -> bool:
        return any(each.startswith(reason) for each in (await service.get("/health"))["reasons"])

    await eventually(there)
