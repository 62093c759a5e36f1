"""Alerts fire once and resolve once, whatever the value does at the threshold."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import HOUR, SECOND
from domain.alerts import (
    ABOVE,
    BELOW,
    AlertRule,
    AlertState,
    AlertStep,
    Measured,
    step,
    usual_direction,
    usual_minimum,
    usual_resolve_threshold,
)

MINUTE = 60 * SECOND
LOOK = 30 * SECOND


def rule(direction: str = ABOVE, threshold: float = 0.4, minimum: int = 20, window: int = HOUR) -> AlertRule:
    back = usual_resolve_threshold("count", threshold, direction)
    return AlertRule("negative_share", direction, threshold, back, minimum, window)


def told(of: AlertRule, values: list[float | None], every: int, n: int = 100) -> list[tuple[str, int]]:
    """What is told, and at which value, where it is looked at every so many microseconds."""
    state, found = AlertState(), []
    for at, value in enumerate(values):
        one = step(of, state, Measured(value, n), at * every)
        state = one.state
        found += [("fired", at)] * one.fired + [("resolved", at)] * one.resolved
    return found


def test_it_fires_at_the_threshold_and_resolves_after_some_time_behind_the_other() -> None:
    values: list[float | None] = [0.1, 0.39, 0.4, 0.5, 0.37, 0.35, *[0.1] * 70]

    assert told(rule(), values, MINUTE) == [("fired", 2), ("resolved", 5 + 60)]


def test_a_value_that_hovers_at_the_threshold_fires_once_and_resolves_once() -> None:
    """A week, looked at twice a minute: three days under it, one of noise around it, three under it again."""
    day = 24 * 120
    noise: list[float | None] = [0.4 + 0.2 * math.sin(at) * math.cos(at / 7) for at in range(day)]

    found = told(rule(), [*[0.1] * 3 * day, *noise, *[0.1] * 3 * day], LOOK)

    assert [what for what, _ in found] == ["fired", "resolved"]
    assert 3 * day <= found[0][1] < 3 * day + 120
    assert 4 * day < found[1][1] <= 4 * day + 122


@given(st.lists(st.floats(0, 1), max_size=400), st.sampled_from([ABOVE, BELOW]), st.integers(1, 90))
def test_they_alternate_and_between_a_resolution_and_its_firing_lies_the_calm(
    values: list[float], direction: str, minutes: int
) -> None:
    of = rule(direction)
    found = told(of, [*values], minutes * MINUTE)

    assert [what for what, _ in found] == [("fired", "resolved")[at % 2] for at in range(len(found))]
    for (_, fired), (what, resolved) in pairwise(found):
        if what == "resolved":
            assert (resolved - fired) * minutes * MINUTE >= of.calm
            back = values[resolved]
            assert not of.is_reached(of.resolve_threshold, back)
    for what, at in found:
        if what == "fired":
            assert of.is_reached(of.threshold, values[at])


def test_of_too_few_nothing_is_told() -> None:
    assert told(rule(), [0.9] * 10, MINUTE, n=19) == []
    assert told(rule(), [0.9] * 10, MINUTE, n=20) == [("fired", 0)]


def test_what_cannot_be_told_any_more_resolves() -> None:
    """No conversations, no share: an alert of a shop that has closed does not fire for ever."""
    assert told(rule(), [0.9, *[None] * 70], MINUTE) == [("fired", 0), ("resolved", 61)]


def test_below_is_the_other_way_round() -> None:
    of = AlertRule("budget_left", BELOW, 2.0, usual_resolve_threshold("budget_left", 2.0, BELOW), 0, HOUR)

    values: list[float | None] = [5.0, 2.0, 2.1, 1.0, *[5.0] * 70]
    assert told(of, values, MINUTE, n=0) == [("fired", 1), ("resolved", 4 + 60)]


@pytest.mark.parametrize(
    ("metric", "threshold", "most", "back"),
    [
        ("negative_share", 0.96, None, 0.98),
        ("negative_share", 0.5, None, 0.55),
        ("budget_left", 9.8, 10.0, 9.9),
        ("budget_left", 2.0, 10.0, 2.2),
        ("budget_left", 20.0, 10.0, 22.0),
    ],
)
def test_what_ends_somewhere_can_be_back_behind_its_usual_threshold(
    metric: str, threshold: float, most: float | None, back: float
) -> None:
    assert usual_resolve_threshold(metric, threshold, BELOW, most) == pytest.approx(back)


@pytest.mark.parametrize(
    ("window", "calm"), [(MINUTE, 5 * MINUTE), (HOUR // 2, HOUR // 2), (7 * 24 * HOUR, HOUR)]
)
def test_the_calm_is_as_long_as_the_window_within_limits(window: int, calm: int) -> None:
    assert rule(window=window).calm == calm


def test_what_a_rule_need_not_say() -> None:
    assert (usual_direction("budget_left"), usual_direction("count")) == (BELOW, ABOVE)
    assert usual_resolve_threshold("count", 10, ABOVE) == 9
    assert usual_resolve_threshold("count", 10, BELOW) == 11
    assert usual_resolve_threshold("surprise", -10, ABOVE) == -11
    assert (usual_minimum("negative_share"), usual_minimum("surprise"), usual_minimum("queue_age")) == (
        20,
        20,
        0,
    )


def test_a_look_that_changes_nothing() -> None:
    assert step(rule(), AlertState(), Measured(0.1, 100), 0) == AlertStep(AlertState())
