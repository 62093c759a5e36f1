"""What is wrong with a setting, in one plain line that repeats no value."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import HttpUrl, ValidationError

from core.settings import Settings, field_of, name_as_set

IN_WORDS: dict[object, str] = {
    HttpUrl: "an address that begins with http:// or https://",
    Path: "the path of a file",
    "root_path": "a path such as /insights",
    "metadata_keys": "up to five names of letters, digits, _ and -, separated by commas",
}
HINTS = {
    "BATCH_SIZE": " (another name of MAX_BATCH, the conversations of a call; the importer's is INGEST_BATCH_SIZE)"
}
"""What else a complaint about a variable says."""


def complaint(error: ValidationError) -> str:
    """One line that names each bad variable and what it must be, without its value."""
    return "; ".join(_named(each) for each in error.errors(include_input=False, include_url=False))


def _named(error: Any) -> str:
    reason = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return reason
    field = str(error["loc"][0])
    if error["type"] != "value_error":
        reason = f"must be {_requirement(field_of(field))}"
    return f"{name_as_set(field)}: {reason}{HINTS.get(name_as_set(field), '')}"


def _requirement(field: str) -> str:
    """What a value must be, in words."""
    info = Settings.model_fields[field]
    kind = _kind(info.annotation)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return f"one of {', '.join(kind)}"
    if kind in (int, float):
        number = "a whole number" if kind is int else "a number"
        return " ".join([number, *_bounds(info.metadata)])
    return IN_WORDS.get(field) or IN_WORDS.get(kind, "a text that is not empty")


def _kind(annotation: Any) -> Any:
    """The type itself, without `| None`."""
    if get_origin(annotation) in (UnionType, Union):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _bounds(metadata: list[Any]) -> Iterator[str]:
    """The bounds of a number, such as "from 0", "to 65535"."""
    low = next((bound for bound in metadata if isinstance(bound, Ge | Gt)), None)
    high = next((bound for bound in metadata if isinstance(bound, Le | Lt)), None)
    match low:
        case Ge(ge=least):
            yield f"from {least}" if high else f"of at least {least}"
        case Gt(gt=least):
            yield f"above {least}"
    match high:
        case Le(le=most):
            yield f"{'to' if isinstance(low, Ge) else 'and up to'} {most}"
