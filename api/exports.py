"""Insights in other forms than JSON: which one is wanted, and the lines of it."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
FORMS = (JSON, NDJSON, CSV)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""

COLUMNS = (
    "conversation_id",
    "external_id",
    "author",
    "timestamp",
    "text",
    "text_truncated",
    "sentiment",
    "sentiment_score",
    "confidence",
    "clusters",
    "reasoning",
    "analyzer",
    "model",
    "cached",
    "partial",
    "analysed_at",
    "metadata",
)

View = Mapping[str, Any]


def wanted(accept: str) -> str:
    """The form that an `Accept` header asks for; JSON where it asks for none of them, or for any."""
    ranges = list(_ranges(accept))
    return max(FORMS, key=lambda form: (*_quality(form, ranges), form == JSON))


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        given = [parameter.removeprefix("q=") for parameter in parameters if parameter.startswith("q=")]
        yield name, _number(given[0]) if given else 1.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _quality(form: str, ranges: Iterable[tuple[str, float]]) -> tuple[float, int]:
    """How much it is wanted and, of what is wanted equally, how plainly it was named."""
    by_plainness = {form: 2, form.partition("/")[0] + "/*": 1, "*/*": 0}
    found = [(by_plainness[name], quality) for name, quality in ranges if name in by_plainness]
    plainness, quality = max(found, default=(-1, 0.0))
    return (quality, plainness) if quality > 0 else (0.0, -1)


def csv_header() -> str:
    """The first line."""
    return _csv([COLUMNS])


def csv_lines(views: Iterable[View]) -> str:
    """A line for each insight; text that a spreadsheet would run as a formula begins with `'`."""
    return _csv([_cell(value) for value in _values(view)] for view in views)


def ndjson_lines(views: Iterable[View]) -> str:
    """A JSON object a line."""
    return "".join(json.dumps(view, ensure_ascii=False, separators=(",", ":")) + "\n" for view in views)


def _csv(rows: Iterable[Iterable[object]]) -> str:
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    return lines.getvalue()


def _values(view: View) -> Iterator[object]:
    analysis = view["grok_analysis"]
    flat = {
        "text_truncated": False,
        **view,
        **analysis,
        "clusters": " ".join(analysis["clusters"]),
        "metadata": json.dumps(view["metadata"], ensure_ascii=False),
    }
    return (flat[name] for name in COLUMNS)


def _cell(value: object) -> object:
    match value:
        case bool():
            return str(value).lower()
        case str() if value.startswith(FORMULA):
            return "'" + value
        case _:
            return value
