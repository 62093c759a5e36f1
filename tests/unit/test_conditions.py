"""The summary line of a minute, and the two providers, by a clock that the test moves."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from core.clock import SECOND
from core.metrics import Metrics
from llm.gateway import OfflineGateway
from llm.hold import Hold
from llm.stops import Stop, circuit_stop
from services.capacity import Capacity
from services.conditions import Conditions
from store.engine.disk import Disk
from tests.support.log_lines import Lines, captured


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


class Stopped(OfflineGateway):
    """A gateway whose providers get no calls; `blocked` says whether none is left."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(None, hold)  # type: ignore[arg-type]  # nobody asks it
        self.stops: Any = ()
        self.is_blocked = True

    @property
    def blocked(self) -> str | None:
        return "blocked" if self.stops and self.is_blocked else self.hold.reason


@pytest.fixture
def lines() -> Iterator[Lines]:
    with captured("INFO") as logged:
        yield logged


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watched(clock: Clock) -> Conditions:
    hold, metrics = Hold(clock), Metrics()
    capacity = Capacity(None, metrics, hold, clock, max_bytes=1)  # type: ignore[arg-type]
    return Conditions(capacity, Stopped(hold), (), metrics, clock)


def pass_time(watched: Conditions, clock: Clock, seconds: int) -> None:
    for _ in range(seconds):
        clock.now += SECOND
        watched.tick()


def test_a_line_a_minute_while_something_is_wrong_and_none_otherwise(
    watched: Conditions, clock: Clock, lines: Lines
) -> None:
    pass_time(watched, clock, 300)
    assert lines.events() == []

    watched.gateway.hold.switch(paused=True)
    pass_time(watched, clock, 182)
    watched.gateway.hold.switch(paused=False)
    pass_time(watched, clock, 300)

    events = [line["event"] for line in lines.events()]
    assert events == ["analysis_paused", "degraded", "degraded", "degraded", "analysis_paused"]
    assert lines.events()[1]["reasons"] == ["paused by an operator"]
    assert lines.events()[-1]["seconds"] == 182


def test_while_the_other_provider_stands_in_nothing_is_degraded(
    watched: Conditions, clock: Clock, lines: Lines
) -> None:
    gateway = watched.gateway
    assert isinstance(gateway, Stopped)
    gateway.stops, gateway.is_blocked = [circuit_stop("credentials: HTTP 401", "grok")], False
    pass_time(watched, clock, 200)

    (line,) = lines.events()
    assert (line["event"], line["provider"]) == ("key_refused", "grok")
    assert line["analysis"] == "goes on with the other provider"
    assert watched.reasons() == []

    gateway.stops, gateway.is_blocked = (
        [*gateway.stops, circuit_stop("server_error: HTTP 500", "gemini")],
        True,
    )
    assert len(watched.reasons()) == 2


@pytest.mark.parametrize(
    ("reason", "provider", "stop"),
    [
        ("credentials: HTTP 401", "grok", ("key_refused", "GROK_API_KEY was refused: HTTP 401")),
        (
            "credentials: HTTP 400: a: b",
            "gemini",
            ("key_refused", "GEMINI_API_KEY was refused: HTTP 400: a: b"),
        ),
        ("timeout: after 60 s", "grok", ("circuit_open", "calls to grok fail, timeout: after 60 s")),
        (None, "grok", ("circuit_open", "calls to grok fail, unknown: no call gets through")),
    ],
)
def test_the_words_come_first_and_the_providers_own_follow(
    reason: str | None, provider: str, stop: tuple[str, str]
) -> None:
    assert circuit_stop(reason, provider) == Stop(*stop, provider)


class FlickeringDisk(Disk):
    """A disk that is short every other time it is looked at, as one is on which the write-ahead log comes and goes."""

    looks = itertools.count()

    def is_short(self, reusable: int = 0) -> bool:
        return next(self.looks) % 2 == 0


def test_a_disk_that_has_room_again_between_two_looks_is_no_error(watched: Conditions) -> None:
    """`/health` answered 500 when that happened while it was being made."""
    watched.capacity.disk = FlickeringDisk()
    seen = [watched.reasons() for _ in range(6)]

    assert [len(reasons) for reasons in seen] == [1, 0] * 3
