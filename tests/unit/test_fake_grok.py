"""The fake Grok by itself: its dice, and what it counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_grok.faults import Fault
from tests.fake_grok.server import Call, FakeGrok

TEXTS = ["the parcel is late", "great support, thanks", "where is my seat?"]


def test_chance_is_the_same_for_the_same_seed() -> None:
    def spoilt(seed: int) -> list[bool]:
        fake = FakeGrok(seed=seed)
        fault = fake.misbehave("status", probability=0.5)
        return [fault.meets(TEXTS, fake.random) for _ in range(100)]

    assert spoilt(1) == spoilt(1) != spoilt(2)
    assert 25 < sum(spoilt(1)) < 75


def test_a_fault_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no fault is called 'typo'"):
        Fault("typo")


@given(st.lists(st.integers(0, 5_000), max_size=40), st.sampled_from([0, 256]))
def test_the_busiest_second_is_the_fullest_window_without_its_end(arrivals: list[int], jitter: int) -> None:
    fake = FakeGrok()
    fake.calls = [Call(at / 1_024, [], 200) for at in arrivals]  # exact in binary

    windows = [sum(start <= at < start + 1_024 - jitter for at in arrivals) for start in range(5_001)]

    assert fake.busiest_second(jitter / 1_024) == max(windows)
