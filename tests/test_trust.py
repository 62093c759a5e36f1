"""A bad day, whole: poison among a thousand, an outage of every kind, a wrong key, a budget, and no surprise."""

from collections import Counter
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from sqlalchemy.engine import URL

from canary import CANARY
from tests.fake_grok import Call
from tests.service import Grok, faked, running
from tests.support import eventually

LATE = "My parcel is three days late and nobody answers"


@pytest.fixture
def grok() -> Iterator[Grok]:
    with faked() as fake:
        yield fake


def several(count: int, said: str = LATE) -> list[str]:
    return [f"{said} ({number})" for number in range(count)]


def is_canary(call: Call) -> bool:
    return list(call.texts) == [CANARY]


async def test_poison_among_a_thousand_fails_alone(database_url: URL, grok: Grok) -> None:
    for number in range(5):
        grok.misbehave("status", status=500, marker=f"crash-{number} ")
    for number in range(3):
        grok.misbehave("content", text="{", marker=f"garble-{number} ")
    grok.misbehave("fields", fields={"confidence": None}, probability=0.1, first_only=True)
    said = several(1_000)
    poison = [f"crash-{number} " for number in range(5)] + [f"garble-{number} " for number in range(3)]
    for number, mark in enumerate(poison):
        said[number * 120 + 7] = f"{mark}{LATE}"
    given = {"max_batch": 50, "start_batch": 5, "error_threshold": 5, "cooldown_seconds": 1}

    async with running(database_url, grok, **given) as service:
        ids = await service.post_all(said)
        views = [*await service.all_ended(ids[:500], 90), *await service.all_ended(ids[500:], 90)]
        failed = [view for view in views if view["status"] == "failed"]

        assert Counter(view["status"] for view in views) == {"completed": 992, "failed": 8}
        assert {ids[number * 120 + 7] for number in range(8)} == {view["conversation_id"] for view in failed}
        assert all(view["error"] for view in failed)
    assert len(grok.calls) <= 400


async def lasting(seconds: float) -> None:
    """An outage has no end to wait for but its time."""
    end = monotonic() + seconds
    await eventually(lambda: monotonic() > end, seconds + 5)


OUTAGE: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "hang"},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 503},
)


async def test_an_outage_of_every_kind_fails_nothing_and_is_hardly_asked(
    database_url: URL, grok: Grok
) -> None:
    phase, cooldown, threshold = 2.0, 0.5, 5
    given = {"cooldown_seconds": cooldown, "error_threshold": threshold, "grok_timeout_seconds": 0.3}
    async with running(database_url, grok, max_retries=0, outbound_rps=20, max_batch=5, **given) as service:
        ids = await service.post_all(several(400))
        await eventually(lambda: len(grok.calls) > 5)
        down_at = monotonic()
        for how in OUTAGE:
            grok.faults.clear()
            grok.misbehave(**how)
            await lasting(phase)
        grok.faults.clear()
        up_at = monotonic()
        views = await service.all_ended(ids, 60)

    assert {view["status"] for view in views} == {"completed"}
    during = [call for call in grok.calls if down_at + 0.1 < call.arrived < up_at]
    asked = [call for call in during if not is_canary(call)]
    # What was in flight when the fifth fault came in left within the time-out of a call: 20 a second.
    assert len(asked) <= threshold + 20 * 0.3 + 1
    assert len(during) - len(asked) <= (up_at - down_at) / cooldown + 1
    back = next(call.arrived for call in grok.calls if call.arrived > up_at and not is_canary(call))
    assert back - up_at < 2 * cooldown + 2


@pytest.mark.parametrize(("how", "word"), [({"status": 401}, "credentials"), ({"status": 404}, "model")])
async def test_a_key_or_model_that_is_refused_stops_the_calls(
    database_url: URL, grok: Grok, how: dict[str, int], word: str
) -> None:
    grok.misbehave("status", **how)
    async with running(database_url, grok, cooldown_seconds=0.5, max_batch=1) as service:
        ids = await service.post_all(several(30))
        await eventually(lambda: sum(map(is_canary, grok.calls)) >= 3)
        health = await service.get("/health")
        asked = sum(not is_canary(call) for call in grok.calls)
        waiting = await service.all_of(ids)
        grok.faults.clear()
        views = await service.all_ended(ids)

    assert health["status"] == "degraded"
    assert any(word in reason for reason in health["reasons"])
    assert asked <= 2  # those that were under way when the first answer came
    assert {view["status"] for view in waiting} == {"queued"}
    assert {view["status"] for view in views} == {"completed"}


async def test_words_about_keys_in_a_conversation_stop_nobody_else(database_url: URL, grok: Grok) -> None:
    body = '{"code": "invalid-argument", "error": "incorrect API key, said the customer"}'
    grok.misbehave("status", status=400, text=body, marker="key")
    async with running(database_url, grok) as service:
        ids = await service.post_all(["I have lost my API key for your shop again", *several(20)])
        views = await service.all_ended(ids, 30)

    assert [view["status"] for view in views] == ["failed", *["completed"] * 20]


async def test_the_daily_budget_is_never_overrun(database_url: URL, grok: Grok) -> None:
    grok.latency = 0.05
    budget = 0.2
    async with running(database_url, grok, daily_budget_usd=budget, max_batch=20) as service:
        ids = [
            *await service.post_all(several(2_000)),
            *await service.post_all(several(2_000, "It broke again")),
        ]

        async def spent() -> bool:
            # While calls are under way, what they have reserved may come free again.
            (day,) = await service.rows("SELECT spent, reserved FROM spending")
            held = any("budget" in reason for reason in (await service.get("/health"))["reasons"])
            return held and day.spent > 0 and day.reserved == 0

        await eventually(spent, 60)
        late = await service.post("Intake goes on although the budget is spent")
        (day,) = await service.rows("SELECT spent, reserved FROM spending")
        statuses = {view["status"] for view in await service.all_of([ids[0], ids[-1], late])}

    assert statuses == {"completed", "queued"}
    assert (day.spent, day.reserved) == (grok.billed_ticks, 0)
    # A call's worst case is a cent or two: so much may be left over, and nothing may be over.
    assert 0.85 * budget * 10**10 < grok.billed_ticks <= budget * 10**10
