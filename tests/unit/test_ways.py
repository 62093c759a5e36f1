"""What 100,000 conversations cost by each way: the manual's table is the program's, and its sums are right."""

import math
from collections.abc import Mapping

import pytest

from benchmarks.ways import (
    BATCH,
    COUNT,
    DOCUMENT,
    LIVE,
    MOST_OF_PACKED,
    WAYS,
    Cost,
    Way,
    cost_of,
    rendered,
    table,
    texts_of,
)
from ingest_data import SAMPLE

MODEL = "grok-4.3"


@pytest.fixture(scope="module")
def costs() -> Mapping[Way, Cost]:
    texts = texts_of(SAMPLE)
    return {way: cost_of(way, texts, MODEL) for way in WAYS}


def test_the_table_of_the_manual_is_what_the_program_counts(costs: Mapping[Way, Cost]) -> None:
    """Otherwise run `python -m benchmarks.ways --write`."""
    document = DOCUMENT.read_text()

    assert rendered(document, table(costs)) == document


def test_the_batch_costs_at_most_0_82_of_the_packed_live_calls(costs: Mapping[Way, Cost]) -> None:
    assert costs[BATCH].usd <= MOST_OF_PACKED * costs[LIVE].usd


def test_each_way_asks_about_every_conversation(costs: Mapping[Way, Cost]) -> None:
    assert all(cost.requests * way.size >= COUNT for way, cost in costs.items())
    assert all(cost.requests == math.ceil(COUNT / way.size) for way, cost in costs.items())


def test_the_sum_is_that_of_the_price_list(costs: Mapping[Way, Cost]) -> None:
    for way, cost in costs.items():
        prompt, cached, output = (1.00, 0.16, 2.00) if way.in_batch else (1.25, 0.20, 2.50)
        usage = cost.usage
        paid = (usage.prompt_tokens - usage.cached_tokens) * prompt + usage.cached_tokens * cached
        assert cost.usd == pytest.approx((paid + usage.completion_tokens * output) / 1e6, rel=1e-4)


def test_a_batch_takes_few_calls_of_ours(costs: Mapping[Way, Cost]) -> None:
    assert costs[BATCH].calls < costs[LIVE].calls / 20
