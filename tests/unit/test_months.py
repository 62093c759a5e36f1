"""The months of numbers: in order, far apart, and small enough for whoever packs them."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.clock import END, EPOCH, MICROSECOND
from domain.months import NUMBERS, first_number, month_name, month_of

BITS_IN_A_SEARCH = 47
LAST = (END - EPOCH) // MICROSECOND - 1
times = st.integers((datetime(2000, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND, LAST)


@given(times)
def test_a_time_is_of_the_month_that_it_is_written_with(at: int) -> None:
    assert month_name(month_of(at)) == (EPOCH + at * MICROSECOND).strftime("%Y_%m")


@given(times, times)
def test_numbers_rise_with_months(one: int, other: int) -> None:
    first, second = sorted(month_of(each) for each in (one, other))
    assert first_number(second) - first_number(first) == (second - first) * NUMBERS


def test_the_last_month_of_all_fits_into_a_search() -> None:
    assert first_number(month_of(LAST)) + NUMBERS < 2**BITS_IN_A_SEARCH
