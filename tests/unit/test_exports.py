"""Insights as CSV and NDJSON, and who gets which."""

import csv
import io
import json
from typing import Any

import pytest
from pyarrow.parquet import read_table

from api.exports import (
    COLUMNS,
    CSV,
    JSON,
    NDJSON,
    PARQUET,
    csv_head,
    csv_lines,
    flat_insight,
    ndjson_lines,
    preferred_form,
)
from api.parquet.answers import field_columns
from api.parquet.child import write_parquet
from api.parquet.columns import columns_of
from domain.fields.filters import KnownField


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),
        ("image/png", JSON),
        ("application/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("text/csv, */*", CSV),
        ("text/*", CSV),
        ("application/x-ndjson", NDJSON),
        ("text/csv;q=0.5, application/x-ndjson", NDJSON),
        ("text/csv;q=0.5, application/json;q=0.4", CSV),
        ("text/csv, application/json", JSON),
        ("text/csv;q=0", JSON),
        ("application/vnd.apache.parquet", PARQUET),
        ("application/vnd.apache.parquet, text/csv;q=0.9", PARQUET),
        ("text/csv;q=0, */*", JSON),
        ("text/csv;q=nonsense", JSON),
        ("text/csv;q=nan", JSON),
    ],
)
def test_the_accept_header_chooses_the_form(accept: str, form: str) -> None:
    assert preferred_form(accept) == form


def a_view(**fields: Any) -> dict[str, Any]:
    return {
        "conversation_id": "conv_1",
        "external_id": None,
        "author": "ann",
        "timestamp": "2025-01-20T10:00:00Z",
        "text": "Where is it?",
        "metadata": {"shop": "north"},
        "redactions": {"email": 1},
        "grok_analysis": {
            "sentiment_score": -0.65,
            "clusters": ["delay", "refund"],
            "confidence": 0.9,
            "reasoning": "It is late.",
        },
        "sentiment": "negative",
        "language": "en",
        "analyzer": "grok",
        "model": "grok-4.3",
        "prompt_version": "1-abc",
        "cached": False,
        "partial": True,
        "analysed_at": "2025-01-20T10:00:05Z",
        **fields,
    }


def read(lines: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_head(COLUMNS, bom=False) + lines, newline="")))


def test_a_csv_line_has_every_field() -> None:
    (row,) = read(csv_lines([a_view()]))

    assert tuple(row) == COLUMNS
    assert row == {
        "conversation_id": "conv_1",
        "external_id": "",
        "author": "ann",
        "timestamp": "2025-01-20T10:00:00Z",
        "text": "Where is it?",
        "text_truncated": "false",
        "sentiment": "negative",
        "sentiment_score": "-0.65",
        "confidence": "0.9",
        "clusters": "delay;refund",
        "reasoning": "It is late.",
        "analyzer": "grok",
        "model": "grok-4.3",
        "cached": "false",
        "partial": "true",
        "analysed_at": "2025-01-20T10:00:05Z",
        "metadata": '{"shop": "north"}',
        "redactions": '{"email": 1}',
        "language": "en",
        "prompt_version": "1-abc",
        "corrected": "false",
        "model_sentiment": "",
        "model_sentiment_score": "",
        "model_clusters": "",
    }


def test_a_corrected_insight_has_what_the_model_says_in_columns_of_its_own() -> None:
    model = {"sentiment": "positive", "sentiment_score": 0.8, "clusters": ["praise", "pricing"]}

    (row,) = read(csv_lines([a_view(correction={"model": model})]))

    assert (row["corrected"], row["model_sentiment"], row["model_sentiment_score"]) == (
        "true",
        "positive",
        "0.8",
    )
    assert row["model_clusters"] == "praise;pricing"


def test_a_score_that_there_is_not_and_a_language_not_known_are_empty_cells() -> None:
    analysis = {"sentiment_score": None, "clusters": ["other_language"], "confidence": 0.0, "reasoning": "?"}

    (row,) = read(csv_lines([a_view(sentiment="unsure", language=None, grok_analysis=analysis)]))

    assert (row["sentiment"], row["sentiment_score"], row["language"]) == ("unsure", "", "")


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_is_quoted_and_numbers_are_not(first: str) -> None:
    (row,) = read(csv_lines([a_view(text=f"{first}SUM(A1)", author=f"{first}x", external_id=f"{first}1")]))

    assert row["text"] == f"'{first}SUM(A1)"
    assert row["author"] == f"'{first}x"
    assert row["external_id"] == f"'{first}1"
    assert float(row["sentiment_score"]) == -0.65


def test_a_line_break_stays_inside_its_cell() -> None:
    rows = read(csv_lines([a_view(text='customer: "late"\nagent: sorry,\r\nbye'), a_view()]))

    assert [row["text"] for row in rows] == ['customer: "late"\nagent: sorry,\r\nbye', "Where is it?"]


def test_a_byte_order_mark_stands_before_the_header_and_only_if_asked_for() -> None:
    assert csv_head(["a", "b"], bom=True) == "\ufeffa,b\r\n"
    assert csv_head(["a", "b"], bom=False) == "a,b\r\n"


def test_ndjson_is_one_object_a_line() -> None:
    views = [a_view(text="two\nlines \u2028 ü"), a_view(text_truncated=True)]

    lines = ndjson_lines(views)

    assert [json.loads(line) for line in lines.split("\n")[:-1]] == views
    assert lines.endswith("\n")


def test_answers_to_fields_are_columns_of_their_own() -> None:
    answers = {"urgency": "high", "refund_amount": 12.5, "damaged": False, "wishes": ["refund", "apology"]}
    views = [a_view(fields=answers, fields_version="abc"), a_view(fields=None), a_view()]
    names = ("urgency", "refund_amount", "damaged", "wishes", "place", "fields_version")
    head = csv_head((*COLUMNS, *names), bom=False)

    found = [*csv.DictReader(io.StringIO(head + csv_lines(views, names), newline=""))]

    assert [found[0][name] for name in names] == ["high", "12.5", "false", "refund;apology", "", "abc"]
    assert {found[at][name] for at in (1, 2) for name in names} == {""}
    assert found[0]["language"] == found[1]["language"]


def test_answers_to_fields_have_types_in_parquet() -> None:
    known = {
        "urgency": KnownField(frozenset({"enum"}), ("high",)),
        "ends_at": KnownField(frozenset({"text"}), ()),
        "refund": KnownField(frozenset({"number"}), ()),
        "damaged": KnownField(frozenset({"boolean"}), ("false", "true")),
        "wishes": KnownField(frozenset({"list"}), ("a", "b")),
        "changed": KnownField(frozenset({"enum", "number"}), ("a",)),
    }
    answers = {
        "urgency": "high",
        "ends_at": "noon",
        "refund": 5,
        "damaged": True,
        "wishes": ["a"],
        "changed": 7,
    }
    rows = [flat_insight(a_view(fields=answers, fields_version="abc")), flat_insight(a_view(fields=None))]
    columns = columns_of(field_columns(known))
    lines = "".join(json.dumps(each) + "\n" for each in (columns, *rows))

    write_parquet(io.BytesIO(lines.encode()), file := io.BytesIO())

    table = read_table(io.BytesIO(file.getvalue()))
    kinds = ["string", "string", "double", "bool", "list<element: string>", "string", "string"]
    assert [str(each.type) for each in table.schema] == kinds
    assert table.to_pylist() == [
        {**answers, "changed": "7", "fields_version": "abc"},
        dict.fromkeys((*answers, "fields_version")),
    ]
    assert field_columns({}) == {}
