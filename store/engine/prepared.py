"""Statements that are compiled once, and list parameters that do not change their SQL."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic_core import from_json
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    LargeBinary,
    Select,
    Update,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import NullType, TypeEngine

Values = Callable[[dict[str, Any]], Iterator[tuple[Any, ...]]]
"""Makes the values of each execution."""
ItemType = type[TypeEngine[Any]]
BYTES_AT_ONCE = 64
"""Items of a list of bytes in one execution on SQLite: JSON has no bytes, so each is a value of its own. The SQL is
always the same; a shorter list is padded with its last item, a longer one takes several executions."""


class Prepared:
    """A SELECT that is compiled once and then goes straight to the driver.

    SQLAlchemy would process every parameter and column each time, which was 1.1 of a page's 2.4 ms. Values come back
    as the driver returns them, so Booleans are 0 and 1 on SQLite.

    SQLite returns all rows as one JSON text, so no column may be bytes. Its driver releases the GIL for each row, and
    next to a busy thread getting it back takes longer than the row itself.
    """

    def __init__(self, chosen: SelectBase) -> None:
        """Every parameter of `chosen` must be a `bindparam`, every list an `among` or `listed`."""
        self._select = chosen
        self._compiled: dict[str, tuple[str, Values]] = {}

    def rows(self, connection: Connection, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """All rows. `parameters` may have more names than the statement uses. Raises SQLAlchemyError."""
        sql, values = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        found = (connection.exec_driver_sql(sql, each) for each in values(parameters))
        if connection.dialect.name == "postgresql":
            return [row for each in found for row in each.all()]
        rows: list[list[Any]] = [row for each in found for row in from_json(each.scalar_one())]
        return rows

    def scalar(self, connection: Connection, parameters: dict[str, Any]) -> Any:
        """The only value of a result with one row and one column. Raises SQLAlchemyError."""
        ((value,),) = self.rows(connection, parameters)
        return value

    def _compile(self, dialect: Dialect) -> tuple[str, Values]:
        chosen = self._select if dialect.name == "postgresql" else _as_json(self._select)
        compiled: Any = chosen.compile(dialect=dialect)
        sql_and_values = self._compiled[dialect.name] = str(compiled), _values(compiled)
        return sql_and_values


def _as_json(chosen: SelectBase) -> Select[Any]:
    """Wrap a SELECT so that it returns all rows as one JSON text."""
    return select(func.json_group_array(func.json_array(*chosen.subquery().c)))


class PreparedChange:
    """An UPDATE or DELETE of the rows whose key is in the list parameter `keys`.

    On SQLite it is compiled once and goes straight to the driver. On PostgreSQL each key is a parameter: with all of
    them in one, it looks for them in every partition (with 24 of them 8.8 ms, not 3.2).
    """

    def __init__(
        self,
        change: Update | Delete,
        key: ColumnElement[Any],
        on_postgresql: Update | Delete | None = None,
    ) -> None:
        """Every parameter of `change` must have a value or be a `bindparam`.

        `on_postgresql` is the whole statement there, if it is another one.
        """
        self._change = change.where(among(key, "keys", of=type(key.type)))
        one_by_one = change.where(key.in_(bindparam("keys", expanding=True)))
        self._on_postgresql = one_by_one if on_postgresql is None else on_postgresql
        self._compiled: tuple[str, Values] | None = None

    def run(self, connection: Connection, parameters: dict[str, Any]) -> None:
        """Change the rows. Raises SQLAlchemyError."""
        if connection.dialect.name == "postgresql":
            connection.execute(self._on_postgresql, parameters)
            return
        sql, values = self._compiled or self._compile(connection.dialect)
        for each in values(parameters):
            connection.exec_driver_sql(sql, each)

    def _compile(self, dialect: Dialect) -> tuple[str, Values]:
        compiled: Any = self._change.compile(dialect=dialect)
        self._compiled = str(compiled), _values(compiled)
        return self._compiled


def _values(compiled: SQLCompiler) -> Values:
    """Return a function that puts named parameters into the order of the SQL's placeholders."""
    names = compiled.positiontup or []
    fixed = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
    lists = {name: compiled.binds[name].type for name in set(names)}
    lists = {name: kind.item_type for name, kind in lists.items() if isinstance(kind, ARRAY)}
    if compiled.dialect.name != "sqlite":
        lists = {}  # they go as they are
    as_text = [name for name, kind in lists.items() if not isinstance(kind, LargeBinary)]
    in_parts = next((name for name, kind in lists.items() if isinstance(kind, LargeBinary)), None)

    def values(parameters: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        known = fixed | parameters | {name: json.dumps([*parameters[name]]) for name in as_text}
        if in_parts is None:
            yield tuple([known[name] for name in names])
            return
        for part in _padded(known[in_parts]):
            items = iter(part)
            yield tuple([next(items) if name == in_parts else known[name] for name in names])

    return values


def _padded(items: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for first in range(0, len(items), BYTES_AT_ONCE):
        part = [*items[first : first + BYTES_AT_ONCE]]
        yield part + part[-1:] * (BYTES_AT_ONCE - len(part))


class _Numbers(FunctionElement[int]):
    """A table function that returns the numbers of a list as rows."""

    type = BigInteger()
    inherit_cache = True


def listed(name: str) -> ColumnElement[int]:
    """The numbers of the list parameter `name` as a column that one can select from."""
    numbers = _Numbers(bindparam(name, type_=ARRAY(BigInteger)))
    return numbers.table_valued(column("value", BigInteger), name="value").c.value


@compiles(_Numbers, "postgresql")
def _unnest(element: _Numbers, compiler: SQLCompiler, **options: Any) -> str:
    return f"unnest({compiler.process(element.clauses, **options)})"


@compiles(_Numbers, "sqlite")
def _json_each(element: _Numbers, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


class among(FunctionElement[Any]):
    """The condition that a column is in the list parameter `name`, which may be of any length."""

    type = NullType()  # for a Boolean, SQLAlchemy would add `= 1` on SQLite
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], name: str, of: ItemType = BigInteger) -> None:
        super().__init__(column, bindparam(name, type_=ARRAY(of)))


@compiles(among, "postgresql")
def _any(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, numbers = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY ({numbers})"


@compiles(among, "sqlite")
def _in(element: among, compiler: SQLCompiler, **options: Any) -> str:
    of, items = element.clauses
    if isinstance(items.type, ARRAY) and isinstance(items.type.item_type, LargeBinary):
        each = [compiler.process(items, **options) for _ in range(BYTES_AT_ONCE)]
        return f"{compiler.process(of, **options)} IN ({', '.join(each)})"
    column, numbers = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({numbers}))"  # noqa: S608  both come from the compiler


class by_dialect(FunctionElement[Any]):
    """A condition that is written in one way for SQLite and in another for PostgreSQL."""

    type = NullType()
    inherit_cache = True

    def __init__(self, on_sqlite: ColumnElement[bool], on_postgresql: ColumnElement[bool]) -> None:
        super().__init__(on_sqlite, on_postgresql)


@compiles(by_dialect)
def _of_dialect(element: by_dialect, compiler: SQLCompiler, **options: Any) -> str:
    on_sqlite, on_postgresql = element.clauses
    chosen = on_postgresql if compiler.dialect.name == "postgresql" else on_sqlite
    return f"({compiler.process(chosen, **options)})"


class by_code_point(FunctionElement[Any]):
    """A text to order by, character by character as Python does, whatever the language of the database."""

    type = NullType()
    inherit_cache = True


@compiles(by_code_point, "postgresql")
def _collated(element: by_code_point, compiler: SQLCompiler, **options: Any) -> str:
    return f'{compiler.process(element.clauses, **options)} COLLATE "C"'


@compiles(by_code_point, "sqlite")
def _binary(element: by_code_point, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)
