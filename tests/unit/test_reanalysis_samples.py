"""What a sample says of a whole re-analysis."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import UNSURE, sentiment_of
from domain.reanalysis import Change, Rating, Shift, compare, sample_mark, shift_of

SCORES = st.integers(-10_000, 10_000)


@st.composite
def ratings(draw: st.DrawFn) -> Rating:
    topics = draw(st.lists(st.sampled_from("abcd"), max_size=3))
    if draw(st.booleans()):
        return Rating(UNSURE, 0, topics)
    score = draw(SCORES)
    return Rating(sentiment_of(score), score, topics)


CHANGES = st.lists(st.builds(Change, st.none() | ratings(), ratings()), max_size=30)


@given(CHANGES, st.integers(0, 100))
def test_every_conversation_is_in_the_table_and_every_topic_adds_up(changes: list[Change], more: int) -> None:
    compared = compare(changes, len(changes) + more)

    assert sum(compared.table.values()) == compared.compared == len(changes)
    assert all(each.after - each.before == each.came - each.went for each in compared.topics)
    before = Counter(topic for each in changes if each.before for topic in {*each.before.topics})
    assert {each.topic: each.before for each in compared.topics if each.before} == before


@given(CHANGES)
def test_the_shift_is_of_those_with_a_score_both_times(changes: list[Change]) -> None:
    shift = compare(changes, len(changes)).shift
    scored = [
        each.after.score - each.before.score
        for each in changes
        if each.before and UNSURE not in (each.before.sentiment, each.after.sentiment)
    ]

    assert (shift is None) == (not scored)
    if shift is not None:
        assert shift.mean == pytest.approx(sum(scored) / len(scored) / 10_000)
        # All were drawn, so nothing is left to doubt.
        assert shift.low == shift.high == shift.mean


def test_a_sample_in_which_nothing_moved_does_not_rule_out_that_one_in_a_hundred_does() -> None:
    shift = shift_of([0.0] * 200, 100_000)

    assert shift.low == -shift.high
    assert 0.01 < shift.high < 0.03


SIZES = {(20, 500), (60, 1_312), (200, 20_000)}
MOVES = {"few and far": 0.04, "every third": 0.33, "nearly all": 0.9}


@pytest.mark.parametrize("size", sorted(SIZES))
@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES.keys())
def test_the_interval_has_the_true_shift_in_nineteen_of_twenty_samples(
    size: tuple[int, int], moves: float
) -> None:
    """Of 200 simulated re-analyses: the scores of a model that is kinder, where it judges otherwise at all."""
    number, population = size
    dice = random.Random(19)  # noqa: S311  not for secrets
    inside = sum(_holds(shift, true) for shift, true in _simulated(dice, moves, number, population))

    assert inside >= 186


def _simulated(
    dice: random.Random, moves: float, number: int, population: int
) -> Iterator[tuple[Shift, float]]:
    shifts = [_shift(dice, moves) for _ in range(population)]
    for _ in range(200):
        yield shift_of(dice.sample(shifts, number), population), sum(shifts) / population


def _shift(dice: random.Random, moves: float) -> float:
    if dice.random() >= moves:
        return 0.0
    before = dice.uniform(-1, 1)
    return max(-1.0, min(1.0, dice.gauss(0.2, 0.6))) - before


def _holds(shift: Shift, true: float) -> bool:
    return shift.low <= true <= shift.high


def test_the_marks_of_neighbours_have_no_pattern() -> None:
    """The conversations with the lowest marks come from everywhere, as often in pairs as luck has it."""
    marks = {number: sample_mark(number) for number in range(1, 20_001)}
    drawn = sorted(sorted(marks, key=marks.__getitem__)[:2_000])

    quarters = Counter((number - 1) // 5_000 for number in drawn)
    assert all(420 < quarters[each] < 580 for each in range(4))
    assert 420 < sum(number % 4 == 0 for number in drawn) < 580
    assert 140 < len({number + 1 for number in drawn} & {*drawn}) < 270
