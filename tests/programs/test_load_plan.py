"""What a load test sends: every text worth asking about, no two the same but where they are to be."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from client.load.plan import Plan, batches, numbers, text_of
from domain.text import cache_key, prefilter_reason

plans = st.builds(
    Plan,
    run=st.sampled_from(["a", "b1"]),
    conversations=st.integers(1, 60),
    batch_size=st.integers(1, 20),
    duplicates=st.integers(0, 100).map(lambda percent: percent / 100),
    seed=st.integers(0, 5),
)


@given(plans)
def test_every_text_is_worth_asking_and_shares_no_cache_entry(plan: Plan) -> None:
    texts = [text_of(number, plan) for number in range(plan.conversations)]

    assert len({cache_key(text, "v") for text in texts}) == plan.conversations
    assert {prefilter_reason([text]) for text in texts} == {None}


@given(plans)
def test_exactly_the_share_asked_for_repeats_an_earlier_text(plan: Plan) -> None:
    given_out = list(numbers(plan))
    fresh = sorted(set(given_out))

    repeats = min(int(plan.conversations * plan.duplicates), plan.conversations - 1)
    assert len(given_out) - len(fresh) == repeats
    assert fresh == list(range(len(fresh)))
    assert [
        number for position, number in enumerate(given_out) if number not in given_out[:position]
    ] == fresh


@given(plans)
def test_the_same_plan_sends_the_same_and_another_run_shares_no_text(plan: Plan) -> None:
    def sent(run: str) -> list[Any]:
        again = Plan(run, plan.conversations, plan.batch_size, plan.duplicates, plan.seed)
        bodies = [json.loads(batch.call.body or b"") for batch in batches(again)]
        return [item for body in bodies for item in (body if isinstance(body, list) else [body])]

    first, other = sent("one"), sent("two")
    assert first == sent("one")
    assert not {item["text"] for item in first} & {item["text"] for item in other}
    assert len({item["external_id"] for item in first + other}) == 2 * plan.conversations


@given(plans)
def test_no_batch_is_larger_than_asked_for_and_none_is_left_out(plan: Plan) -> None:
    sizes = [batch.size for batch in batches(plan)]

    assert sum(sizes) == plan.conversations
    assert set(sizes[:-1]) <= {plan.batch_size}
    assert 1 <= sizes[-1] <= plan.batch_size
