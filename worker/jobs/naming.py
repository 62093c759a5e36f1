"""Has groups named by the model, through the same gate, cap and budget as every other call."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from domain.analysis import CallFailed
from domain.naming import GroupName, Nameless, Namer
from llm.paid_gateway import PaidGateway
from worker.jobs.paid_calls import Meter, PaidCalls

log = structlog.get_logger()

AT_ONCE = 20
"""Groups in one call."""


@dataclass(frozen=True)
class Naming:
    """Asks for names. Where none can be had, a group keeps the name that its words make."""

    calls: PaidCalls

    @property
    def analyzer(self) -> str | None:
        """Whose names they are now; None if nobody can be asked: offline, paused, or out of money."""
        via = self.calls.gateway.current
        is_open = isinstance(via, PaidGateway) and isinstance(via.analyzer, Namer) and via.blocked is None
        return via.analyzer.name if is_open else None

    async def names(self, groups: Sequence[Nameless]) -> tuple[list[GroupName | None], int]:
        """A name for each group that got one, and what it cost in ticks."""
        found: list[GroupName | None] = []
        meter = Meter()
        for first in range(0, len(groups), AT_ONCE):
            some = groups[first : first + AT_ONCE]
            try:
                found += await self._asked(some, meter)
            except CallFailed as fault:
                log.warning("groups_not_named", reason=str(fault))
                found += [None] * len(some)
        return found, meter.ticks

    async def _asked(self, groups: Sequence[Nameless], meter: Meter) -> Sequence[GroupName | None]:
        via = self.calls.gateway.current
        if not isinstance(via, PaidGateway) or not isinstance(via.analyzer, Namer):
            return [None] * len(groups)
        worst = via.analyzer.worst_naming(groups)
        given = await self.calls.made(via, worst, partial(via.name_groups, groups), meter)
        return given.names
