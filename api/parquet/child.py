"""The child process that turns NDJSON into Parquet, `python -m api.parquet.child`; `files` starts it.

Its first line of input names the columns, and each other one is a row. Rows leave in row groups, and the file ends with
the input. pyarrow needs 63 MB before the first row; in the service a file of a million insights left 160 MB behind.
"""

import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

Row = Mapping[str, Any]
NICENESS = 10
"""Intake keeps the CPU."""
AT_ONCE = 1_000
"""Rows that are converted together."""
GROUP_BYTES = 2 * 2**20
"""Of the columns that a row group is written from, before compression; with 16 MB files took 60 MB more."""
TIME = pa.timestamp("us", tz="UTC")
PLAIN = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "time": TIME,
    "json": pa.string(),
}


class Column:
    """A column as `columns_of` describes it. Times are timestamps in UTC."""

    def __init__(self, name: str, kind: Any, default: object) -> None:
        self.name = name
        self.type = _type(kind)
        self._default = default
        self._convert = CONVERSIONS.get(kind, _same) if isinstance(kind, str) else _same

    def array(self, rows: Sequence[Row]) -> pa.Array:
        """The values of these rows."""
        given = (row.get(self.name, self._default) for row in rows)
        return pa.array([None if value is None else self._convert(value) for value in given], self.type)


def _type(kind: Any) -> pa.DataType:
    match kind:
        case [item]:
            return pa.list_(_type(item))
        case {}:
            return pa.struct([(key, _type(value)) for key, value in kind.items()])
        case _:
            return PLAIN[kind]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _same(value: object) -> object:
    return value


CONVERSIONS: Mapping[str, Callable[[Any], object]] = {"time": datetime.fromisoformat, "json": _json}


class _Counted(io.RawIOBase):
    """Passes on what is written and counts it: a file has its positions in it, and a pipe knows of none."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        self._position += (size := self._file.write(data))
        return size

    def flush(self) -> None:
        self._file.flush()


def write_parquet(lines: BinaryIO, file: BinaryIO) -> None:
    """Write the rows, with one row group in memory at a time."""
    columns = [Column(**each) for each in json.loads(lines.readline())]
    schema = pa.schema([(column.name, column.type) for column in columns])
    with ParquetWriter(target := _Counted(file), schema, compression="zstd") as writer:
        target.flush()
        for group in _groups(_batches(lines, columns, schema)):
            table = pa.Table.from_batches(group, schema)
            writer.write_table(table, row_group_size=table.num_rows)
            target.flush()
    target.flush()


def _batches(lines: BinaryIO, columns: Sequence[Column], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = map(json.loads, lines)
    while some := [*islice(rows, AT_ONCE)]:
        yield pa.RecordBatch.from_arrays([column.array(some) for column in columns], schema=schema)


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[Sequence[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(each.nbytes for each in group) >= GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def main() -> None:
    """Serve the parent process. Ctrl-C reaches the whole process group, but only the parent handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    pa.set_cpu_count(1)
    try:
        write_parquet(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(1)  # the parent has gone, and the flush at a normal exit would print an error


if __name__ == "__main__":
    main()
