"""Lists as Parquet: types, values and pieces."""

import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from pydantic import BaseModel

from api.exports import ndjson_lines
from api.parquet.child import GROUP_BYTES, TIME, write_parquet
from api.parquet.columns import columns_of
from schemas import CaseOut, ComparedTopicOut, FacetOut, PersonItem, TopicOut

STRINGS = pa.list_(pa.string())


class Part(BaseModel):
    id: str
    roles: list[str]


class Line(BaseModel):
    id: str
    score: float | None
    count: int
    is_whole: bool = False
    analysed_at: str | None
    topics: list[str]
    participants: list[Part]
    metadata: dict[str, Any]


def read(file: bytes) -> pa.Table:
    return parquet.ParquetFile(BytesIO(file)).read()


def written(rows: list[dict[str, Any]], model: type[BaseModel] = Line) -> bytes:
    columns = json.dumps(columns_of(model.model_fields)) + "\n"
    file = BytesIO()
    write_parquet(BytesIO((columns + ndjson_lines(rows)).encode()), file)
    return file.getvalue()


def a_line(**fields: Any) -> dict[str, Any]:
    return {
        "id": "conv_1",
        "score": -0.65,
        "count": 3,
        "is_whole": True,
        "analysed_at": "2025-01-20T10:00:05.000001Z",
        "topics": ["delay", "refund"],
        "participants": [{"id": "ann", "roles": ["customer"]}],
        "metadata": {"shop": ["ü"]},
        **fields,
    }


def test_each_field_has_the_type_of_its_model() -> None:
    assert {field.name: field.type for field in read(written([])).schema} == {
        "id": pa.string(),
        "score": pa.float64(),
        "count": pa.int64(),
        "is_whole": pa.bool_(),
        "analysed_at": TIME,
        "topics": STRINGS,
        "participants": pa.list_(pa.struct([("id", pa.string()), ("roles", STRINGS)])),
        "metadata": pa.string(),
    }


def test_values_are_those_of_the_list() -> None:
    (row,) = read(written([a_line()])).to_pylist()

    at = datetime(2025, 1, 20, 10, 0, 5, 1, tzinfo=UTC)
    assert row == a_line(analysed_at=at, metadata='{"shop": ["ü"]}')


def test_null_stays_null_and_a_field_left_out_has_its_default() -> None:
    line = a_line(score=None, analysed_at=None, topics=[], participants=[])
    del line["is_whole"]

    (row,) = read(written([line])).to_pylist()

    empty = ("score", "analysed_at", "topics", "participants", "is_whole")
    assert [row[name] for name in empty] == [None, None, [], [], False]


@given(
    st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.integers(-(2**63), 2**63 - 1)), max_size=9)
)
def test_rows_stay_as_they_are_and_in_order(rows: list[tuple[str, int]]) -> None:
    file = written([a_line(id=name, count=count) for name, count in rows])

    found = read(file).select(["id", "count"]).to_pylist()
    assert [(row["id"], row["count"]) for row in found] == rows


def test_a_row_group_is_written_when_it_is_full() -> None:
    file = written([a_line(id="x" * (GROUP_BYTES // 4_000))] * 10_000)

    groups = parquet.ParquetFile(BytesIO(file)).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [4_000, 4_000, 2_000]


def test_every_list_that_is_a_file_has_columns_of_its_own() -> None:
    types = {
        model: {field.name: field.type for field in read(written([], model)).schema}
        for model in (CaseOut, ComparedTopicOut, FacetOut, PersonItem, TopicOut)
    }

    assert types[FacetOut] == {"value": pa.string(), "count": pa.int64()}
    assert types[PersonItem]["last_seen"] == TIME
    assert types[PersonItem]["mean"] == pa.float64()
    assert types[TopicOut]["aliases"] == STRINGS
    assert types[ComparedTopicOut]["sparkline"] == pa.list_(pa.int64())
    assert types[ComparedTopicOut]["previous"].get_field_index("share") >= 0
    assert types[CaseOut]["has_open_questions"] == pa.bool_()
    assert types[CaseOut]["sentiment"] == pa.string()


def test_metadata_is_json_that_reads_back() -> None:
    given_ = {"n": 1.5, "deep": {"list": [None, True, "ü"]}}

    (row,) = read(written([a_line(metadata=given_)])).to_pylist()

    assert json.loads(row["metadata"]) == given_
