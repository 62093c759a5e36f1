"""Exports: content negotiation, and the lines of CSV and NDJSON."""

import csv
import io
import json
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Any

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
PARQUET = "application/vnd.apache.parquet"
FORMS = (JSON, NDJSON, CSV, PARQUET)
BOM = "\ufeff"
"""Without it Excel takes the UTF-8 of a CSV for the code page of the machine."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Characters that begin a formula in a spreadsheet."""

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
    "redactions",
    "language",
    "prompt_version",
    "corrected",
    "model_sentiment",
    "model_sentiment_score",
    "model_clusters",
)

FIELDS_VERSION = "fields_version"
View = Mapping[str, Any]
Lines = AsyncGenerator[str, None]
Pieces = Lines | AsyncGenerator[bytes, None]
"""A download, piece by piece."""


def preferred_form(accept: str) -> str:
    """The media type that an `Accept` header prefers; JSON if it names none of ours, or accepts any."""
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
    """The quality value of a media type, and how specifically it was named, which breaks ties."""
    by_specificity = {form: 2, form.partition("/")[0] + "/*": 1, "*/*": 0}
    found = [(by_specificity[name], quality) for name, quality in ranges if name in by_specificity]
    specificity, quality = max(found, default=(-1, 0.0))
    return (quality, specificity) if quality > 0 else (0.0, -1)


def csv_head(columns: Iterable[str], *, bom: bool) -> str:
    """The header line of a CSV, after a byte order mark if there is to be one."""
    return BOM * bom + _csv([columns])


def csv_lines(views: Iterable[View], fields: Sequence[str] = ()) -> str:
    """One CSV line per insight, its answers to `fields` last; what a spreadsheet would run is prefixed with `'`."""
    return csv_rows((*_values(view), *_answers(view, fields)) for view in views)


def csv_rows(rows: Iterable[Iterable[object]]) -> str:
    """CSV lines of these cells, made safe for spreadsheets."""
    return _csv([_cell(value) for value in row] for row in rows)


def ndjson_lines(views: Iterable[View]) -> str:
    """One JSON object per line."""
    return "".join(json.dumps(view, ensure_ascii=False, separators=(",", ":")) + "\n" for view in views)


def _csv(rows: Iterable[Iterable[object]]) -> str:
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    return lines.getvalue()


def _answers(view: View, fields: Sequence[str]) -> Iterator[object]:
    answers = view.get("fields") or {}
    for name in fields:
        value = view.get(name) if name == FIELDS_VERSION else answers.get(name)
        yield ";".join(value) if isinstance(value, list) else value


def flat_insight(view: View) -> dict[str, Any]:
    """An insight as a row: its analysis and its answers to fields beside the rest, and what a correction says."""
    correction = view.get("correction")
    model = {} if correction is None else correction["model"]
    beside = {f"model_{name}": model.get(name) for name in ("sentiment", "sentiment_score", "clusters")}
    answers = view.get("fields") or {}
    row = {**answers, **view, **view["grok_analysis"], "corrected": correction is not None, **beside}
    del row["grok_analysis"]
    return row


def _values(view: View) -> Iterator[object]:
    flat = flat_insight(view)
    row = {
        "text_truncated": False,
        **flat,
        **{name: ";".join(flat[name] or ()) for name in ("clusters", "model_clusters")},
        "metadata": json.dumps(view["metadata"], ensure_ascii=False),
        "redactions": json.dumps(view["redactions"]),
    }
    return (row[name] for name in COLUMNS)


def _cell(value: object) -> object:
    match value:
        case bool():
            return str(value).lower()
        case str() if value.startswith(FORMULA):
            return "'" + value
        case _:
            return value
