"""What comes in: the bucket, the window of each client, and both together."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rate_limiter import UNLIMITED, InboundLimiter, SlidingWindow, TokenBucket
from tests.support.fake_time import FakeTime

GAPS = st.lists(st.floats(0, 2), max_size=200)
A_LITTLE = 1e-6


@given(rate=st.floats(0.1, 50), gaps=GAPS)
def test_a_bucket_lets_no_more_pass_in_any_time_than_its_burst_and_its_rate(
    rate: float, gaps: list[float]
) -> None:
    clock = FakeTime()
    bucket = TokenBucket(rate, clock)
    passed = []
    for gap in gaps:
        clock.now += gap
        if bucket.take().allowed:
            passed.append(clock.now)

    for first, began in enumerate(passed):
        for count, ended in enumerate(passed[first:], 1):
            assert count <= max(rate, 1) + rate * (ended - began) + A_LITTLE


@given(rate=st.floats(0.1, 50), gaps=GAPS)
def test_a_bucket_keeps_its_word_on_when_to_come_again(rate: float, gaps: list[float]) -> None:
    clock = FakeTime()
    bucket = TokenBucket(rate, clock)
    for gap in gaps:
        clock.now += gap
        decision = bucket.take()
        if not decision.allowed:
            clock.now += decision.retry_after - A_LITTLE
            assert not bucket.take().allowed
            clock.now += 2 * A_LITTLE
            assert bucket.take().allowed


def test_of_300_posts_in_one_second_at_most_200_pass_a_rate_of_100() -> None:
    clock = FakeTime()
    bucket = TokenBucket(100, clock)

    allowed = 0
    for _ in range(300):
        allowed += bucket.take().allowed
        clock.now += 1 / 300

    assert 195 <= allowed <= 200


def test_a_bucket_says_how_full_it_is() -> None:
    clock = FakeTime()
    bucket = TokenBucket(10, clock)

    taken = [bucket.take() for _ in range(11)]

    assert (taken[0].limit, taken[0].remaining) == (10, 9)
    assert taken[0].reset_seconds == pytest.approx(0.1)
    assert (taken[10].allowed, taken[10].remaining) == (False, 0)
    assert taken[10].reset_seconds == pytest.approx(1.0)
    clock.now += taken[10].reset_seconds
    assert bucket.take().remaining == 9


def test_a_rate_below_one_lets_a_single_request_pass_at_a_time() -> None:
    clock = FakeTime()
    bucket = TokenBucket(0.5, clock)

    assert [bucket.take().allowed for _ in range(2)] == [True, False]
    clock.now += 2
    assert bucket.take().allowed


def test_a_limit_of_zero_is_off() -> None:
    clock = FakeTime()
    bucket, window = TokenBucket(0, clock), SlidingWindow(0, 60, clock)

    assert {bucket.take() for _ in range(1_000)} == {UNLIMITED}
    assert {window.take("somebody") for _ in range(1_000)} == {UNLIMITED}


@given(
    limit=st.integers(1, 8),
    window=st.floats(0.5, 5),
    requests=st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abc")), max_size=200),
)
def test_no_client_gets_more_than_the_limit_into_any_window_and_never_less(
    limit: int, window: float, requests: list[tuple[float, str]]
) -> None:
    clock = FakeTime()
    limiter = SlidingWindow(limit, window, clock)
    passed: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for gap, client in requests:
        clock.now += gap
        recent = [moment for moment in passed[client] if moment + window > clock.now]
        decision = limiter.take(client)

        assert decision.allowed == (len(recent) < limit)
        if decision.allowed:
            passed[client].append(clock.now)
        assert decision.remaining == limit - len(recent) - decision.allowed


@given(limit=st.integers(1, 8), gaps=GAPS)
def test_a_window_keeps_its_word_on_when_to_come_again(limit: int, gaps: list[float]) -> None:
    clock = FakeTime()
    limiter = SlidingWindow(limit, 3.0, clock)
    for gap in gaps:
        clock.now += gap
        decision = limiter.take("a")
        if not decision.allowed:
            clock.now += decision.retry_after - A_LITTLE
            assert not limiter.take("a").allowed
            clock.now += 2 * A_LITTLE
            assert limiter.take("a").allowed


def test_a_client_is_forgotten_when_its_window_has_passed() -> None:
    clock = FakeTime()
    limiter = SlidingWindow(5, 60, clock)
    for number in range(100):
        limiter.take(f"client {number}")
    clock.now += 60

    limiter.take("another")

    assert len(limiter) == 1


def test_of_too_many_clients_the_one_that_has_been_quiet_longest_starts_afresh() -> None:
    limiter = SlidingWindow(2, 60, FakeTime(), max_clients=3)
    for client in "abcad":
        assert limiter.take(client).allowed

    assert len(limiter) == 3
    assert not limiter.take("a").allowed
    assert limiter.take("b").remaining == 1


def test_clients_are_forgotten_early_where_their_requests_would_fill_the_memory() -> None:
    clock = FakeTime()
    limiter = SlidingWindow(10, 60, clock, max_remembered=100)
    for number in range(1_000):
        for _ in range(10):
            limiter.take(f"client {number}")

    assert len(limiter) == 10
    assert not limiter.take("client 999").allowed


def test_requests_that_are_over_or_were_given_back_fill_no_memory() -> None:
    clock = FakeTime()
    limiter = SlidingWindow(5, 10, clock, max_remembered=10)
    for _ in range(20):
        clock.now += 5
        for client in "ab":
            limiter.take(client)
            limiter.take(client)
            limiter.give_back(client)

    assert len(limiter) == 2
    assert limiter.take("a").remaining == 2


def test_what_is_given_back_can_be_taken_again() -> None:
    limiter = SlidingWindow(1, 60, FakeTime())
    limiter.take("a")

    limiter.give_back("a")
    limiter.give_back("unknown")

    assert len(limiter) == 0
    assert limiter.take("a").allowed


@dataclass
class Both:
    """A bucket of 5 and a window of 3 a client, on one clock."""

    clock: FakeTime

    def __post_init__(self) -> None:
        self.limiter = InboundLimiter(5, per_client=3, window=60, clock=self.clock)


@pytest.fixture
def both() -> Both:
    return Both(FakeTime())


def test_a_flood_of_writes_leaves_the_readers_alone() -> None:
    limiter = InboundLimiter(5, clock=FakeTime())
    writes = [limiter.take("a", write=True).allowed for _ in range(10)]

    assert writes == [True] * 5 + [False] * 5
    assert limiter.take("a", write=False).allowed


def test_the_answer_is_the_tighter_limits(both: Both) -> None:
    assert both.limiter.take("a", write=True).limit == 3
    both.limiter.take("b", write=True)
    both.limiter.take("b", write=True)

    shared = both.limiter.take("c", write=True)

    assert (shared.limit, shared.remaining) == (5, 1)


def test_a_client_over_its_own_limit_takes_nothing_from_the_others(both: Both) -> None:
    mine = [both.limiter.take("greedy", write=True).allowed for _ in range(20)]

    assert mine.count(True) == 3
    assert [both.limiter.take("modest", write=True).allowed for _ in range(2)] == [True, True]


def test_what_the_shared_limit_refuses_does_not_count_against_the_client(both: Both) -> None:
    for client in "aabbc":
        assert both.limiter.take(client, write=True).allowed
    assert not any(both.limiter.take("d", write=True).allowed for _ in range(10))

    both.clock.now += 1

    assert [both.limiter.take("d", write=True).allowed for _ in range(4)] == [True] * 3 + [False]


def test_a_clients_window_counts_reads_and_writes_together(both: Both) -> None:
    taken = [both.limiter.take("a", write=write).allowed for write in (True, False, True, False)]

    assert taken == [True, True, True, False]


def test_without_any_limit_there_is_nothing_to_tell() -> None:
    limiter = InboundLimiter(0, clock=FakeTime())

    assert limiter.take("a", write=True) == UNLIMITED
