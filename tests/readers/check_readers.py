"""A Parquet file of insights read by pandas, polars and duckdb: the types, and each value against NDJSON.

    .venv-readers/bin/python tests/readers/check_readers.py insights.parquet insights.ndjson

Both files are of the same window (`Accept`, or the client's `save_insights`). It prints what each reader found and
fails at the first difference. The venv is one of its own, because polars and duckdb have 200 MB and the suite needs
neither; what the suite holds is that pyarrow reads the values of NDJSON.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

Row = dict[str, Any]
TIMES, OBJECTS = ("timestamp", "analysed_at"), ("metadata", "redactions")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")


def expected(line: str) -> Row:
    """A line of NDJSON as a row has it."""
    row = json.loads(line)
    analysis, correction = row.pop("grok_analysis"), row.pop("correction")
    model = {} if correction is None else correction["model"]
    beside = {f"model_{name}": model.get(name) for name in ("sentiment", "sentiment_score", "clusters")}
    row |= {name: moment(row[name]) for name in TIMES} | {"corrected": correction is not None}
    return {"text_truncated": False, **row, **analysis, **beside}


def moment(value: Any) -> int:
    """Microseconds since 1970, of whatever a reader has for a time."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert at.utcoffset() == timedelta(), f"{value!r} is not in UTC"
    return (at - EPOCH) // timedelta(microseconds=1)


def plain(row: Row) -> Row:
    """A reader's row in Python's own types."""
    row = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in row.items()}
    row["participants"] = [{**each, "roles": [*each["roles"]]} for each in row["participants"]]
    row |= {name: moment(row[name]) for name in TIMES} | {name: json.loads(row[name]) for name in OBJECTS}
    # pandas has NaN for a number that there is not.
    return {name: None if value != value or value is pd.NaT else value for name, value in row.items()}


def of_pandas(path: str) -> Iterator[Row]:
    for at, group in enumerate(groups(path)):
        frame = group.to_pandas()
        if at == 0:
            kinds = frame.dtypes.astype(str)
            say("pandas:", dict(kinds))
            assert kinds["timestamp"] == kinds["analysed_at"] == "datetime64[us, UTC]"
            assert kinds["sentiment_score"] == kinds["confidence"] == "float64"
            assert kinds["cached"] == "bool"
        yield from frame.to_dict("records")


def groups(path: str) -> Iterator[Any]:
    file = pq.ParquetFile(path)
    yield from map(file.read_row_group, range(file.num_row_groups))


def of_polars(path: str) -> Iterator[Row]:
    schema = pl.read_parquet_schema(path)
    say("polars:", schema)
    assert schema["timestamp"] == schema["analysed_at"] == pl.Datetime("us", "UTC")
    assert schema["clusters"] == pl.List(pl.String)
    assert schema["sentiment_score"] == pl.Float64
    yield from pl.read_parquet(path).iter_rows(named=True)


def of_duckdb(path: str) -> Iterator[Row]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    described = "SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet(?))"
    kinds = dict(connection.execute(described, [path]).fetchall())
    say("duckdb:", kinds)
    assert kinds["timestamp"] == kinds["analysed_at"] == "TIMESTAMP WITH TIME ZONE"
    assert kinds["clusters"] == "VARCHAR[]"
    assert kinds["sentiment_score"] == "DOUBLE"
    found = connection.execute("FROM read_parquet(?)", [path])
    names = [column[0] for column in found.description]
    while rows := found.fetchmany(10_000):
        yield from (dict(zip(names, row, strict=True)) for row in rows)


def check(read: Callable[[str], Iterator[Row]], rows: str, lines: str) -> None:
    """Raises AssertionError at the first row that differs."""
    start, n = time.perf_counter(), 0
    with open(lines, encoding="utf-8") as file:
        for n, (row, line) in enumerate(zip_longest(read(rows), file), 1):
            assert row is not None, f"{read.__name__}: row {n} is missing"
            assert line is not None, f"{read.__name__}: row {n} is one too many"
            found, wanted = plain(row), expected(line)
            assert found == wanted, f"{read.__name__}: row {n} differs\n{found}\n{wanted}"
    say(f"{read.__name__}: {n:,} rows equal, {time.perf_counter() - start:.0f} s\n")


if __name__ == "__main__":
    for reader in (of_pandas, of_polars, of_duckdb):
        check(reader, *sys.argv[1:])
