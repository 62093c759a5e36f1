"""Writes `insights.json`, the Grafana board: `python -m deploy.grafana.board`.

Plain dictionaries. Grafana's own SDK for Python (`grafana-foundation-sdk`) reaches to Grafana 11.6, leaves the ids of
panels and queries empty, and has to be pinned by hand to a version that pip would not choose; for one board a test
finds as much. Grafana 10 and later read this format, and migrate it when they load it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from deploy.grafana.panels import Panel, Row
from deploy.grafana.rows import ROWS

FILE = Path(__file__).with_name("insights.json")
COLUMNS = 24
"""The width of Grafana's grid."""
SCHEMA_VERSION = 39
"""That of Grafana 10.4 and 11."""
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]


@dataclass
class Grid:
    """Where the next panel goes: from left to right, then on the next line."""

    x: int = 0
    y: int = 0
    height: int = 0

    def place(self, width: int, height: int) -> Json:
        """The position of a panel of that size."""
        if self.x + width > COLUMNS:
            self.end_line()
        found = {"x": self.x, "y": self.y, "w": width, "h": height}
        self.x, self.height = self.x + width, max(self.height, height)
        return found

    def end_line(self) -> None:
        """Go on below everything that is there."""
        self.x, self.y, self.height = 0, self.y + self.height, 0


def board(rows: Sequence[Row] = ROWS) -> Json:
    """The whole board, as Grafana imports it."""
    return {
        "uid": "insights-platform",
        "title": "Insights Platform",
        "description": "Requests, analysis, money, room and the process. docs/OPERATIONS.md says what to do.",
        "tags": ["insights-platform"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "templating": {"list": [_datasource(), _instance()]},
        "annotations": {"list": [_alerts()]},
        "panels": list(_panels(rows)),
    }


def _panels(rows: Sequence[Row]) -> Iterator[Json]:
    grid, ids = Grid(), count(1)
    for row in rows:
        grid.end_line()
        yield {
            "id": next(ids),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": grid.place(COLUMNS, 1),
        }
        for panel in row.panels:
            yield _panel(panel, next(ids), grid)


def _panel(panel: Panel, id_: int, grid: Grid) -> Json:
    width, height = panel.kind.size
    return {
        "id": id_,
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": grid.place(width, height),
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": panel.kind.options,
        "targets": [_target(panel, place) for place in range(len(panel.queries))],
    }


def _defaults(panel: Panel) -> Json:
    found: Json = {"unit": panel.unit, "min": 0, "color": {"mode": panel.kind.color}}
    found["thresholds"] = {"mode": "absolute", "steps": [*_steps(panel)]}
    if panel.meanings:
        options = {str(value): {"text": text} for value, text in panel.meanings.items()}
        found["mappings"] = [{"type": "value", "options": options}]
    return found


def _steps(panel: Panel) -> Iterator[Json]:
    """Green below the first limit, and above it if more is better."""
    good, bad = ("red", "green") if panel.more_is_better else ("green", "red")
    yield {"color": good, "value": None}
    if panel.limit is not None:
        yield {"color": bad, "value": panel.limit}


def _target(panel: Panel, place: int) -> Json:
    legend, query = list(panel.queries.items())[place]
    return {
        "refId": chr(ord("A") + place),
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query,
        "legendFormat": legend,
        "range": True,
    }


def _datasource() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _instance() -> Json:
    return {
        "name": "instance",
        "label": "Process",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": 'label_values(up{job="insights"}, instance)', "refId": "instance"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _alerts() -> Json:
    return {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "expr": 'ALERTS{job="insights", alertstate="firing", instance=~"$instance"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{instance}}",
        "iconColor": "red",
        "step": "30s",
    }


def written() -> str:
    """The text of the file."""
    return json.dumps(board(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(written())
