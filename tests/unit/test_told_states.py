"""No state is too short for the log: whatever begins and ends, in any order and at any moment, is two lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import booleans, floats, integers, sampled_from

from core.changes import Changes
from core.clock import SECOND
from core.metrics import Metrics
from llm.circuit_breaker import CircuitBreaker, CircuitState
from llm.gateway import OfflineGateway
from llm.hold import Hold
from llm.stops import Stop, circuit_stop
from services.capacity import Capacity
from services.conditions import Conditions
from store.engine.faults import Fault
from tests.support.fake_time import FakeTime
from tests.support.log_lines import Lines, captured

COOLDOWN = 10.0


class Circuitous(OfflineGateway):
    """A gateway with a circuit, and nothing behind it."""

    def __init__(self, hold: Hold, breaker: CircuitBreaker) -> None:
        super().__init__(None, hold)  # type: ignore[arg-type]  # nobody asks it
        self.breaker = breaker

    @property
    def stops(self) -> Any:  # type: ignore[override]  # there it is a constant
        return [] if self.breaker.may_call() else [circuit_stop(self.breaker.reason, "grok")]


@contextmanager
def watched(time: FakeTime) -> Iterator[tuple[Conditions, CircuitBreaker]]:
    """Conditions that nobody looks at except when something changes."""
    changes, metrics = Changes(), Metrics()
    hold = Hold(lambda: round(time.now * SECOND), changes)
    breaker = CircuitBreaker(1, COOLDOWN, time, changes)
    capacity = Capacity(None, metrics, hold, hold._clock, max_bytes=1)  # type: ignore[arg-type]
    conditions = Conditions(capacity, Circuitous(hold, breaker), (), metrics, hold._clock)
    changes.watch(conditions.look, conditions.look)
    yield conditions, breaker


def states(lines: Lines) -> list[tuple[str, str]]:
    return [(line["event"], line["state"]) for line in lines.events()]


class States(RuleBasedStateMachine):
    """Everything that sets a state, in any order; the log is compared with what is the case after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.time = FakeTime()
        self._lines = captured("INFO")
        self.lines = self._lines.__enter__()
        self._watched = watched(self.time)
        self.conditions, self.breaker = self._watched.__enter__()
        self.hold = self.conditions.gateway.hold
        self.expected: list[tuple[str, str]] = []
        self.present: set[str] = set()
        self.unstored: list[Any] = []

    def teardown(self) -> None:
        while self.unstored:
            self.a_result_is_stored()
        self._watched.__exit__(None, None, None)
        self._lines.__exit__(None, None, None)

    @rule(seconds=floats(0, 2 * COOLDOWN))
    def time_passes(self, seconds: float) -> None:
        self.time.now += seconds

    @rule(paused=booleans())
    def an_operator_switches(self, paused: bool) -> None:
        self.hold.switch(paused=paused)

    @rule(seconds=integers(1, 20))
    def the_budget_is_spent(self, seconds: int) -> None:
        self.hold.budget_spent(round((self.time.now + seconds) * SECOND), self.hold.settlements)

    @rule()
    def a_call_settles(self) -> None:
        self.hold.reservation_settled()

    @rule()
    def a_result_waits(self) -> None:
        self.unstored.append(self.hold.until_stored())
        self.unstored[-1].__enter__()

    @precondition(lambda self: self.unstored)
    @rule()
    def a_result_is_stored(self) -> None:
        self.unstored.pop().__exit__(None, None, None)

    @rule(fault=sampled_from([None, *Fault]))
    def a_write_is_tried(self, fault: Fault | None) -> None:
        self.conditions.capacity._set_refusal(fault)

    @rule(outcome=sampled_from(["credentials", "credits", "model", "server_error"]))
    def a_call_is_denied(self, outcome: str) -> None:
        self.breaker.deny(self.breaker.epoch, f"{outcome}: HTTP 400")

    @rule(ok=booleans())
    @precondition(lambda self: not self.breaker.may_call())
    def a_probe_comes_back(self, ok: bool) -> None:
        self.time.now += COOLDOWN
        if self.breaker.may_probe() or self.breaker.state is CircuitState.HALF_OPEN:
            self.breaker.probe_result(ok, "credentials: HTTP 401")

    @invariant()
    def the_log_has_what_is_the_case(self) -> None:
        told: set[str] = set()
        for name, state in states(self.lines):
            assert (name in told) == (state == "ended")
            told ^= {name}
        ended_by_the_clock = {"budget_spent"} - {each.name for each in self._is_the_case()}
        assert told - ended_by_the_clock == {each.name for each in self._is_the_case()}

    def _is_the_case(self) -> list[Stop]:
        return list(self.conditions._present())


TestStates = States.TestCase


def test_a_state_that_lasts_no_time_is_told() -> None:
    with captured("INFO") as lines, watched(FakeTime()) as (conditions, breaker):
        breaker.deny(0, "credentials: HTTP 401")
        conditions.gateway.hold.switch(paused=True)
        conditions.gateway.hold.switch(paused=False)
        breaker.deny(0, "credits: HTTP 402")

    assert states(lines) == [
        ("key_refused", "began"),
        ("analysis_paused", "began"),
        ("analysis_paused", "ended"),
        ("key_refused", "ended"),
        ("credits_used_up", "began"),
    ]


def test_what_the_clock_ends_is_told_before_it_begins_again() -> None:
    time = FakeTime()
    with captured("INFO") as lines, watched(time) as (conditions, _):
        for _ in range(2):
            conditions.gateway.hold.budget_spent(round((time.now + 5) * SECOND), 0)
            time.now += 6

    assert states(lines) == [("budget_spent", "began"), ("budget_spent", "ended"), ("budget_spent", "began")]


def test_a_short_doubt_is_no_open_circuit() -> None:
    time = FakeTime()
    breaker = CircuitBreaker(1, COOLDOWN, time)
    assert breaker.doubt(0, "is it the key?")

    assert breaker.is_in_doubt
    time.now += 1
    assert not breaker.is_in_doubt
    breaker.probe_result(False, "credentials: HTTP 401")
    assert not breaker.is_in_doubt
