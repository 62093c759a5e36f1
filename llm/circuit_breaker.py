"""The circuit: whether calls may start at all, and what decides that they may again. Policy only."""

import time
from collections.abc import Callable
from enum import StrEnum


class CircuitState(StrEnum):
    """Closed: calls start. Open: none does. Half-open: one probe is under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Opens after `threshold` faults in a row, or at once where calling on makes no sense.

    While it is open no call starts. When `cooldown` seconds have passed, one probe may: its success closes
    the circuit, its failure opens it for another cooldown. A 429 is no fault and no success: report neither.

    A call reports the `epoch` in which it left. What comes in from calls that left before the circuit last
    closed is old news: the probe has been answered since.
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
        """Open until a probe starts, however long ago the cooldown ended."""
        return self._state

    @property
    def reason(self) -> str | None:
        """Why it is not closed."""
        return self._reason

    @property
    def epoch(self) -> int:
        """What a call takes along when it leaves, and reports with how it ended."""
        return self._closings

    def opens_for(self) -> float:
        """Seconds until a probe may start; 0 where it may now, is under way, or none is needed."""
        return max(0.0, self._probe_at - self._clock()) if self._state is CircuitState.OPEN else 0.0

    def may_call(self) -> bool:
        """Whether a call that is no probe may start."""
        return self._state is CircuitState.CLOSED

    def may_probe(self) -> bool:
        """Whether the caller is to send this cooldown's one probe; True obliges it to `probe_result`."""
        if self._state is not CircuitState.OPEN or self.opens_for() > 0:
            return False
        self._state = CircuitState.HALF_OPEN
        return True

    def probe_result(self, ok: bool, reason: str | None = None) -> None:
        """End the probe: close the circuit, or keep it open for another cooldown (and for a new reason).

        Raises RuntimeError where no probe is under way.
        """
        if self._state is not CircuitState.HALF_OPEN:
            raise RuntimeError("no probe is under way")
        if ok:
            self._state, self._reason, self._faults = CircuitState.CLOSED, None, 0
            self._closings += 1
        else:
            self._open(reason or self._reason)

    def success(self, epoch: int) -> None:
        """A call came back well: the faults before it count no longer."""
        if epoch == self.epoch:
            self._faults = 0

    def fault(self, epoch: int, reason: str = "calls fail") -> None:
        """A call failed by nobody's fault (5xx, time-out, refused connection)."""
        if self._state is not CircuitState.CLOSED or epoch != self.epoch:
            return
        self._faults += 1
        if self._faults >= self._threshold:
            self._open(reason)

    def deny(self, epoch: int, reason: str) -> None:
        """Key, credit, permission or model was refused: calling on makes no sense."""
        if epoch != self.epoch:
            return
        if self._state is CircuitState.CLOSED:
            self._open(reason)
        else:
            self._reason = reason

    def doubt(self, epoch: int, reason: str) -> bool:
        """Hold all calls until a probe that leaves at once has told whether one fault was everybody's.

        True obliges the caller to send it and to `probe_result`; False where the circuit is not closed, or was
        closed by a probe since the call left.
        """
        if self._state is not CircuitState.CLOSED or epoch != self.epoch:
            return False
        self._state, self._reason = CircuitState.HALF_OPEN, reason
        return True

    def _open(self, reason: str | None) -> None:
        self._state, self._reason = CircuitState.OPEN, reason
        self._probe_at = self._clock() + self._cooldown
