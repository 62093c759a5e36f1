"""A bad day, whole: poison among a thousand, an outage of every kind, a wrong key, and no surprise."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest
from sqlalchemy.engine import URL

from benchmarks.support.process import Json
from benchmarks.support.waiting import eventually
from core.clock import SECOND
from llm.canary import CANARY
from tests.fake_grok.faults import Fault
from tests.fake_grok.server import Call
from tests.support.service import Grok, Service, running

LATE = "My parcel is three days late and nobody answers"
COOLDOWN = 0.25
IN_FLIGHT = 4


def several(count: int, said: str = LATE) -> list[str]:
    return [f"{said} ({number})" for number in range(count)]


def is_canary(call: Call) -> bool:
    return list(call.texts) == [CANARY]


def canaries(calls: Sequence[Call]) -> list[Call]:
    return [call for call in calls if is_canary(call)]


def others(calls: Sequence[Call]) -> list[Call]:
    return [call for call in calls if not is_canary(call)]


# --- poison -------------------------------------------------------------------------------------------------


POISON = [f"crash-{number} " for number in range(5)] + [f"garble-{number} " for number in range(3)]


async def test_poison_among_a_thousand_fails_alone(database_url: URL, grok: Grok) -> None:
    """Among a thousand on SQLite; among a quarter of that on PostgreSQL, whose commits are slower."""
    for mark in POISON:
        crash = mark.startswith("crash")
        grok.misbehave(**({"kind": "status"} if crash else {"kind": "content", "text": "{"}), marker=mark)
    grok.misbehave("fields", fields={"confidence": None}, probability=0.1, first_only=True)
    said = several(1_000 if database_url.drivername.startswith("sqlite") else 250)
    where = range(7, len(said), len(said) // len(POISON))
    for at, mark in zip(where, POISON, strict=True):
        said[at] = f"{mark}{LATE}"
    given = {"max_batch": 50, "start_batch": 5, "error_threshold": 5, "cooldown_seconds": 1}

    async with running(database_url, grok, **given) as service:
        ids = await service.post_all(said)
        views = [view for first in range(0, len(ids), 500) for view in await ended(service, ids[first:])]
        failed = [view for view in views if view["status"] == "failed"]

    assert Counter(view["status"] for view in views) == {"completed": len(said) - 8, "failed": 8}
    assert {ids[at] for at in where} == {view["conversation_id"] for view in failed}
    assert all(view["error"] for view in failed)
    assert len(grok.calls) <= 400


async def ended(service: Service, ids: Sequence[str]) -> list[Json]:
    return await service.all_ended(ids[:500], 90)


async def test_words_about_keys_in_a_conversation_stop_nobody_else(database_url: URL, grok: Grok) -> None:
    body = '{"code": "invalid-argument", "error": "incorrect API key, said the customer"}'
    grok.misbehave("status", status=400, text=body, marker="key")
    async with running(database_url, grok, max_retries=0) as service:
        ids = await service.post_all(["I have lost my API key for your shop again", *several(20)])
        views = await service.all_ended(ids, 30)

    assert [view["status"] for view in views] == ["failed", *["completed"] * 20]


# --- an outage ----------------------------------------------------------------------------------------------

OUTAGE = (
    Fault("status", status=500),
    Fault("hang"),
    Fault("status", status=429),
    Fault("status", status=503),
)


async def test_an_outage_of_every_kind_fails_nothing_and_is_hardly_asked(
    database_url: URL, grok: Grok
) -> None:
    """Counts and orders; how fast it is, benchmarks/outage.py tells."""
    threshold = 5
    given = {"error_threshold": threshold, "cooldown_seconds": COOLDOWN, "grok_timeout_seconds": COOLDOWN}
    more = {"max_in_flight": IN_FLIGHT, "outbound_rps": 50, "max_batch": 5, "max_retries": 0}
    async with running(database_url, grok, **given, **more) as service:
        # So many that calls are left when the outage begins: with 150 there were none on a busy machine.
        ids = await service.post_all(several(400))
        await eventually(lambda: len(grok.calls) > 5)
        down = len(grok.calls)
        for how in OUTAGE:
            since = len(canaries(grok.calls))
            grok.faults = [how]
            await eventually(lambda: len(canaries(grok.calls)) >= since + 2)  # noqa: B023  awaited at once
        up = len(grok.calls)
        up_at = monotonic()
        grok.faults = []
        views = await service.all_ended(ids, 60)

    assert {view["status"] for view in views} == {"completed"}
    failed = [call for call in others(grok.calls[down:up]) if call.status != 200]
    # When the fifth fault came in, at most so many others were under way.
    assert 1 <= len(failed) <= threshold + IN_FLIGHT - 1
    asked_in_vain = canaries(grok.calls[down:up])
    assert all(later.arrived - earlier.arrived >= COOLDOWN for earlier, later in pairwise(asked_in_vain))
    first = next(number for number, call in enumerate(grok.calls) if number >= up and not is_canary(call))
    # One may have been under way when the outage ended; the next one's answer is enough.
    assert 1 <= first - up <= 2
    assert grok.calls[first].arrived - up_at < 20 * COOLDOWN


# --- key and model ------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], list[Fault], str]] = {
    "a wrong key": ({"grok_api_key": "not-this-one"}, [], "GROK_API_KEY was refused"),
    "no such model": ({"grok_model": "grok-0"}, [], "GROK_MODEL was refused"),
    "401": ({}, [Fault("status", status=401)], "GROK_API_KEY was refused"),
    "404": ({}, [Fault("status", status=404)], "GROK_MODEL was refused"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_refused_stops_the_calls_until_a_restart_with_the_right_settings(
    database_url: URL, grok: Grok, case: str
) -> None:
    wrong, grok.faults, why = REFUSED[case]
    given = {"cooldown_seconds": COOLDOWN, "max_in_flight": IN_FLIGHT, "max_batch": 1, "max_retries": 0}
    async with running(database_url, grok, **given, **wrong) as service:
        ids = await service.post_all(several(30))
        await eventually(lambda: probes(service, 4))
        health = await service.get("/health")
        await eventually(lambda: all_queued(service, ids))
        booked = await service.rows("SELECT * FROM grok_calls WHERE outcome != 'blocked' ORDER BY number")
    assert {call.status for call in grok.calls}.isdisjoint({200})
    grok.faults = []
    async with running(database_url, grok, **given) as service:
        views = await service.all_ended(ids)

    assert health["status"] == "degraded"
    assert any(why in reason for reason in health["reasons"])
    # Those under way when the first answer came in; then canaries, of which the first may leave at once.
    assert sum(call.conversations for call in booked) <= IN_FLIGHT
    asked = [call.started_at for call in booked if not call.conversations][1:]
    assert all(later - earlier >= COOLDOWN * SECOND for earlier, later in pairwise(asked))
    assert {view["status"] for view in views} == {"completed"}


async def probes(service: Service, number: int) -> bool:
    """Whether so many canaries have ended."""
    found = await service.rows("SELECT 1 FROM grok_calls WHERE conversations = 0 AND outcome IS NOT NULL")
    return len(found) >= number


async def all_queued(service: Service, ids: Sequence[str]) -> bool:
    return {view["status"] for view in await service.all_of(ids)} == {"queued"}
