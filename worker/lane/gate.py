"""Whether batches at the provider take anything, and how long what they do may take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from core.clock import SECOND
from domain.analysis import CallFailed
from models import DAY, LATER

log = structlog.get_logger()

HOUR = 3_600 * SECOND
KEPT = 30 * 24 * HOUR
"""For how long the provider keeps what it was sent."""
CLOSED_FOR = HOUR
"""How long no batch is begun after the provider has refused one for a reason that the next one would have too."""
HALF_USED = "half of DAILY_BUDGET_USD is spent or reserved"
LOOKING = 5 * SECOND
"""How long it is still said that there is no money while a look whether there is some may be under way."""


class LaneTimes(NamedTuple):
    """How long things take, in microseconds."""

    deadline: int
    """After which a batch is cancelled."""
    spills: int
    """How long before its own deadline a conversation is not taken any more."""
    fill: int
    """For how long a batch that is not full waits for more."""
    first_look: int
    longest_look: int
    """The shortest and the longest time between two looks at a batch."""
    settling: int
    """For how long the counters of a cancelled batch must not change."""

    @property
    def hold(self) -> int:
        """How long after the deadline a batch that is looked after needs to settle or free its conversations."""
        return 4 * self.settling + self.longest_look

    @property
    def late(self) -> int:
        """For how long answers are looked for that nobody waits for, because they are paid for."""
        return 10 * self.settling


def lane_times(hours: float) -> LaneTimes:
    """Of a lane whose batches have so many hours."""
    whole = round(hours * HOUR)
    return LaneTimes(
        deadline=whole,
        spills=whole // 4,
        fill=min(15 * SECOND, whole // 200),
        first_look=min(5 * SECOND, whole // 100),
        longest_look=min(60 * SECOND, whole // 20),
        settling=min(30 * SECOND, whole // 10),
    )


@dataclass
class LaneGate:
    """Whether batches are begun. `refusal` says why never; None if they may be."""

    clock: Callable[[], int]
    refusal: str | None = None
    _closed_until: int = field(default=0, init=False)
    _why: str = field(default="", init=False)
    _short_until: int = field(default=0, init=False)

    @property
    def reason(self) -> str | None:
        """Why what can wait goes live instead; None if it waits for batches."""
        if self.refusal is not None:
            return self.refusal
        return self._why if self.clock() < self._closed_until else None

    @property
    def is_open(self) -> bool:
        """Whether what can wait waits for batches."""
        return self.reason is None

    @property
    def standstill(self) -> str | None:
        """Why no batch is begun now, be it only that all wait for money; None if they are."""
        is_short = self.clock() < self._short_until + LOOKING
        return HALF_USED if self.reason is None and is_short else self.reason

    @property
    def tried_again_at(self) -> int | None:
        """When a batch is tried again, UTC microseconds; None if they are begun, or never are."""
        if self.refusal is not None or self.standstill is None:
            return None
        return max(self.clock(), self._closed_until, self._short_until)

    def wait_for_money(self, until: int) -> None:
        """No batch is begun until then, because a day's half has no money for one; 0 if there is some."""
        self._short_until = until

    def close(self, fault: CallFailed) -> None:
        """Begin no batch for a while."""
        self._closed_until, self._why = self.clock() + CLOSED_FOR, str(fault)
        log.warning("batch_lane_closed", reason=self._why, seconds=CLOSED_FOR // SECOND)

    def goes_live(self) -> Sequence[str]:
        """The freshness of the conversations that can wait and go live now."""
        return (LATER,) if self.is_open else (LATER, DAY)

    def goes_live_again(self) -> Sequence[str | None]:
        """The same of those that are analysed again."""
        return (None,) if self.is_open else (None, DAY)
