"""The circuit breaker: stops calls to a provider that fails, until a probe succeeds. Policy only."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from core.changes import Changing

LONG_DOUBT = 1.0
"""Seconds after which a doubt is as good as an open circuit to whoever waits for an analysis."""


class CircuitState(StrEnum):
    """Closed: calls start. Open: no call starts. Half-open: one probe is in flight."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Circuit:
    """What a breaker knows. Times in seconds of its clock."""

    state: CircuitState = CircuitState.CLOSED
    reason: str | None = None
    faults: int = 0
    """In a row, while it is closed."""
    closings: int = 0
    """How often it has closed."""
    probes: int = 0
    """How many probes were begun: the number of the newest."""
    probe_at: float = 0.0
    """When a probe may start; while one is in flight, when that counts as lost."""
    doubted_at: float | None = None


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
        probe_lease: float = math.inf,
    ) -> None:
        """`changing` gives the block in which its state or reason changes.

        A probe that takes longer than `probe_lease` seconds without being extended is lost with its process.
        """
        self._changing = changing
        self._threshold = threshold
        self._cooldown = cooldown
        self._clock = clock
        self._probe_lease = probe_lease
        self.circuit = Circuit()
        """What it knows. Other processes may know better, see `adopt`."""

    @property
    def state(self) -> CircuitState:
        """The state. It stays open until a probe starts, even after the cooldown."""
        return self.circuit.state

    @property
    def reason(self) -> str | None:
        """Why the circuit is not closed."""
        return self.circuit.reason

    @property
    def epoch(self) -> int:
        """How often the circuit has closed. A call notes it when it is sent and passes it to its report."""
        return self.circuit.closings

    @property
    def probe(self) -> int:
        """The number of the newest probe."""
        return self.circuit.probes

    def opens_for(self) -> float:
        """Seconds until a probe may start; 0 if it may start now, is in flight, or is not needed."""
        is_open = self.state is CircuitState.OPEN
        return max(0.0, self.circuit.probe_at - self._clock()) if is_open else 0.0

    @property
    def is_in_doubt(self) -> bool:
        """Whether a probe is still to show if there is anything to tell; for a second at most."""
        at = self.circuit.doubted_at
        return at is not None and self._clock() - at < LONG_DOUBT

    @property
    def is_probe_due(self) -> bool:
        """Whether a probe may start now."""
        return self.state is not CircuitState.CLOSED and self._clock() >= self.circuit.probe_at

    def may_call(self) -> bool:
        """Whether an ordinary call (not a probe) may start."""
        return self.state is CircuitState.CLOSED

    def may_probe(self) -> bool:
        """Whether the caller should send this cooldown's one probe. On True it must call `probe_result` later."""
        if not self.is_probe_due:
            return False
        self._begin_probe(self.reason)
        return True

    def extend_probe(self) -> None:
        """Note that the probe in flight is not lost."""
        if self.state is CircuitState.HALF_OPEN:
            self._turn(probe_at=self._clock() + self._probe_lease)

    def probe_result(self, ok: bool, reason: str | None = None, probe: int | None = None) -> None:
        """End the probe: close the circuit, or keep it open for another cooldown, with a new reason if given.

        The result of a `probe` that was lost and followed by another is ignored. Without that number, it raises
        RuntimeError if no probe is in flight.
        """
        if probe is not None and (probe != self.probe or self.state is not CircuitState.HALF_OPEN):
            return
        if self.state is not CircuitState.HALF_OPEN:
            raise RuntimeError("no probe is in flight")
        if ok:
            self._turn(
                state=CircuitState.CLOSED, reason=None, faults=0, closings=self.epoch + 1, doubted_at=None
            )
        else:
            self._open(reason or self.reason)

    def success(self, epoch: int) -> None:
        """Report a successful call; it resets the count of faults."""
        if epoch == self.epoch:
            self.circuit = replace(self.circuit, faults=0)

    def fault(self, epoch: int, reason: str = "calls fail") -> None:
        """Report a provider fault (5xx, time-out, refused connection)."""
        if self.state is not CircuitState.CLOSED or epoch != self.epoch:
            return
        self.circuit = replace(self.circuit, faults=self.circuit.faults + 1)
        if self.circuit.faults >= self._threshold:
            self._open(reason)

    def deny(self, epoch: int, reason: str) -> None:
        """Report that the key, credit, permission or model was refused: more calls would fail the same way."""
        if epoch != self.epoch:
            return
        if self.state is CircuitState.CLOSED:
            self._open(reason)
        else:
            self._turn(reason=reason)

    def doubt(self, epoch: int, reason: str) -> bool:
        """Stop all calls until an immediate probe shows whether a fault concerns every call or just one.

        On True the caller must send the probe and call `probe_result`. False if the circuit is not closed, or was
        closed by a probe after the call was sent.
        """
        if self.state is not CircuitState.CLOSED or epoch != self.epoch:
            return False
        self._begin_probe(reason, doubted_at=self._clock())
        return True

    def adopt(self, circuit: Circuit) -> None:
        """Know from now on what another process knows."""
        if (circuit.state, circuit.reason) == (self.state, self.reason):
            self.circuit = circuit
            return
        with self._changing():
            self.circuit = circuit

    def _begin_probe(self, reason: str | None, doubted_at: float | None = None) -> None:
        lost_at = self._clock() + self._probe_lease
        number = self.probe + 1
        self._turn(
            state=CircuitState.HALF_OPEN,
            reason=reason,
            probes=number,
            probe_at=lost_at,
            doubted_at=doubted_at,
        )

    def _open(self, reason: str | None) -> None:
        again = self._clock() + self._cooldown
        self._turn(state=CircuitState.OPEN, reason=reason, probe_at=again, doubted_at=None)

    def _turn(self, **changed: Any) -> None:
        self.adopt(replace(self.circuit, **changed))
