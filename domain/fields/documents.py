"""Reads YAML, or JSON, which is YAML as well. Scalars stay as they are written, and no key may stand twice."""

import json
from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any

import yaml


class _Loader(yaml.BaseLoader):
    """Leaves scalars as they are written, and refuses a key that stands twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    pairs = [
        (loader.construct_object(key), loader.construct_object(value, deep=True)) for key, value in node.value
    ]
    names = [key for key, _ in pairs if isinstance(key, str)]
    if len(names) < len(pairs):
        raise ValueError(f"line {node.start_mark.line + 1}: a key must be a word")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"line {node.start_mark.line + 1}: {ascii(twice[0][:40])[1:-1]} stands there twice")
    return dict(pairs)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _json(content: str) -> object:
    found = json.loads(content, object_pairs_hook=_once, parse_int=str, parse_float=str, parse_constant=str)
    return _as_written(found)


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{ascii(twice[0][:40])[1:-1]} stands there twice")
    return dict(pairs)


def _as_written(value: object) -> object:
    match value:
        case dict():
            return {name: _as_written(each) for name, each in value.items()}
        case list():
            return [*map(_as_written, value)]
        case bool() | None:
            return json.dumps(value)
    return value


def parse_document(content: str) -> object:
    """What a file with this content holds. Raises ValueError, which says where the fault is."""
    # PyYAML knows neither tabs between signs nor the two escapes that JSON has for an emoji.
    if content.lstrip("\ufeff \t\r\n").startswith("{"):
        with suppress(json.JSONDecodeError, RecursionError):
            return _json(content.removeprefix("\ufeff"))
    try:
        return yaml.load(content.removeprefix("\ufeff"), _Loader)  # noqa: S506 - it makes strings only
    except yaml.YAMLError as error:
        raise ValueError(f"the file is neither YAML nor JSON: {_fault(error)}") from None
    except RecursionError:
        raise ValueError("the file is nested too deeply") from None


def _fault(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "a character that cannot stand there"
    return problem if mark is None else f"line {mark.line + 1}: {problem}"
