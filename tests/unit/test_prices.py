"""What a call costs."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import Usage
from llm.prices import DEAREST, PRICES, TICKS_PER_USD, cost_ticks, price_of

MODELS = st.sampled_from([*PRICES, "grok-99"])
TOKENS = st.integers(0, 1_000_000)
USAGES = st.builds(
    Usage, prompt_tokens=TOKENS, cached_tokens=TOKENS, completion_tokens=TOKENS, reasoning_tokens=TOKENS
)


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("grok-4.3", Usage(prompt_tokens=100_000), "0.125"),
        ("grok-4.3", Usage(prompt_tokens=100_000, cached_tokens=100_000), "0.02"),
        ("grok-4.3", Usage(completion_tokens=1_000_000), "2.5"),
        ("grok-4.3", Usage(reasoning_tokens=1_000_000), "2.5"),
        ("grok-4.3", Usage(prompt_tokens=200_000, completion_tokens=1_000), "0.505"),
        ("grok-4.3-latest", Usage(completion_tokens=1_000_000), "2.5"),
        ("grok-4.6", Usage(prompt_tokens=1_000, cached_tokens=400, completion_tokens=100), "0.002"),
        ("grok-4.20-non-reasoning", Usage(prompt_tokens=1_000, completion_tokens=1_000), "0.00375"),
        ("a model of tomorrow", Usage(prompt_tokens=1_000, completion_tokens=1_000), "0.014"),
        (
            "gemini-3.5-flash-lite",
            Usage(prompt_tokens=1_000, cached_tokens=400, completion_tokens=100),
            "0.00055",
        ),
    ],
)
def test_a_call_costs_what_the_price_list_says(model: str, usage: Usage, usd: str) -> None:
    assert cost_ticks(model, usage) == Fraction(usd) * TICKS_PER_USD


@given(MODELS, USAGES, st.integers(0, 10**12), st.none() | st.floats(0, 10))
def test_the_servers_own_figure_goes_before_every_table(
    model: str, usage: Usage, ticks: int, per_1k: float | None
) -> None:
    said = Usage(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, 0, cost_ticks=ticks)

    assert cost_ticks(model, said, per_1k) == ticks


@given(MODELS, USAGES, st.decimals(0, 10, places=6))
def test_a_price_per_1000_tokens_counts_every_token_once_and_rounds_up(
    model: str, usage: Usage, per_1k: float
) -> None:
    tokens = usage.prompt_tokens + usage.completion_tokens + usage.reasoning_tokens

    exact = Fraction(str(float(per_1k))) * TICKS_PER_USD / 1_000 * tokens

    assert cost_ticks(model, usage, float(per_1k)) == math.ceil(exact)


@given(MODELS, USAGES, TOKENS)
def test_no_token_is_free_and_more_tokens_never_cost_less(model: str, usage: Usage, more: int) -> None:
    fuller = Usage(
        usage.prompt_tokens + more,
        usage.cached_tokens,
        usage.completion_tokens + more,
        usage.reasoning_tokens + more,
    )

    assert cost_ticks(model, fuller) >= cost_ticks(model, usage) + more


@given(MODELS, USAGES)
def test_the_cache_never_makes_a_call_dearer(model: str, usage: Usage) -> None:
    uncached = Usage(usage.prompt_tokens, 0, usage.completion_tokens, usage.reasoning_tokens)

    assert 0 <= cost_ticks(model, usage) <= cost_ticks(model, uncached)


@given(st.sampled_from(sorted(PRICES)), USAGES)
def test_an_unknown_model_is_taken_for_the_dearest(model: str, usage: Usage) -> None:
    assert price_of("a model of tomorrow") == DEAREST
    assert cost_ticks("a model of tomorrow", usage) >= cost_ticks(model, usage)
