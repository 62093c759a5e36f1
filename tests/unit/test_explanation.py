"""The split of a change into parts: they add up, exactly once they are rounded."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.explanation import Contribution, Weighed, mean_of, part_of, rounded_to_sum

windows = st.lists(
    st.tuples(st.integers(0, 10**6), st.floats(-1, 1)).map(
        lambda each: Weighed(each[0], round(each[0] * each[1]))
    ),
    min_size=4,
    max_size=4,
).filter(lambda topics: any(each.weight for each in topics))


def everything(topics: list[Weighed]) -> Weighed:
    return Weighed(sum(each.weight for each in topics), sum(each.weighted for each in topics))


def parts_of(now: list[Weighed], before: list[Weighed]) -> list[Contribution]:
    both = everything(now), everything(before)
    return [part_of(here, there, *both) for here, there in zip(now, before, strict=True)]


@given(windows, windows)
def test_the_parts_of_all_topics_add_up_to_the_change(now: list[Weighed], before: list[Weighed]) -> None:
    all_now, all_before = everything(now), everything(before)
    parts = parts_of(now, before)
    change = all_now.weighted / all_now.weight - all_before.weighted / all_before.weight

    assert sum(part.mix + part.mood for part in parts) == pytest.approx(change, abs=1e-9)


@given(windows, windows)
def test_the_way_back_has_the_same_parts_with_the_other_sign(
    now: list[Weighed], before: list[Weighed]
) -> None:
    for there, back in zip(parts_of(now, before), parts_of(before, now), strict=True):
        assert (there.mix, there.mood) == pytest.approx((-back.mix, -back.mood), abs=1e-12)


def test_more_of_a_topic_is_mix_and_another_tone_is_mood() -> None:
    steady = [Weighed(50, 0), Weighed(50, -50)]
    more_complaints, worse = [Weighed(25, 0), Weighed(75, -75)], [Weighed(50, -50), Weighed(50, -50)]

    mix = parts_of(more_complaints, steady)
    mood = parts_of(worse, steady)
    assert [part.mood for part in mix] == [0, 0]
    assert sum(part.mix for part in mix) == pytest.approx(-0.25)
    assert mood == [Contribution(0.0, -0.5), Contribution(0.0, 0.0)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(-1, 1))
def test_rounded_values_add_up_and_are_near(values: list[float], off: int) -> None:
    total = round(sum(values)) + off
    found = rounded_to_sum(values, total)

    assert sum(found) == total
    assert all(abs(each - value) < 2 + 1e-6 for each, value in zip(found, values, strict=True))


@given(st.integers(1, 10**9), st.integers(-(10**13), 10**13))
def test_a_mean_is_rounded_from_its_exact_value(weight: int, weighted: int) -> None:
    assert abs(mean_of(Weighed(weight, weighted), 100) - Fraction(weighted * 100, weight)) <= Fraction(1, 2)
