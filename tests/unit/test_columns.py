"""Columns of numbers that are added as one number each."""

from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.columns import numbers_of, one_number

columns = st.lists(st.lists(st.integers(-(2**55), 2**55), max_size=20), min_size=1, max_size=100)


@given(columns)
def test_the_sum_of_columns_is_that_of_their_numbers(some: list[list[int]]) -> None:
    longest = max(map(len, some))
    found = numbers_of(sum(map(one_number, some)), longest)
    assert [*found] == [sum(each) for each in zip_longest(*some, fillvalue=0)]


@given(st.lists(st.sampled_from([-(2**63), -1, 0, 1, 2**63 - 1]), max_size=9), st.integers(0, 3))
def test_the_ends_of_the_range_fit_and_a_longer_column_ends_with_noughts(
    column: list[int], more: int
) -> None:
    assert [*numbers_of(one_number(column), len(column) + more)] == [*column, *[0] * more]


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        one_number([2**63])
