"""The circuit breaker: stops calls to a provider that fails, until a probe succeeds. Policy only."""

import time
from collections.abc import Callable
from enum import StrEnum


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
        self, threshold: int = 5, cooldown: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._threshold = threshold
        self._cooldown = cooldown
        self._clock = clock
        self._state = CircuitState.CLOSED
        self._reason: str | None = None
        self._faults = 0
        self._probe_at = 0.0
        self._closings = 0

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

    def may_call(self) -> bool:
        """Whether an ordinary call (not a probe) may start."""
        return self._state is CircuitState.CLOSED

    def may_probe(self) -> bool:
        """Whether the caller should send this cooldown's one probe. On True it must call `probe_result` later."""
        if self._state is not CircuitState.OPEN or self.opens_for() > 0:
            return False
        self._state = CircuitState.HALF_OPEN
        return True

    def probe_result(self, ok: bool, reason: str | None = None) -> None:
        """End the probe: close the circuit, or keep it open for another cooldown, with a new reason if given.

        Raises RuntimeError if no probe is in flight.
        """
        if self._state is not CircuitState.HALF_OPEN:
            raise RuntimeError("no probe is in flight")
        if ok:
            self._state, self._reason, self._faults = CircuitState.CLOSED, None, 0
            self._closings += 1
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
            self._reason = reason

    def doubt(self, epoch: int, reason: str) -> bool:
        """Stop all calls until an immediate probe shows whether a fault concerns every call or just one.

        On True the caller must send the probe and call `probe_result`. False if the circuit is not closed, or was
        closed by a probe after the call was sent.
        """
        if self._state is not CircuitState.CLOSED or epoch != self.epoch:
            return False
        self._state, self._reason = CircuitState.HALF_OPEN, reason
        return True

    def _open(self, reason: str | None) -> None:
        self._state, self._reason = CircuitState.OPEN, reason
        self._probe_at = self._clock() + self._cooldown
