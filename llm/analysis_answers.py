"""The answer of an analysis call: parses its rows, matches them to the texts and validates each one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from domain.analysis import Invalid, Row
from domain.fields.fieldsets import NO_FIELDS, FieldSet
from domain.row_validation import validate_row
from llm.content import json_in
from llm.prompts import row_ids


def parse_rows(content: str, count: int, fields: FieldSet = NO_FIELDS) -> tuple[list[Row], int]:
    """Return one row for each of the ids "1" to `count`, in that order, and how many rows had other ids.

    Raises ValueError if the content is not the JSON document that the prompt asks for.
    """
    try:
        return _matched(_results(json_in(content, "results")), count, fields)
    except RecursionError as error:  # of a row that is written out again
        raise ValueError("the answer is nested too deeply") from error


def _results(document: object) -> list[object]:
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, list):
        raise ValueError("the answer must be an object with a list of results")
    return results


def _matched(results: Sequence[object], count: int, fields: FieldSet) -> tuple[list[Row], int]:
    by_id: defaultdict[str, list[Mapping[str, object]]] = defaultdict(list)
    for row in results:
        by_id[_id_of(row)].append(row if isinstance(row, dict) else {})
    rows = [_validated(by_id.pop(id_, []), fields) for id_ in row_ids(count)]
    return rows, sum(len(ignored) for ignored in by_id.values())


def _id_of(row: object) -> str:
    """The row's id as a string; empty if it is neither a string nor an integer."""
    value = row.get("conversation_id") if isinstance(row, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _validated(candidates: Sequence[Mapping[str, object]], fields: FieldSet) -> Row:
    """Validate the rows that the answer has for one id."""
    if not candidates:
        return Invalid("no row in the answer")
    first, *others = candidates
    if any(_values(other) != _values(first) for other in others):
        return Invalid("two different rows for the same id")
    return validate_row(first, fields)


def _values(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "conversation_id"}
