"""Lists as Parquet: columns typed as the API's models have them, written in row groups.

Imported at the first request for Parquet only, because pyarrow takes 50 MB of memory and half a second.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pyarrow as pa
from pyarrow.parquet import ParquetWriter
from pydantic import BaseModel
from pydantic.fields import FieldInfo

View = Mapping[str, Any]
GROUP_BYTES = 2 * 2**20
"""Of the columns that a row group is written from, before compression; with 16 MB exports took 60 MB more."""
TIME = pa.timestamp("us", tz="UTC")
PLAIN = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


class Column:
    """A column of a field of a model. Times are timestamps in UTC, and objects with keys of their own are JSON."""

    def __init__(self, name: str, field: FieldInfo) -> None:
        self.name = name
        self.type = _type(field.annotation, name)
        self._default = field.get_default()
        self._convert = _conversion(field.annotation, self.type)

    def array(self, views: Sequence[View]) -> pa.Array:
        """The values of these views."""
        given = (view.get(self.name, self._default) for view in views)
        return pa.array([None if value is None else self._convert(value) for value in given], self.type)


def _type(kind: Any, name: str = "") -> pa.DataType:
    kind = _without_none(kind)
    if get_origin(kind) is list:
        return pa.list_(_type(*get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return pa.struct([(key, _type(field.annotation, key)) for key, field in kind.model_fields.items()])
    if kind is str and (name == "timestamp" or name.endswith(("_at", "_seen"))):
        return TIME
    return PLAIN.get(kind, pa.string())


def _without_none(kind: Any) -> Any:
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return next(each for each in get_args(kind) if each is not NoneType)


def _conversion(kind: Any, type_: pa.DataType) -> Callable[[Any], Any]:
    if type_ == TIME:
        return datetime.fromisoformat
    return _json if get_origin(_without_none(kind)) is dict else _same


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _same(value: object) -> object:
    return value


class _Pipe(io.RawIOBase):
    """Keeps what is written until it is taken, and counts on, as a file has its positions in it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        self._position += len(self._pieces[-1])
        return len(self._pieces[-1])

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


class ParquetFile:
    """A file that is handed out piece by piece; it holds one row group in memory."""

    def __init__(self, fields: Mapping[str, FieldInfo]) -> None:
        self._columns = [Column(*each) for each in fields.items()]
        self._schema = pa.schema([(column.name, column.type) for column in self._columns])
        self._pipe = _Pipe()
        self._writer = ParquetWriter(self._pipe, self._schema, compression="zstd")
        self._group: list[pa.RecordBatch] = []

    def add(self, views: Iterable[View]) -> bytes:
        """Append rows; the bytes that are ready, which may be none."""
        rows = [*views]
        arrays = [column.array(rows) for column in self._columns]
        self._group.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if sum(batch.nbytes for batch in self._group) >= GROUP_BYTES:
            self._write_group()
        return self._pipe.take()

    def end(self) -> bytes:
        """The last bytes."""
        if any(batch.num_rows for batch in self._group):
            self._write_group()
        self._writer.close()
        return self._pipe.take()

    def _write_group(self) -> None:
        table = pa.Table.from_batches(self._group, self._schema)
        self._group = []
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
