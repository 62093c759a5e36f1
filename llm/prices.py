"""Prices: what a call costs, in ticks of 1/10,000,000,000 USD (the unit of `usage.cost_in_usd_ticks`).

Sources: docs.x.ai/developers/pricing and ai.google.dev/gemini-api/docs/pricing as of November 2026. Reasoning is billed
as output. A price holds from its first UTC day until the next one's.
"""

import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from domain.analysis import Usage

TICKS_PER_USD = 10_000_000_000
LONG_PROMPT = 200_000
"""Prompt tokens from which on a model may have another price for every token of the call."""
_EPOCH = date(1970, 1, 1)


class Price(NamedTuple):
    """Ticks per token."""

    prompt: int
    cached: int
    completion: int


class Tariff(NamedTuple):
    """A model's prices from a day on, in days since 1970: of most calls, and of those with a long prompt."""

    since: int
    usual: Price
    long: Price

    def price(self, prompt_tokens: int) -> Price:
        """The price of a call with so many prompt tokens."""
        return self.long if prompt_tokens >= LONG_PROMPT else self.usual


def _price(*usd_per_million: str) -> Price:
    """List prices are in USD per 1,000,000 tokens: of the prompt, of its cached part, of the output."""
    return Price(*(int(Decimal(usd) * TICKS_PER_USD / 1_000_000) for usd in usd_per_million))


def _grok(*usd: str) -> tuple[Tariff, ...]:
    """xAI doubles the price of every token for a long prompt."""
    usual = _price(*usd)
    return (Tariff(0, usual, Price(*(2 * ticks for ticks in usual))),)


def _gemini(*usd: str, since: date = _EPOCH, long: tuple[str, str, str] | None = None) -> tuple[Tariff, ...]:
    """Google has one price for any length, except where `long` says otherwise."""
    return (Tariff((since - _EPOCH).days, _price(*usd), _price(*(long or usd))),)


_GROK_4_20 = _grok("1.25", "0.20", "2.50")
_FLASH_LITE_3_5 = _gemini("0.30", "0.03", "2.50")
_FLASH_3_8 = _gemini("0.75", "0.075", "3.75") + _gemini("1.50", "0.15", "7.50", since=date(2027, 1, 1))

TARIFFS: Mapping[str, tuple[Tariff, ...]] = {
    "grok-4.7": _grok("2.00", "0.50", "6.00"),
    "grok-4.6": _grok("2.00", "0.50", "6.00"),
    "grok-4.5": _grok("2.00", "0.30", "6.00"),
    "grok-4.3": _grok("1.25", "0.20", "2.50"),
    "grok-4.20": _GROK_4_20,
    "grok-4.20-reasoning": _GROK_4_20,
    "grok-4.20-0309-reasoning": _GROK_4_20,
    "grok-4.20-non-reasoning": _GROK_4_20,
    "grok-4.20-0309-non-reasoning": _GROK_4_20,
    "grok-build-0.1": _grok("1.00", "0.20", "2.00"),
    "gemini-3.5-flash-lite": _FLASH_LITE_3_5,
    "gemini-flash-lite": _FLASH_LITE_3_5,
    "gemini-3.1-flash-lite": _gemini("0.25", "0.025", "1.50"),
    "gemini-3.8-flash": _FLASH_3_8,
    "gemini-3.7-flash": _FLASH_3_8,
    "gemini-3.6-flash": _FLASH_3_8,
    "gemini-flash": _FLASH_3_8,
    "gemini-3.5-flash": _gemini("1.50", "0.15", "9.00"),
    "gemini-3.1-pro-preview": _gemini("2.00", "0.20", "12.00", long=("4.00", "0.40", "18.00")),
    "gemini-4-argon": _gemini("2.00", "0.10", "10.00")
    + _gemini("4.00", "0.20", "20.00", since=date(2026, 12, 1)),
    "gemini-4-hydrogen": _gemini("1.50", "0.075", "7.50"),
}

_GROK_BATCH = _grok("1.00", "0.16", "2.00")
BATCH_TARIFFS: Mapping[str, tuple[Tariff, ...]] = {
    "grok-4.3": _GROK_BATCH,
    "grok-4.20": _GROK_BATCH,
    "grok-4.20-reasoning": _GROK_BATCH,
    "grok-4.20-0309-reasoning": _GROK_BATCH,
    "grok-4.20-non-reasoning": _GROK_BATCH,
    "grok-4.20-0309-non-reasoning": _GROK_BATCH,
}
"""Prices in xAI's Batch API, 20 % lower: "Batch API Pricing" of docs.x.ai/developers/pricing. It refuses other models.

litellm 1.110.2 lists a batch price for grok-4.7 all the same. A row of 198 prompt tokens, 192 of them cached, and 119
of output was charged 2,747,200 ticks on 2026-08-29, which is these prices.
"""


def has_batch_price(model: str) -> bool:
    """Whether the Batch API takes the model."""
    return _name(model) in BATCH_TARIFFS


def is_listed(model: str) -> bool:
    """Whether the table has the model's price."""
    return _name(model) in TARIFFS


def tariff_of(model: str, day: int, *, in_batch: bool = False) -> Tariff | None:
    """The model's tariff on a UTC day (days since 1970), of live calls or in a batch; None if it has none."""
    table = BATCH_TARIFFS if in_batch else TARIFFS
    return next((each for each in reversed(table.get(_name(model), ())) if each.since <= day), None)


def _name(model: str) -> str:
    return model.removesuffix("-latest")


def is_priced(model: str, usage: Usage, cost_per_1k: float | None = None, *, day: int) -> bool:
    """Whether it is known what a call made on `day` with this usage costs."""
    return usage.cost_ticks is not None or cost_per_1k is not None or tariff_of(model, day) is not None


def cost_ticks(
    model: str, usage: Usage, cost_per_1k: float | None = None, *, day: int, in_batch: bool = False
) -> int:
    """The cost of a call made on `day` with this usage, which may be a worst case, rounded up to a whole tick.

    The server's own figure takes precedence, then `cost_per_1k` (USD per 1,000 tokens of any kind, in a batch too),
    then the table: in a batch at its price there, where it has one.
    A call whose price nobody knows costs 0 (`is_priced` tells); with a budget the service does not start with such
    a model.
    """
    if usage.cost_ticks is not None:
        return usage.cost_ticks
    output = usage.completion_tokens + usage.reasoning_tokens
    if cost_per_1k is not None:
        per_token = Decimal(str(cost_per_1k)) * TICKS_PER_USD / 1_000
        return math.ceil(per_token * (usage.prompt_tokens + output))
    tariff = (tariff_of(model, day, in_batch=True) if in_batch else None) or tariff_of(model, day)
    if tariff is None:
        return 0
    price = tariff.price(usage.prompt_tokens)
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    return (usage.prompt_tokens - cached) * price.prompt + cached * price.cached + output * price.completion
