"""A budget needs prices that are known, and reserves by the dearer of the two days that a call may be made on."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from core.clock import SECOND, now
from core.metrics import Metrics
from core.settings import Settings
from database import Database
from domain.analysis import BeforeSend, Reply, Usage
from domain.topics import BUILT_IN
from llm.budget import Budget
from llm.hold import Hold
from llm.prices import TICKS_PER_USD
from llm.provider import GatewayFactory
from store.money import spending
from tests.support.log_lines import captured

WORST = Usage(prompt_tokens=1_000_000, completion_tokens=100_000)


class Argon:
    """What a budget asks of an analyzer."""

    name, model, prompt_version, fixed_tokens, row_tokens = "gemini", "gemini-4-argon", "1", 500, 70

    async def analyse(self, texts: Sequence[str], before_send: BeforeSend) -> Reply:
        raise NotImplementedError

    def worst_case(self, texts: Sequence[str]) -> Usage:
        return WORST


def at(written: str) -> int:
    """A time as UTC microseconds."""
    return round(datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("when", "usd"),
    [
        ("2026-11-29T12:00:00", 3),
        ("2026-11-30T23:59:59", 6),  # it may leave a moment later, at the price of the next day
        ("2026-12-01T00:00:00", 6),
    ],
)
def test_a_worst_case_is_reserved_at_the_price_of_its_day(when: str, usd: int) -> None:
    budget = Budget(Argon(), lambda: at(when), limit=TICKS_PER_USD)

    assert budget.worst_case_cost(["text"]) == usd * TICKS_PER_USD


async def test_a_call_is_booked_at_the_price_of_the_day_it_was_made_on(db: Database) -> None:
    times = [at("2026-11-30T23:59:58")]
    budget = Budget(Argon(), lambda: times[-1], limit=100 * TICKS_PER_USD)
    _, reservation = await db.write(lambda c: budget.reserve_for(c, ["text"], conversations=1))
    assert reservation is not None
    times.append(at("2026-12-01T00:00:10"))

    end = Reply(model="gemini-4-argon", usage=WORST, status=200, rows=[])
    await db.write(lambda c: budget.record(c, reservation, end, sent=True))

    assert budget.cost(reservation, end, sent=True) == 3 * TICKS_PER_USD
    assert (
        await db.read(lambda c: spending.remaining(c, reservation.day, budget.limit or 0))
        == 97 * TICKS_PER_USD
    )


async def opened(db: Database, **given: Any) -> None:
    """Open the gateway that these settings ask for, and close it."""
    settings = Settings(_env_file=None, grok_api_key=SecretStr("k"), **given)  # type: ignore[call-arg]
    async with AsyncExitStack() as stack:
        await GatewayFactory(settings, db, Metrics(), Hold(now), now, BUILT_IN, stack).open()


@pytest.mark.parametrize(
    ("given", "way_out"),
    [
        ({"grok_model": "grok-99"}, "needs a listed model or GROK_COST_PER_1K"),
        ({"grok_model": "grok-latest"}, "needs a listed model or GROK_COST_PER_1K"),
        ({"gemini_api_key": SecretStr("k"), "gemini_model": "gemini-9"}, "needs a listed model$"),
    ],
)
async def test_a_budget_does_not_start_without_a_price(
    db: Database, given: dict[str, Any], way_out: str
) -> None:
    with pytest.raises(ValueError, match=f"whose price is not known, {way_out}"):
        await opened(db, daily_budget_usd=1, max_reasoning_tokens=1_000, **given)


async def test_a_price_of_ones_own_will_do(db: Database) -> None:
    own = {"grok_model": "grok-99", "grok_cost_per_1k": 0.01}
    await opened(db, daily_budget_usd=1, max_reasoning_tokens=1_000, **own)


async def test_without_a_budget_an_unknown_price_is_told(db: Database) -> None:
    with captured("INFO") as lines:
        await opened(db, grok_model="grok-99")

    assert [(each["event"], each["model"]) for each in lines.events()] == [("price_unknown", "grok-99")]
