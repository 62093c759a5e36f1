"""What analyses will probably cost: by their texts, at the list price. Pure."""

import math
from dataclasses import dataclass

from llm import prices
from llm.prompts import TYPICAL_ROW, text_tokens

BYTES_PER_TOKEN = 4
"""Of English; other scripts have more tokens for as many bytes."""


@dataclass(frozen=True, slots=True)
class PricedAnalyzer:
    """An analyzer whose calls are paid for. `version` is that of its model and prompt; None if it is not at work."""

    name: str
    model: str
    version: str | None
    fixed_tokens: int
    """Prompt tokens of a call without texts."""
    cost_per_1k: float | None = None
    row_tokens: int = TYPICAL_ROW
    """Tokens of an answer about one conversation."""

    def is_priced(self, day: int) -> bool:
        """Whether anybody knows what it costs on a UTC day (days since 1970)."""
        return self.cost_per_1k is not None or prices.tariff_of(self.model, day) is not None


def typical_tokens(text: str) -> float:
    """About the prompt tokens that a text adds to a call."""
    return text_tokens(text) / BYTES_PER_TOKEN


def forecast(
    analyzer: PricedAnalyzer,
    conversations: int,
    tokens_each: float,
    *,
    calls: int,
    day: int,
    in_batch: bool = False,
) -> int:
    """What so many conversations will cost in so many calls, in ticks, without reasoning or cached prompts.

    In a batch at the provider they have its price there, where it has one.
    """
    prompt = calls * analyzer.fixed_tokens + math.ceil(conversations * tokens_each)
    output = conversations * analyzer.row_tokens
    if analyzer.cost_per_1k is not None:
        per_token = analyzer.cost_per_1k * prices.TICKS_PER_USD / 1_000
        return math.ceil(per_token * (prompt + output))
    live = prices.tariff_of(analyzer.model, day)
    tariff = (prices.tariff_of(analyzer.model, day, in_batch=True) if in_batch else None) or live
    return 0 if tariff is None else prompt * tariff.usual.prompt + output * tariff.usual.completion
