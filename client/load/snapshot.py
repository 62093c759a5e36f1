"""What the service says of itself: its health, its counters, and when its queue is drained."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

from client import AsyncClient, Denied, Refused, Unexpected, Unreachable, calls
from client.answers import Health
from client.wire import Call

LOOK_EVERY = 0.25
RECOUNTED_AFTER = 1.5
"""Seconds after which `queue_size`, which the service counts once a second, is a new count for certain."""

CALLS, TOKENS, COST = "grok_calls_total", "estimated_tokens_total", "estimated_cost_usd_total"
CACHE_HITS, SKIPS = "analysis_cache_hits_total", "prefilter_skips_total"
INSIGHTS, FAILED = "insights_total", "conversations_failed_total"
READ = frozenset({CALLS, TOKENS, COST, CACHE_HITS, SKIPS, INSIGHTS, FAILED})

Read = TypeVar("Read")


class NoService(Exception):
    """No answer, one that is not this API's, or a refusal of the key; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The service at one moment. `counters` goes by metric and label, which is empty where it has none."""

    health: Health
    counters: Mapping[tuple[str, str], float]

    def restarted_since(self, before: "Snapshot") -> bool:
        """Whether its counters began anew."""
        return before.health.started_at != self.health.started_at

    def since(self, before: "Snapshot", metric: str) -> dict[str, float]:
        """By how much each label's counter has grown, where it has; since the restart if there was one."""
        base = {} if self.restarted_since(before) else before.counters
        grown = {
            label: value - base.get((name, label), 0)
            for (name, label), value in self.counters.items()
            if name == metric
        }
        return {label: value for label, value in grown.items() if value}


async def look(client: AsyncClient) -> Snapshot:
    """Read health and counters. Raises NoService."""
    health = await _read(client, calls.health())
    return Snapshot(health, await _read(client, Call("GET", "/metrics", _counters)))


def _counters(body: bytes) -> dict[tuple[str, str], float]:
    return counters(body.decode())


def counters(exposition: str) -> dict[tuple[str, str], float]:
    """The counters that are read, from Prometheus' text format. Raises ValueError."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name in READ
    }


async def drained(
    client: AsyncClient,
    depth: int,
    *,
    on_depth: Callable[[int], None],
    clock: Callable[[], float],
) -> float:
    """Wait until no more than `depth` conversations are queued; when that was, on the clock, to about a second.

    A count may be a second old, so it has to hold until the service has counted again. Raises NoService.
    """
    reached_at: float | None = None
    while True:
        queued = (await _read(client, calls.health())).queue_size
        now = clock()
        on_depth(queued)
        if queued > depth:
            reached_at = None
        elif reached_at is None:
            reached_at = now
        elif now - reached_at > RECOUNTED_AFTER:
            return reached_at
        await asyncio.sleep(LOOK_EVERY)


async def _read(client: AsyncClient, call: Call[Read]) -> Read:
    try:
        return await client.send_once(call)
    except (Unreachable, Denied) as error:
        raise NoService(str(error)) from error
    except (Refused, Unexpected) as error:
        what = f"{error.url} answers {error.status}, not as an Insights Platform does"
        raise NoService(what) from error
