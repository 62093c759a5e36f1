"""The circuit breaker: stops calls to a provider that fails, until a probe succeeds. Policy only."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum

from core.changes import Changing

LONG_DOUBT = 1.0
"""Seconds after which a doubt is as good as an open circuit to whoever waits for an analysis."""


class CircuitState(StrEnum):
    """Closed: calls start. Open: no call starts. Half-open: one probe is in flight."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Opens after `threshold` faults in a row, or at once if the provider refuses the key, credit or model.

    While the circuit is open no call starts. After `cooldown` seconds one probe may start: its success closes the
    circuit, its failure opens it for another cooldown. A 429 is neither a fault nor a success: do not report it.

    Each report carries the `epoch` in which its call was sent. Reports of calls that were sent before the circuit
    last closed are ignored, because the probe's answer is newer.
    """

    def __init__(
        self,
        threshold: int = 5,
        cooldown: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        changing: Changing = nullcontext,
    ) -> None:
        """`changing` gives the block in which its state or reason changes."""
        self._changing = changing
        self._threshold = threshold
        self._cooldown = cooldown
        self._clock = clock
        self._state = CircuitState.CLOSED
        self._reason: str | None = None
        self._faults = 0
        self._probe_at = 0.0
        self._closings = 0
        self._doubted_at: float | None = None

    @property
    def state(self) -> CircuitState:
        """The state. It stays open until a probe starts, even after the cooldown."""
        return self._state

    @property
    def reason(self) -> str | None:
        """Why the circuit is not closed."""
        return self._reason

    @property
    def epoch(self) -> int:
        """How often the circuit has closed. A call notes it when it is sent and passes it to its report."""
        return self._closings

    def opens_for(self) -> float:
        """Seconds until a probe may start; 0 if it may start now, is in flight, or is not needed."""
        return max(0.0, self._probe_at - self._clock()) if self._state is CircuitState.OPEN else 0.0

    @property
    def is_in_doubt(self) -> bool:
        """Whether a probe is still to show if there is anything to tell; for a second at most."""
        return self._doubted_at is not None and self._clock() - self._doubted_at < LONG_DOUBT

    def may_call(self) -> bool:
        """Whether an ordinary call (not a probe) may start."""
        return self._state is CircuitState.CLOSED

    def may_probe(self) -> bool:
        """Whether the caller should send this cooldown's one probe. On True it must call `probe_result` later."""
        if self._state is not CircuitState.OPEN or self.opens_for() > 0:
            return False
        self._turn(CircuitState.HALF_OPEN, self._reason)
        return True

    def probe_result(self, ok: bool, reason: str | None = None) -> None:
        """End the probe: close the circuit, or keep it open for another cooldown, with a new reason if given.

        Raises RuntimeError if no probe is in flight.
        """
        if self._state is not CircuitState.HALF_OPEN:
            raise RuntimeError("no probe is in flight")
        if ok:
            self._faults = 0
            self._closings += 1
            self._turn(CircuitState.CLOSED, None)
        else:
            self._open(reason or self._reason)

    def success(self, epoch: int) -> None:
        """Report a successful call; it resets the count of faults."""
        if epoch == self.epoch:
            self._faults = 0

    def fault(self, epoch: int, reason: str = "calls fail") -> None:
        """Report a provider fault (5xx, time-out, refused connection)."""
        if self._state is not CircuitState.CLOSED or epoch != self.epoch:
            return
        self._faults += 1
        if self._faults >= self._threshold:
            self._open(reason)

    def deny(self, epoch: int, reason: str) -> None:
        """Report that the key, credit, permission or model was refused: more calls would fail the same way."""
        if epoch != self.epoch:
            return
        if self._state is CircuitState.CLOSED:
            self._open(reason)
        else:
            self._turn(self._state, reason, self._doubted_at)

    def doubt(self, epoch: int, reason: str) -> bool:
        """Stop all calls until an immediate probe shows whether a fault concerns every call or just one.

        On True the caller must send the probe and call `probe_result`. False if the circuit is not closed, or was
        closed by a probe after the call was sent.
        """
        if self._state is not CircuitState.CLOSED or epoch != self.epoch:
            return False
        self._turn(CircuitState.HALF_OPEN, reason, self._clock())
        return True

    def _open(self, reason: str | None) -> None:
        self._probe_at = self._clock() + self._cooldown
        self._turn(CircuitState.OPEN, reason)

    def _turn(self, state: CircuitState, reason: str | None, doubted_at: float | None = None) -> None:
        with self._changing():
            self._state, self._reason, self._doubted_at = state, reason, doubted_at
