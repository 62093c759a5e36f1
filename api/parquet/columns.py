"""The columns of a Parquet file: those of the API's models, in JSON for the child process that writes the file."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Kind = str | list[Any] | dict[str, Any]
"""`bool`, `int`, `float`, `string`, `time`, or `json` for objects with keys of their own; a list of one kind stands
for lists of it, and a mapping for objects with these keys."""
PLAIN: Mapping[Any, Kind] = {bool: "bool", int: "int", float: "float"}


def columns_of(fields: Mapping[str, FieldInfo]) -> list[dict[str, Any]]:
    """`name`, `kind` and `default` of each of these fields of models."""
    return [
        {"name": name, "kind": _kind(field.annotation, name), "default": _default(field)}
        for name, field in fields.items()
    ]


def _default(field: FieldInfo) -> object:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _kind(annotation: Any, name: str = "") -> Kind:
    annotation = _without_none(annotation)
    if (origin := get_origin(annotation)) is list:
        return [_kind(*get_args(annotation))]
    if origin is dict:
        return "json"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {key: _kind(field.annotation) for key, field in annotation.model_fields.items()}
    if annotation is str and (name == "timestamp" or name.endswith(("_at", "_seen"))):
        return "time"
    return PLAIN.get(annotation, "string")


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(each for each in get_args(annotation) if each is not NoneType)
