"""The columns of answers to the operator's fields in files, one for each field that there was."""

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from api.exports import FIELDS_VERSION
from domain.fields.filters import KnownField

TEXT: Any = object | None
"""A text whatever the column's name: one that ends in `_at` would be taken for a time."""
TYPES: Mapping[str, Any] = {"number": float | None, "boolean": bool | None, "list": list[str] | None}
AS_JSON: Any = dict[str, Any] | None


def field_columns(known: Mapping[str, KnownField]) -> dict[str, FieldInfo]:
    """The columns with their types, and that of the version; none without fields.

    The answers to a field that has changed its type are JSON, since a column has one type.
    """
    if not known:
        return {}
    columns = {name: _type(field) for name, field in known.items()} | {FIELDS_VERSION: TEXT}
    return {name: FieldInfo(annotation=its, default=None) for name, its in columns.items()}


def _type(field: KnownField) -> Any:
    types = {TYPES.get(each, TEXT) for each in field.types}
    return types.pop() if len(types) == 1 else AS_JSON
