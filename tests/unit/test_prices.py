"""What a call costs."""

import math
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import Usage
from llm.prices import (
    BATCH_TARIFFS,
    TARIFFS,
    TICKS_PER_USD,
    cost_ticks,
    has_batch_price,
    is_listed,
    tariff_of,
)
from llm.thinking import MODELS as THINKERS

LISTED = st.sampled_from(sorted(TARIFFS))
MODELS = LISTED | st.just("grok-99")
TOKENS = st.integers(0, 1_000_000)
USAGES = st.builds(
    Usage, prompt_tokens=TOKENS, cached_tokens=TOKENS, completion_tokens=TOKENS, reasoning_tokens=TOKENS
)
DAYS = st.integers(0, 40_000)
MILLION = 1_000_000


def day(written: str) -> int:
    """A date as days since 1970."""
    return (date.fromisoformat(written) - date(1970, 1, 1)).days


TODAY = day("2026-11-29")


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("grok-4.3", Usage(prompt_tokens=100_000), "0.125"),
        ("grok-4.3", Usage(prompt_tokens=100_000, cached_tokens=100_000), "0.02"),
        ("grok-4.3", Usage(completion_tokens=MILLION), "2.5"),
        ("grok-4.3", Usage(reasoning_tokens=MILLION), "2.5"),
        ("grok-4.3-latest", Usage(completion_tokens=MILLION), "2.5"),
        ("grok-4.6", Usage(prompt_tokens=1_000, cached_tokens=400, completion_tokens=100), "0.002"),
        ("grok-4.20-non-reasoning", Usage(prompt_tokens=1_000, completion_tokens=1_000), "0.00375"),
        ("gemini-3.5-flash-lite", Usage(1_000, 400, 100), "0.000442"),
        ("gemini-flash-lite-latest", Usage(1_000, 400, 100), "0.000442"),
        ("gemini-3.8-flash", Usage(100_000, 100_000, 0), "0.0075"),
        ("gemini-4-hydrogen", Usage(100_000, 100_000, 1_000), "0.015"),
        ("a model of tomorrow", Usage(prompt_tokens=1_000, completion_tokens=1_000), "0"),
    ],
)
def test_a_call_costs_what_the_price_list_says(model: str, usage: Usage, usd: str) -> None:
    assert cost_ticks(model, usage, day=TODAY) == Fraction(usd) * TICKS_PER_USD


def test_a_row_of_a_batch_costs_what_the_provider_charged_for_it() -> None:
    """A row of the live captures of 2026-08-29."""
    usage = Usage(prompt_tokens=198, cached_tokens=192, completion_tokens=1, reasoning_tokens=118)

    assert cost_ticks("grok-4.3", usage, day=TODAY, in_batch=True) == 2_747_200


@given(model=st.sampled_from(sorted(BATCH_TARIFFS)), usage=USAGES)
def test_a_batch_is_a_fifth_cheaper_at_any_length(model: str, usage: Usage) -> None:
    live = cost_ticks(model, usage, day=TODAY)

    assert 5 * cost_ticks(model, usage, day=TODAY, in_batch=True) == 4 * live


@pytest.mark.parametrize("model", ["grok-4.7", "grok-4.6", "grok-4.5", "grok-build-0.1", "gemini-4-argon"])
def test_a_model_that_the_batch_api_refuses_has_no_price_there_and_costs_no_less(model: str) -> None:
    usage = Usage(1_000, 400, 100)

    assert not has_batch_price(model)
    assert tariff_of(model, TODAY, in_batch=True) is None
    assert cost_ticks(model, usage, day=TODAY, in_batch=True) == cost_ticks(model, usage, day=TODAY)


@pytest.mark.parametrize("model", ["grok-4.3", "grok-4.3-latest", "grok-4.20", "grok-4.20-0309-reasoning"])
def test_the_batch_api_has_a_price_for_these(model: str) -> None:
    assert has_batch_price(model)


@pytest.mark.parametrize(
    ("model", "on", "usd"),
    [
        ("gemini-3.8-flash", "2026-12-31", ("0.75", "0.075", "3.75")),
        ("gemini-3.8-flash", "2027-01-01", ("1.50", "0.15", "7.50")),
        ("gemini-flash-latest", "2027-01-01", ("1.50", "0.15", "7.50")),
        ("gemini-3.6-flash", "2026-11-29", ("0.75", "0.075", "3.75")),
        ("gemini-4-argon", "2026-11-30", ("2.00", "0.10", "10.00")),
        ("gemini-4-argon", "2026-12-01", ("4.00", "0.20", "20.00")),
        ("gemini-4-argon", "2030-01-01", ("4.00", "0.20", "20.00")),
        ("grok-4.3", "2030-01-01", ("1.25", "0.20", "2.50")),
    ],
)
def test_a_price_holds_until_the_day_of_the_next(model: str, on: str, usd: tuple[str, str, str]) -> None:
    usages = Usage(100_000), Usage(100_000, 100_000), Usage(completion_tokens=100_000)
    costs = [cost_ticks(model, usage, day=day(on)) for usage in usages]

    assert costs == [Fraction(each) * TICKS_PER_USD / 10 for each in usd]


@pytest.mark.parametrize(
    ("model", "times"),
    [
        ("grok-4.3", 2),
        ("grok-4.7", 2),
        ("gemini-3.5-flash-lite", 1),
        ("gemini-3.8-flash", 1),
        ("gemini-4-argon", 1),
    ],
)
def test_only_some_models_cost_more_from_200_000_tokens_on(model: str, times: int) -> None:
    below, above = (
        cost_ticks(model, Usage(prompt_tokens=tokens, completion_tokens=1_000), day=TODAY)
        for tokens in (199_999, 200_000)
    )
    one_more = cost_ticks(model, Usage(prompt_tokens=1), day=TODAY)

    assert above == times * (below + one_more)


def test_the_step_of_a_model_may_have_prices_of_its_own() -> None:
    long = Usage(prompt_tokens=300_000, cached_tokens=100_000, completion_tokens=10_000)

    assert cost_ticks("gemini-3.1-pro-preview", long, day=TODAY) == Fraction("1.02") * TICKS_PER_USD


def test_every_model_that_is_known_otherwise_has_a_price() -> None:
    """Only of `grok-latest` nobody has said what it is."""
    assert [name for name in THINKERS if not is_listed(name)] == ["grok"]
    assert not is_listed("grok-99")


@given(MODELS, USAGES, st.integers(0, 10**12), st.none() | st.floats(0, 10))
def test_the_servers_own_figure_goes_before_every_table(
    model: str, usage: Usage, ticks: int, per_1k: float | None
) -> None:
    said = Usage(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, 0, cost_ticks=ticks)

    assert cost_ticks(model, said, per_1k, day=TODAY) == ticks


@given(MODELS, USAGES, st.decimals(0, 10, places=6))
def test_a_price_per_1000_tokens_counts_every_token_once_and_rounds_up(
    model: str, usage: Usage, per_1k: float
) -> None:
    tokens = usage.prompt_tokens + usage.completion_tokens + usage.reasoning_tokens

    exact = Fraction(str(float(per_1k))) * TICKS_PER_USD / 1_000 * tokens

    assert cost_ticks(model, usage, float(per_1k), day=TODAY) == math.ceil(exact)


@given(LISTED, USAGES, TOKENS, DAYS)
def test_no_token_is_free_and_more_tokens_never_cost_less(
    model: str, usage: Usage, more: int, day: int
) -> None:
    fuller = Usage(
        usage.prompt_tokens + more,
        usage.cached_tokens,
        usage.completion_tokens + more,
        usage.reasoning_tokens + more,
    )

    assert cost_ticks(model, fuller, day=day) >= cost_ticks(model, usage, day=day) + more


@given(MODELS, USAGES, DAYS)
def test_the_cache_never_makes_a_call_dearer(model: str, usage: Usage, day: int) -> None:
    uncached = Usage(usage.prompt_tokens, 0, usage.completion_tokens, usage.reasoning_tokens)

    assert 0 <= cost_ticks(model, usage, day=day) <= cost_ticks(model, uncached, day=day)
