"""Alert rules and the Grafana board name only metrics, labels and values that the running service exposes."""

import asyncio
import json
from collections import defaultdict
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.middleware import METHODS
from benchmarks.support.databases import sqlite
from benchmarks.support.process import POSTS
from core.settings import Settings
from deploy.grafana.board import FILE
from main import create_app
from tests.support.promql import Labels, alert_rules, unknown, without_variables
from tests.support.service import running

STATUSES = {str(status) for status in range(200, 600)}
PANELS = json.loads(FILE.read_text())["panels"]
QUERIES = {
    f"{panel['title']}, {target['refId']}": without_variables(target["expr"])
    for panel in PANELS
    for target in panel.get("targets", ())
}
ALERTS = {rule["alert"]: rule["expr"] for rule in alert_rules()}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Labels]:
    """Every metric of a service that has done something, with its labels and their values."""
    text = asyncio.run(_metrics(tmp_path_factory.mktemp("exposed")))
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            _ = found[sample.name]
            for label, value in sample.labels.items():
                found[sample.name][label].add(value)
    routes = {*create_app(Settings.model_construct()).openapi()["paths"]}
    for name, labels in found.items():
        if name.startswith("http_request_duration_seconds"):
            labels |= {"route": routes, "status": STATUSES, "method": {*METHODS}}
    return {name: dict(labels) for name, labels in found.items()}


async def _metrics(folder: Path) -> str:
    async with running(sqlite(folder)) as service:
        await service.ended(await service.post("My parcel is three days late and nobody answers"))
        await service.get(POSTS)
        return (await service.http.get("/metrics")).text


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_names_only_what_there_is(name: str, exposed: dict[str, Labels]) -> None:
    assert unknown(ALERTS[name], exposed) == []


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_of_the_board_names_only_what_there_is(name: str, exposed: dict[str, Labels]) -> None:
    assert unknown(QUERIES[name], exposed) == []
