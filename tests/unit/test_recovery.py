"""The crash program's measure of when a rate is back."""

import math

import pytest

from tests.faults.recovery import STEP, WINDOW, Some, recovery

LEASE = 12.0
HAPPENED = 100.0
END = HAPPENED + 2 * LEASE


def steady(since: float, until: float, texts: int = 20) -> list[Some]:
    """Ten times a second."""
    return [Some(since + number / 10, texts) for number in range(round(10 * (until - since)))]


BEFORE = steady(HAPPENED - LEASE, HAPPENED)
POSTED = BEFORE + steady(HAPPENED, END)


@pytest.mark.parametrize("pause", [0.0, 3.0, 11.0])
def test_a_rate_is_back_when_a_window_has_as_many_texts_as_before(pause: float) -> None:
    found = recovery(POSTED, BEFORE + steady(HAPPENED + pause, END), HAPPENED, LEASE)

    assert found.before == pytest.approx(200, rel=0.01)
    # A window that begins a little earlier holds four fifths as well.
    assert max(0, pause - WINDOW / 5 - STEP) <= found.back <= pause
    assert found.later == pytest.approx(200, rel=0.01)
    assert found.complaint(LEASE) is None


def test_a_rate_that_does_not_come_back_or_does_not_stay_is_a_complaint() -> None:
    slow = recovery(POSTED, BEFORE + steady(HAPPENED, END, texts=10), HAPPENED, LEASE)
    late = recovery(POSTED, BEFORE + steady(HAPPENED + 15, END), HAPPENED, LEASE)
    brief = recovery(POSTED, BEFORE + steady(HAPPENED, HAPPENED + 6), HAPPENED, LEASE)

    assert slow.back == math.inf
    assert LEASE < late.back < 2 * LEASE
    assert brief.back == 0
    assert all(found.complaint(LEASE) for found in (slow, late, brief))


def test_what_is_not_posted_is_not_owed() -> None:
    half = steady(HAPPENED, END, texts=10)

    found = recovery(BEFORE + half, BEFORE + half, HAPPENED, LEASE)

    assert (found.back, found.complaint(LEASE)) == (0, None)
    assert found.owed == pytest.approx(100, rel=0.01)
