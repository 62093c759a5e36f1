"""Statements that are compiled once, and list parameters that do not change their SQL."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import from_json
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Select,
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

Values = Callable[[dict[str, Any]], tuple[Any, ...]]
ItemType = type[TypeEngine[Any]]


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
        found = connection.exec_driver_sql(sql, values(parameters))
        if connection.dialect.name == "postgresql":
            return found.all()
        rows: list[list[Any]] = from_json(found.scalar_one())
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


def _values(compiled: SQLCompiler) -> Values:
    """Return a function that puts named parameters into the order of the SQL's placeholders."""
    names = compiled.positiontup or []
    fixed = {name: value for name, value in compiled.params.items() if value is not None}
    lists = [name for name in set(names) if isinstance(compiled.binds[name].type, ARRAY)]
    as_text = lists if compiled.dialect.name == "sqlite" else []

    def values(parameters: dict[str, Any]) -> tuple[Any, ...]:
        known = fixed | parameters | {name: json.dumps([*parameters[name]]) for name in as_text}
        return tuple([known[name] for name in names])

    return values


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
