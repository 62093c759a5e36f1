"""Prices: what a call costs, in ticks of 1/10,000,000,000 USD (the unit of `usage.cost_in_usd_ticks`).

Sources: docs.x.ai/developers/pricing and ai.google.dev/gemini-api/docs/pricing as of October 2026.
Reasoning is billed as output. A prompt of 200,000 tokens or more doubles the price of every token of its call.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from domain.analysis import Usage

TICKS_PER_USD = 10_000_000_000
LONG_PROMPT = 200_000


class Price(NamedTuple):
    """Ticks per token."""

    prompt: int
    cached: int
    completion: int


def _per_million(prompt: str, cached: str, completion: str) -> Price:
    """Convert list prices, which are in USD per 1,000,000 tokens."""
    return Price(*(int(Decimal(usd) * TICKS_PER_USD / 1_000_000) for usd in (prompt, cached, completion)))


PRICES: Mapping[str, Price] = {
    "grok-4.7": _per_million("2.00", "0.50", "6.00"),
    "grok-4.6": _per_million("2.00", "0.50", "6.00"),
    "grok-4.5": _per_million("2.00", "0.30", "6.00"),
    "grok-4.3": _per_million("1.25", "0.20", "2.50"),
    "grok-4.20": _per_million("1.25", "0.20", "2.50"),
    "grok-4.20-0309-reasoning": _per_million("1.25", "0.20", "2.50"),
    "grok-4.20-non-reasoning": _per_million("1.25", "0.20", "2.50"),
    "grok-4.20-0309-non-reasoning": _per_million("1.25", "0.20", "2.50"),
    "grok-build-0.1": _per_million("1.00", "0.20", "2.00"),
    # If the price of cached prompt tokens is unknown, the full price is used.
    "gemini-3.5-flash-lite": _per_million("0.30", "0.30", "2.50"),
    "gemini-3.1-flash-lite": _per_million("0.25", "0.025", "1.50"),
    "gemini-3.8-flash": _per_million("1.50", "1.50", "7.50"),
    "gemini-3.5-flash": _per_million("1.50", "1.50", "9.00"),
    "gemini-3.1-pro-preview": _per_million("2.00", "2.00", "12.00"),
}
# The price assumed for an unknown model: a budget may be underused but must not be exceeded.
DEAREST = Price(*(max(column) for column in zip(*PRICES.values(), strict=True)))


def price_of(model: str) -> Price:
    """The model's price, with or without `-latest`; the highest in the list if the model is not in it."""
    return PRICES.get(model.removesuffix("-latest"), DEAREST)


def cost_ticks(model: str, usage: Usage, cost_per_1k: float | None = None) -> int:
    """The cost of a call with this usage, which may be a worst case, rounded up to a whole tick.

    The server's own figure takes precedence, then `cost_per_1k` (USD per 1,000 tokens of any kind), then the list.
    """
    if usage.cost_ticks is not None:
        return usage.cost_ticks
    output = usage.completion_tokens + usage.reasoning_tokens
    if cost_per_1k is not None:
        per_token = Decimal(str(cost_per_1k)) * TICKS_PER_USD / 1_000
        return math.ceil(per_token * (usage.prompt_tokens + output))
    price = price_of(model)
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    ticks = (usage.prompt_tokens - cached) * price.prompt + cached * price.cached + output * price.completion
    return ticks * 2 if usage.prompt_tokens >= LONG_PROMPT else ticks
