"""Bad credentials are counted by client, and answered slowly once there were too many."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import TooManyAttempts
from services.access.attempts import ALLOWED, ANSWERS_PER_SECOND, LONGEST_WAIT, WINDOW, Attempts

CLIENT, OTHER = "192.0.2.1", "192.0.2.2"


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def over(attempts: Attempts, client: str = CLIENT) -> bool:
    try:
        attempts.count(client)
    except TooManyAttempts:
        return True
    return False


@given(st.lists(st.tuples(st.floats(0, 300), st.sampled_from([CLIENT, OTHER])), max_size=60))
def test_no_client_gets_more_than_ten_in_a_quarter_of_an_hour(sent: list[tuple[float, str]]) -> None:
    """Compared with a plain recount."""
    time = Time()
    attempts = Attempts(time)
    taken: dict[str, list[float]] = {CLIENT: [], OTHER: []}
    for pause, client in sent:
        time.now += pause
        recent = [at for at in taken[client] if at > time.now - WINDOW]
        assert attempts.is_over(client) == (len(recent) >= ALLOWED)
        assert over(attempts, client) == (len(recent) >= ALLOWED)
        if len(recent) < ALLOWED:
            taken[client].append(time.now)


def test_it_says_when_to_come_back() -> None:
    time = Time()
    attempts = Attempts(time)
    for _ in range(ALLOWED):
        attempts.count(CLIENT)
    time.now = 100

    with pytest.raises(TooManyAttempts) as refused:
        attempts.count(CLIENT)

    assert refused.value.retry_after == WINDOW - 100


def test_all_addresses_of_a_network_are_one_client() -> None:
    attempts = Attempts(Time())
    for number in range(ALLOWED):
        attempts.count(f"2001:db8::{number}")

    assert over(attempts, "2001:db8::ffff")
    assert not over(attempts, "2001:db8:0:1::1")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=100))
def test_a_client_over_the_limit_gets_ten_answers_a_second(gaps: list[float]) -> None:
    time = Time()
    attempts = Attempts(time)
    answered = []
    for gap in gaps:
        time.now += gap
        answered.append(time.now + attempts.pause(CLIENT))

    for first, second in pairwise(answered):
        assert second - first >= 1 / ANSWERS_PER_SECOND - 1e-9


def test_nobody_waits_for_ever_or_for_others() -> None:
    attempts = Attempts(Time())
    pauses = [attempts.pause(CLIENT) for _ in range(1_000)]

    assert max(pauses) == pytest.approx(LONGEST_WAIT)
    assert attempts.pause(OTHER) == 0
