"""The Grafana board: what is checked in is what the code writes, and every panel is whole."""

import json
import re
from itertools import combinations
from typing import Any

import promql_parser as promql
import pytest

from deploy.grafana.board import COLUMNS, FILE, SOURCE, board, written
from tests.support.product import ROOT
from tests.support.promql import without_variables

BOARD = json.loads(FILE.read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
RUNBOOK = (ROOT / "docs" / "OPERATIONS.md").read_text()
UNITS = {"short", "s", "percentunit", "reqps", "ops", "currencyUSD", "decbytes", "bytes"}

Json = dict[str, Any]


def test_the_file_is_what_the_code_writes() -> None:
    """If not: python -m deploy.grafana.board"""
    assert FILE.read_text() == written()
    assert board() == BOARD


def test_ids_and_titles_are_unique() -> None:
    for key in ("id", "title"):
        found = [panel[key] for panel in BOARD["panels"]]
        assert len(found) == len({*found})


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_a_source_that_is_chosen_a_unit_a_description_and_queries(panel: Json) -> None:
    targets = panel["targets"]

    assert panel["datasource"] == SOURCE
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert [target["refId"] for target in targets] == ["A", "B", "C"][: len(targets)]
    for target in targets:
        assert target["datasource"] == SOURCE
        assert promql.parse(without_variables(target["expr"]))
        assert "$instance" in target["expr"]


def test_panels_lie_beside_each_other_within_the_grid() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]

    assert all(place["x"] + place["w"] <= COLUMNS for place in places)
    assert [pair for pair in combinations(places, 2) if _overlap(*pair)] == []


def _overlap(one: Json, other: Json) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not beside and not below


def test_variables_that_queries_use_are_declared() -> None:
    declared = {variable["name"] for variable in BOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(BOARD))) - {"__rate_interval", "__all"}

    assert used == declared


def test_every_panel_that_the_runbook_names_is_there() -> None:
    sentences = re.findall(r"\bpanels? ((?:\"[^\"]+\"(?:,? and |, )?)+)", RUNBOOK.replace("\n", " "))
    quoted = {title for sentence in sentences for title in re.findall(r"\"([^\"]+)\"", sentence)}

    assert len(quoted) > 8
    assert quoted <= {panel["title"] for panel in PANELS}
