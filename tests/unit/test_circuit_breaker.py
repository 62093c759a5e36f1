"""The circuit, step by step and under a machine that does anything at any time."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from llm.circuit_breaker import CircuitBreaker, CircuitState
from tests.support.fake_time import FakeTime

THRESHOLD, COOLDOWN = 3, 10.0


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def breaker(time: FakeTime) -> CircuitBreaker:
    return CircuitBreaker(THRESHOLD, COOLDOWN, time)


def trip(breaker: CircuitBreaker, *, left_in: int = 0) -> None:
    for _ in range(THRESHOLD):
        breaker.fault(left_in, "HTTP 503")


def recover(breaker: CircuitBreaker, time: FakeTime) -> None:
    time.now += COOLDOWN
    assert breaker.may_probe()
    breaker.probe_result(True)


def test_it_opens_at_the_threshold_and_not_before(breaker: CircuitBreaker) -> None:
    breaker.fault(0, "HTTP 503")
    breaker.fault(0, "HTTP 503")
    assert breaker.may_call()

    breaker.fault(0, "time-out")

    assert not breaker.may_call()
    assert (breaker.state, breaker.reason, breaker.opens_for()) == (CircuitState.OPEN, "time-out", COOLDOWN)


def test_only_faults_in_a_row_count(breaker: CircuitBreaker) -> None:
    for _ in range(10):
        breaker.fault(0)
        breaker.fault(0)
        breaker.success(0)

    assert breaker.state is CircuitState.CLOSED


def test_a_denial_opens_it_at_once_and_says_why(breaker: CircuitBreaker) -> None:
    breaker.deny(0, "the key was refused")

    assert (breaker.state, breaker.reason) == (CircuitState.OPEN, "the key was refused")


def test_one_probe_may_start_when_the_cooldown_has_passed(breaker: CircuitBreaker, time: FakeTime) -> None:
    trip(breaker)
    time.now += COOLDOWN - 0.1
    assert not breaker.may_probe()
    assert breaker.opens_for() == pytest.approx(0.1)

    time.now += 0.1

    assert [breaker.may_probe() for _ in range(3)] == [True, False, False]
    assert (breaker.state, breaker.opens_for()) == (CircuitState.HALF_OPEN, 0)
    assert not breaker.may_call()


def test_a_probe_that_succeeds_closes_it_and_counting_starts_anew(
    breaker: CircuitBreaker, time: FakeTime
) -> None:
    trip(breaker)
    time.now += COOLDOWN
    breaker.may_probe()

    breaker.probe_result(True)

    assert (breaker.state, breaker.reason, breaker.may_call()) == (CircuitState.CLOSED, None, True)
    breaker.fault(breaker.epoch)
    breaker.fault(breaker.epoch)
    assert breaker.may_call()


def test_a_probe_that_fails_opens_it_for_another_cooldown(breaker: CircuitBreaker, time: FakeTime) -> None:
    breaker.deny(0, "no credit")
    for answer, reason in ((None, "no credit"), ("HTTP 500", "HTTP 500")):
        time.now += COOLDOWN
        assert breaker.may_probe()

        breaker.probe_result(False, answer)

        assert (breaker.state, breaker.reason, breaker.opens_for()) == (CircuitState.OPEN, reason, COOLDOWN)


def test_calls_that_left_before_it_opened_neither_close_it_nor_keep_it_open(
    breaker: CircuitBreaker, time: FakeTime
) -> None:
    trip(breaker)
    time.now += COOLDOWN - 1

    breaker.success(0)
    trip(breaker)

    assert (breaker.state, breaker.reason, breaker.opens_for()) == (CircuitState.OPEN, "HTTP 503", 1)


def test_calls_that_left_before_it_closed_cannot_open_it_again(
    breaker: CircuitBreaker, time: FakeTime
) -> None:
    before = breaker.epoch
    trip(breaker)
    recover(breaker, time)

    trip(breaker, left_in=before)
    breaker.deny(before, "the key was refused")

    assert not breaker.doubt(before, "the key was refused")
    assert (breaker.state, breaker.reason) == (CircuitState.CLOSED, None)
    trip(breaker, left_in=breaker.epoch)
    assert breaker.state is CircuitState.OPEN


def test_calls_that_left_before_it_closed_excuse_none_that_left_after(
    breaker: CircuitBreaker, time: FakeTime
) -> None:
    before = breaker.epoch
    trip(breaker)
    recover(breaker, time)
    breaker.fault(breaker.epoch)
    breaker.fault(breaker.epoch)

    breaker.success(before)
    breaker.fault(breaker.epoch)

    assert breaker.state is CircuitState.OPEN


def test_a_doubt_holds_all_calls_until_its_probe_has_decided(breaker: CircuitBreaker) -> None:
    assert [breaker.doubt(0, "is it the key?") for _ in range(2)] == [True, False]
    assert (breaker.state, breaker.reason, breaker.may_call()) == (
        CircuitState.HALF_OPEN,
        "is it the key?",
        False,
    )
    assert not breaker.may_probe()

    breaker.probe_result(True)
    assert breaker.state is CircuitState.CLOSED

    assert breaker.doubt(breaker.epoch, "is it the key?")
    breaker.probe_result(False)
    assert (breaker.state, breaker.reason, breaker.opens_for()) == (
        CircuitState.OPEN,
        "is it the key?",
        COOLDOWN,
    )
    assert not breaker.doubt(breaker.epoch, "or the model?")


def test_a_denial_while_it_is_open_is_the_better_reason_but_no_longer_wait(
    breaker: CircuitBreaker, time: FakeTime
) -> None:
    trip(breaker)
    time.now += COOLDOWN - 1

    breaker.deny(0, "the key was refused")

    assert (breaker.reason, breaker.opens_for()) == ("the key was refused", 1)


def test_a_probe_result_without_a_probe_is_an_error(breaker: CircuitBreaker) -> None:
    with pytest.raises(RuntimeError):
        breaker.probe_result(True)


class Circuit(RuleBasedStateMachine):
    """Calls, probes and time in any order, against what must hold of them.

    Only what comes in from calls that left after the circuit last closed may move it.
    """

    away = Bundle("away")

    def __init__(self) -> None:
        super().__init__()
        self.time = FakeTime()
        self.breaker = CircuitBreaker(THRESHOLD, COOLDOWN, self.time)
        self.faults_in_a_row = 0
        self.closings = 0
        self.opened_at: float | None = None
        self.probing = False

    @rule(seconds=st.floats(0, 2 * COOLDOWN))
    def time_passes(self, seconds: float) -> None:
        self.time.now += seconds

    @rule(target=away, number=st.integers(1, 2 * THRESHOLD))
    @precondition(lambda self: self.breaker.may_call())
    def calls_leave(self, number: int) -> MultipleResults[tuple[int, int]]:
        return multiple(*[(self.breaker.epoch, self.closings)] * number)

    @rule(call=consumes(away))
    def a_call_fails(self, call: tuple[int, int]) -> None:
        epoch, left = call
        self.breaker.fault(epoch)
        if self.opened_at is None and not self.probing and left == self.closings:
            self.faults_in_a_row += 1
            if self.faults_in_a_row == THRESHOLD:
                self._opens()

    @rule(call=consumes(away))
    def a_call_succeeds(self, call: tuple[int, int]) -> None:
        epoch, left = call
        self.breaker.success(epoch)
        if left == self.closings:
            self.faults_in_a_row = 0

    @rule(call=consumes(away))
    def a_call_is_denied(self, call: tuple[int, int]) -> None:
        epoch, left = call
        self.breaker.deny(epoch, "denied")
        if self.opened_at is None and not self.probing and left == self.closings:
            self._opens()

    @rule(call=consumes(away))
    def a_call_raises_a_doubt(self, call: tuple[int, int]) -> None:
        epoch, left = call
        closed = self.opened_at is None and not self.probing

        granted = self.breaker.doubt(epoch, "doubtful")

        assert granted == (closed and left == self.closings)
        self.probing |= granted

    @rule()
    def somebody_asks_to_probe(self) -> None:
        cool = self.opened_at is not None and self.time.now >= self.opened_at + COOLDOWN

        granted = self.breaker.may_probe()

        assert granted == (cool and not self.probing)
        self.probing |= granted

    @precondition(lambda self: self.probing)
    @rule(ok=st.booleans())
    def the_probe_ends(self, ok: bool) -> None:
        self.breaker.probe_result(ok)
        self.probing = False
        self.faults_in_a_row = 0
        self.closings += ok
        self.opened_at = None if ok else self.time.now

    @invariant()
    def calls_start_while_it_is_closed_and_only_then(self) -> None:
        closed = self.opened_at is None and not self.probing
        assert self.breaker.may_call() == closed
        assert (self.breaker.state is CircuitState.HALF_OPEN) == self.probing
        assert (self.breaker.reason is None) == closed

    @precondition(lambda self: self.opened_at is not None and not self.probing)
    @rule()
    def the_cooldown_passes_and_the_probe_comes_back(self) -> None:
        self.time.now += COOLDOWN
        self.somebody_asks_to_probe()
        self.the_probe_ends(ok=True)

    def _opens(self) -> None:
        self.opened_at = self.time.now
        self.faults_in_a_row = 0


TestCircuit = Circuit.TestCase
