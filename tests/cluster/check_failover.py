"""The primary is killed under load: what was answered 202 is there, and clients meet nothing but 503 with Retry-After.

`make test-cluster` runs this, with the configurations of deploy/cluster. One process of the service goes to HAProxy,
one through PgBouncer, and both read on the standby.
"""

import asyncio
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import URL, make_url

from benchmarks.support.process import POSTS, Json, Process, client
from tests.cluster.programs import DEBIAN, PASSWORD, Cluster, missing, running
from tests.fake_grok.server import KEY
from tests.support.service import Grok, rows

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"apt-get install {DEBIAN}")

BALANCED, STANDBY, POOLED = (
    make_url(f"postgresql+asyncpg://insights:{PASSWORD}@127.0.0.1:{port}/insights")
    for port in (5000, 5001, 6432)
)
CLIENTS = 4
THOUGHT = 0.1
LONGEST_OUTAGE = 30
"""Seconds without a write; a failover takes about the ttl of patroni.yml."""
OUTBOUND_RPS = 10
JITTER = 0.1
"""Seconds by which calls may have come closer together on their way on a busy machine."""
CLEAR = 3.0
"""Seconds after the kill in which a call may arrive whose turn was before it, and before the first post is taken again
in which calls may have begun."""
BEFORE, AFTER = 5, 10
"""Seconds of load."""
UNANALYSED = """
SELECT number FROM conversations LEFT JOIN insights ON conversation = number WHERE conversation IS NULL
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two PostgreSQL, one of them the primary."""
    with running() as made:
        yield made


@dataclass
class Load:
    """Clients of one process, who post until it is taken, and read what they have posted."""

    service: Process
    accepted: dict[str, str] = field(default_factory=dict)
    """Ids by the sender's."""
    taken_at: list[float] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    left: bool = False

    async def run(self) -> None:
        """Until told to leave."""
        async with client(self.service.url) as http, asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(self._work(http, number))

    async def _work(self, http: httpx.AsyncClient, number: int) -> None:
        counted = 0
        while not self.left:
            external_id = f"{self.service.port}-{number}-{counted}"
            if await self._posted(http, external_id):
                counted += 1
            await self._read(http)
            await asyncio.sleep(THOUGHT)

    async def _posted(self, http: httpx.AsyncClient, external_id: str) -> bool:
        said = {"external_id": external_id, "text": f"My parcel {external_id} is late and nobody answers"}
        answer = await http.post(POSTS, json=said)
        self._note("post", answer, {200, 202})
        if answer.status_code == 503:
            return False
        self.accepted[external_id] = answer.json().get("conversation_id", "")
        self.taken_at.append(time.monotonic())
        return True

    async def _read(self, http: httpx.AsyncClient) -> None:
        self._note("read", await http.get("/api/v1/insights/recent", params={"limit": 1}), {200})

    def _note(self, what: str, answer: httpx.Response, good: set[int]) -> None:
        self.answers[what, answer.status_code] += 1
        refused = answer.status_code == 503 and int(answer.headers.get("Retry-After", 0)) > 0
        if answer.status_code not in good and not refused:
            self.odd.append(f"{what} {answer.status_code} {answer.text[:200]}")

    def outage(self, since: float) -> float:
        """The longest time without an accepted post."""
        times = [since, *(at for at in self.taken_at if at > since)]
        return max((later - earlier for earlier, later in pairwise(times)), default=math.inf)


def service(folder: Path, grok: Grok, url: URL) -> Process:
    """A process of the service, which a failover does not end."""
    environ: Json = {
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "READ_DATABASE_URL": STANDBY.render_as_string(hide_password=False),
        "GROK_BASE_URL": grok.url,
        "GROK_API_KEY": KEY,
        "INBOUND_RPS": 0,
        "OUTBOUND_RPS": OUTBOUND_RPS,
        # So small that the cap is nearly used up.
        "MAX_BATCH": 5,
    }
    return Process(folder, **environ)


async def test_the_primary_is_killed_under_load(cluster: Cluster, grok: Grok, tmp_path: Path) -> None:
    with service(tmp_path, grok, BALANCED) as first, service(tmp_path, grok, POOLED) as second:
        loads = [Load(first), Load(second)]
        running_loads = [asyncio.create_task(load.run()) for load in loads]
        await asyncio.sleep(BEFORE)
        leader = cluster.leader
        assert leader is not None
        killed = time.monotonic()
        cluster.kill(leader)
        await until_taken(loads, killed)
        await asyncio.sleep(AFTER)
        for load in loads:
            load.left = True
        await asyncio.gather(*running_loads)
        drained = [each.drained(120) for each in (first, second)]
        for load in loads:
            sys.stderr.write(f"no write for {load.outage(killed):.1f} s; answers: {dict(load.answers)}\n")
        again = sum(grok.sent.values()) - len(grok.sent)
        sys.stderr.write(f"texts asked {len(grok.sent)}, of which again {again}\n")
        calls = [call.arrived for call in grok.calls]
        taken_again = min(next(at for at in load.taken_at if at > killed + 1) for load in loads)
        without = sum(killed + CLEAR < at < taken_again - CLEAR for at in calls)
        sys.stderr.write(
            f"{len(calls)} calls, {grok.busiest_second()} in the busiest second, {without} without a primary\n"
        )

    assert not [answer for load in loads for answer in load.odd]
    assert max(load.outage(killed) for load in loads) < LONGEST_OUTAGE
    assert all(drained)
    # The cap holds throughout, and without a database no call leaves.
    assert grok.busiest_second(jitter=JITTER) <= OUTBOUND_RPS
    assert not without
    await every_answer_holds(loads)


async def until_taken(loads: list[Load], killed: float) -> None:
    """Wait until each of the loads has had a post accepted once more."""
    deadline = killed + 3 * LONGEST_OUTAGE
    # A post may have been under way as the primary was killed.
    while not all(load.taken_at and load.taken_at[-1] > killed + BEFORE for load in loads):
        assert time.monotonic() < deadline, [load.answers for load in loads]
        await asyncio.sleep(0.2)


async def every_answer_holds(loads: list[Load]) -> None:
    """Every conversation that was answered 202 is there, and analysed once."""
    stored = await rows(BALANCED, "SELECT external_id, id FROM conversations")
    by_id: dict[str, str] = {row.external_id: row.id for row in stored}
    accepted = {external_id: id_ for load in loads for external_id, id_ in load.accepted.items()}
    assert {external_id: by_id.get(external_id) for external_id in accepted} == accepted
    assert not await rows(BALANCED, UNANALYSED)
