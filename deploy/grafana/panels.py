"""What a panel of the Grafana board is, and the queries that most of them are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

FROM = '{job="insights", instance=~"$instance"}'
"""The processes that are chosen at the top of the board."""


class Kind(Enum):
    """The sort of a panel, by Grafana's name."""

    STAT = "stat"
    LINES = "timeseries"
    STATES = "state-timeline"

    @property
    def size(self) -> tuple[int, int]:
        """Width, of the grid's 24 columns, and height."""
        return {Kind.STAT: (4, 4), Kind.LINES: (8, 8), Kind.STATES: (24, 8)}[self]

    @property
    def options(self) -> dict[str, Any]:
        """Grafana's options of such a panel, where its defaults do not fit."""
        found: dict[Kind, dict[str, Any]] = {
            Kind.STAT: {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area"},
            Kind.LINES: {
                "legend": {"displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi"},
            },
            Kind.STATES: {"mergeValues": True, "showValue": "never"},
        }
        return found[self]

    @property
    def color(self) -> str:
        """How it chooses its colours."""
        return "palette-classic" if self is Kind.LINES else "thresholds"


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel. `queries` are expressions by their legends; `unit` is one of Grafana's.

    `limit` is where green ends, or where it begins if more is better; `meanings` are words for values.
    """

    title: str
    description: str
    unit: str
    queries: Mapping[str, str]
    kind: Kind = Kind.LINES
    limit: float | None = None
    more_is_better: bool = False
    meanings: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Row:
    """Panels with a title above them."""

    title: str
    panels: Sequence[Panel]


def only(**labels: str) -> str:
    """The chosen processes, and of their series those whose labels match these regular expressions."""
    return FROM[:-1] + "".join(f', {name}=~"{value}"' for name, value in labels.items()) + "}"


def rate(name: str, by: str, chosen: str = FROM) -> str:
    """A counter a second, by a label."""
    return f"sum by ({by}) (rate({name}{chosen}[$__rate_interval]))"


def quantiles(histogram: str, *percents: int, chosen: str = FROM) -> dict[str, str]:
    """A line for each of these percentiles of a histogram."""
    return {f"p{percent}": quantile(histogram, percent, "le", chosen) for percent in percents}


def quantile(histogram: str, percent: int, by: str, chosen: str = FROM) -> str:
    """A percentile of a histogram, by labels, of which `le` is one."""
    return f"histogram_quantile({percent / 100}, {rate(f'{histogram}_bucket', by, chosen)})"
