"""What a call consumed, by the counts of servers that mean different things by them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import Usage
from llm.prices import cost_ticks
from llm.usage import parse_usage
from tests.unit.test_completions import JSON


@pytest.mark.parametrize(
    ("document", "output"),
    [
        # Gemini: the thoughts are in the total only.
        ({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}, 603),
        # xAI: they are beside the completion, and in the total.
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            103,
        ),
        # OpenAI: they are within the completion.
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 103,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            103,
        ),
        # A total that is not given, or is less than its parts, says nothing.
        ({"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 94}}, 103),
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 9,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            103,
        ),
        ({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": None}, 198),
        ({"prompt_tokens": 20, "total_tokens": 623}, 603),
    ],
)
def test_thoughts_are_counted_once(document: dict[str, Any], output: int) -> None:
    usage = parse_usage(document)

    assert usage.completion_tokens + usage.reasoning_tokens == output


def test_thoughts_are_billed_as_output() -> None:
    usage = parse_usage({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623})

    assert cost_ticks("gemini-3.5-flash-lite", usage, day=20_000) == 20 * 3_000 + 603 * 25_000


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_every_way_of_counting_says_the_same(prompt: int, answer: int, thoughts: int) -> None:
    total = {"prompt_tokens": prompt, "total_tokens": prompt + answer + thoughts}
    details = {"completion_tokens_details": {"reasoning_tokens": thoughts}}
    gemini = parse_usage(total | {"completion_tokens": answer})
    beside = parse_usage(total | {"completion_tokens": answer} | details)
    within = parse_usage(total | {"completion_tokens": answer + thoughts} | details)

    assert gemini == beside == Usage(prompt, 0, answer, thoughts)
    assert within == Usage(prompt, 0, answer + thoughts, 0)


def test_usage_is_read_with_everything_optional() -> None:
    document = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 94},
        "cost_in_usd_ticks": 37_756_000,
    }

    assert parse_usage(document) == Usage(32, 8, 9, 94, 37_756_000)
    assert parse_usage({**document, "cost_in_usd_ticks": 0}).cost_ticks == 0
    assert parse_usage({}) == parse_usage(None) == Usage()


@given(
    JSON
    | st.dictionaries(
        st.sampled_from(
            [
                "prompt_tokens",
                "completion_tokens",
                "total_tokens",
                "prompt_tokens_details",
                "cost_in_usd_ticks",
            ]
        ),
        JSON
        | st.sampled_from([-1, 2**31, 2**60, True, "12", 1.5])
        | st.dictionaries(st.just("cached_tokens"), JSON),
    )
)
def test_usage_that_makes_no_sense_counts_as_none(document: object) -> None:
    usage = parse_usage(document)

    counts = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.reasoning_tokens)
    assert all(type(count) is int and 0 <= count < 2**31 for count in counts)
    assert usage.cost_ticks is None or (type(usage.cost_ticks) is int and 0 <= usage.cost_ticks <= 2**53)
