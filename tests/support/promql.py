"""What a PromQL expression names, held against what a service exposes."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser as promql
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
SCRAPE = ROOT / "deploy" / "prometheus" / "prometheus.yml"

ADDED = {"job", "instance"}
"""Labels that Prometheus gives to every series."""
OWN = {"up": ADDED, "ALERTS": ADDED | {"alertname", "alertstate", "severity"}}
"""Series that Prometheus makes itself, with their labels."""

Labels = Mapping[str, Set[str]]
"""Label names, each with the values that it may have."""


class Named(NamedTuple):
    """A metric as an expression names it."""

    metric: str
    matchers: Sequence[promql.Matcher]


def alert_rules() -> list[dict[str, Any]]:
    """Every rule of every group of the file."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def without_variables(expression: str) -> str:
    """A query of the board as Prometheus gets it: Grafana puts its variables' values in."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*")


def named(expression: str) -> list[Named]:
    """The metrics of an expression. Raises ValueError if it does not parse."""
    return [
        Named(part.name or "", part.matchers.matchers)
        for part in _parts(expression)
        if isinstance(part, promql.VectorSelector)
    ]


def grouped_by(expression: str) -> set[str]:
    """The labels that an expression groups or joins by."""
    kept: set[str] = set()
    for part in _parts(expression):
        if isinstance(part, promql.AggregateExpr) and part.modifier is not None:
            kept |= {*part.modifier.labels}
        if isinstance(part, promql.BinaryExpr) and part.modifier and part.modifier.matching:
            kept |= {*part.modifier.matching.labels}
    return kept


def _parts(expression: str) -> list[promql.Expr]:
    found: list[promql.Expr] = []
    promql.walk(promql.parse(expression), lambda part: found.append(part))
    return found


def unknown(expression: str, exposed: Mapping[str, Labels]) -> list[str]:
    """What an expression names that is not there: metrics, labels, and values that no label has."""
    metrics = named(expression)
    labels = {label for each in metrics for label in _labels_of(each.metric, exposed)}
    strange = [f"grouped by {label}" for label in sorted(grouped_by(expression) - labels)]
    return [*strange, *(complaint for each in metrics for complaint in _complaints(each, exposed))]


def _labels_of(metric: str, exposed: Mapping[str, Labels]) -> set[str]:
    return OWN[metric] if metric in OWN else {*exposed.get(metric, ()), *ADDED}


def _complaints(each: Named, exposed: Mapping[str, Labels]) -> Iterator[str]:
    if each.metric not in exposed and each.metric not in OWN:
        yield f"no metric {each.metric}"
        return
    for matcher in each.matchers:
        if matcher.name not in _labels_of(each.metric, exposed):
            yield f"{each.metric} has no label {matcher.name}"
        elif (values := exposed.get(each.metric, {}).get(matcher.name)) is not None:
            wanted = _alternatives(matcher.value)
            yield from (f"no {matcher.name} {one}" for one in wanted if not _is_there(one, values))


def _alternatives(pattern: str) -> list[str]:
    """The sides of every `|` that stands in no parentheses."""
    return re.split(r"\|(?![^(]*\))", pattern)


def _is_there(pattern: str, values: Set[str]) -> bool:
    return any(re.fullmatch(pattern, value) for value in values)
