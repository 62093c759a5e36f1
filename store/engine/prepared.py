"""Statements that are put into words once, and lists of numbers that do not change these words."""

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
from sqlalchemy.types import NullType

Values = Callable[[dict[str, Any]], tuple[Any, ...]]


class Prepared:
    """A SELECT that goes to the driver as it is.

    SQLAlchemy looks at every parameter and column again each time: of a page's 2.4 ms that was 1.1. What comes back
    is what the driver makes of it, so SQLite's Booleans are 0 and 1.

    From SQLite all rows come as one text of JSON, so that no column may be bytes: its driver lets go of the interpreter
    for each row and waits for it, beside a busy thread for longer than the row took.
    """

    def __init__(self, chosen: SelectBase) -> None:
        """Every parameter of `chosen` is to be a `bindparam`; a list of numbers is one of `among`."""
        self._select = chosen
        self._worded: dict[str, tuple[str, Values]] = {}

    def rows(self, connection: Connection, given: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """All rows; of `given` it takes what it needs. Raises SQLAlchemyError."""
        words, values = self._worded.get(connection.dialect.name) or self._word(connection.dialect)
        found = connection.exec_driver_sql(words, values(given))
        if connection.dialect.name == "postgresql":
            return found.all()
        rows: list[list[Any]] = from_json(found.scalar_one())
        return rows

    def scalar(self, connection: Connection, given: dict[str, Any]) -> Any:
        """The first column of its one row. Raises SQLAlchemyError."""
        ((value,),) = self.rows(connection, given)
        return value

    def _word(self, dialect: Dialect) -> tuple[str, Values]:
        chosen = self._select if dialect.name == "postgresql" else _as_one(self._select)
        compiled: Any = chosen.compile(dialect=dialect)
        worded = self._worded[dialect.name] = str(compiled), _values(compiled)
        return worded


def _as_one(chosen: SelectBase) -> Select[Any]:
    """All rows as one text of JSON."""
    return select(func.json_group_array(func.json_array(*chosen.subquery().c)))


def _values(compiled: SQLCompiler) -> Values:
    """What picks the parameters in the order in which the words have them."""
    names = compiled.positiontup or []
    fixed = {name: value for name, value in compiled.params.items() if value is not None}
    lists = [name for name in set(names) if isinstance(compiled.binds[name].type, ARRAY)]
    as_text = lists if compiled.dialect.name == "sqlite" else []

    def values(given: dict[str, Any]) -> tuple[Any, ...]:
        known = fixed | given | {name: json.dumps([*given[name]]) for name in as_text}
        return tuple([known[name] for name in names])

    return values


class _Numbers(FunctionElement[int]):
    """A list's numbers, as rows."""

    type = BigInteger()
    inherit_cache = True


def listed(name: str) -> ColumnElement[int]:
    """The numbers of the list that is the parameter `name`: a table to select from, and its one column."""
    numbers = _Numbers(bindparam(name, type_=ARRAY(BigInteger)))
    return numbers.table_valued(column("value", BigInteger), name="value").c.value


@compiles(_Numbers, "postgresql")
def _unnest(element: _Numbers, compiler: SQLCompiler, **given: Any) -> str:
    return f"unnest({compiler.process(element.clauses, **given)})"


@compiles(_Numbers, "sqlite")
def _json_each(element: _Numbers, compiler: SQLCompiler, **given: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **given)})"


class among(FunctionElement[Any]):
    """That a column's number is in a list, the parameter `name`, however long it is."""

    type = NullType()  # of a Boolean SQLite would be asked whether it equals 1
    inherit_cache = True

    def __init__(self, column: ColumnElement[int], name: str) -> None:
        super().__init__(column, bindparam(name, type_=ARRAY(BigInteger)))


@compiles(among, "postgresql")
def _any(element: among, compiler: SQLCompiler, **given: Any) -> str:
    column, numbers = (compiler.process(each, **given) for each in element.clauses)
    return f"{column} = ANY ({numbers})"


@compiles(among, "sqlite")
def _in(element: among, compiler: SQLCompiler, **given: Any) -> str:
    column, numbers = (compiler.process(each, **given) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({numbers}))"  # noqa: S608  both are the compiler's
