"""What the engine's benchmark counts: when a queue is deep, and what a perfect schedule makes of the limits."""

import pytest

from benchmarks.engine import BATCH, DEEP, IN_FLIGHT, RATE, Drained, ideal


def drained(*carried: int) -> Drained:
    stats = {"arrivals": [float(number) for number in range(len(carried))], "carried": list(carried)}
    return Drained(2.0, sum(carried), float(len(carried)), 0.1, sum(carried), stats)


def test_a_queue_is_deep_up_to_the_last_call_before_which_ten_full_batches_were_due() -> None:
    full = [BATCH] * 15

    assert drained(*full).deep == [0, 1, 2, 3, 4, 5]
    assert drained(BATCH - 1, *full).deep == [0, 1, 2, 3, 4, 5, 6]
    assert drained(*full[:10]).deep == [0]
    assert drained(DEEP - 1).deep == []


@pytest.mark.parametrize("latency", [0.2, 2.0, IN_FLIGHT / RATE])
def test_while_places_are_free_the_cap_alone_decides(latency: float) -> None:
    assert ideal(401, latency) == pytest.approx(40)


def test_where_all_places_are_taken_the_next_call_waits_for_one() -> None:
    assert ideal(IN_FLIGHT, 8.0) == pytest.approx(6.3)
    assert ideal(IN_FLIGHT + 1, 8.0) == pytest.approx(8)
    assert ideal(2 * IN_FLIGHT + 1, 8.0) == pytest.approx(16)
