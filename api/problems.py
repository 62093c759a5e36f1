"""Pydantic's validation problems in plain English: each names its field, none repeats a value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas import SECOND_NAMES

MAX_PROBLEMS = 10
MAX_DETAILS = 1_000
MAX_NAME = 64
MAX_LEVELS = 200
"""Of objects and arrays inside each other, which pydantic's parser reads."""

# Pydantic's own messages for these repeat what was sent.
QUOTING = frozenset({"uuid_parsing", "url_parsing", "timezone_offset", "assertion_error"})
PLAIN = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "decimal_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "list_type": "must be an array",
}
"""In place of pydantic's own messages, which speak of parsing and of Python's types."""
OBJECTS = frozenset({"dict_type", "model_type", "model_attributes_type"})


def describe(problems: Iterable[Mapping[str, Any]], noun: str = "field") -> str:
    """Pydantic's error dicts in one line of at most ten problems and 1,000 characters.

    `noun` is the word for a missing or unknown name: `field` or `parameter`.
    """
    # A body can have a million problems: only those that are shown are described.
    found = list(problems)
    shown = "; ".join(_problem(problem, noun) for problem in found[:MAX_PROBLEMS])[:MAX_DETAILS]
    return f"{shown}; and {len(found) - MAX_PROBLEMS} more" if len(found) > MAX_PROBLEMS else shown


def _problem(problem: Mapping[str, Any], noun: str) -> str:
    path = _path(problem["loc"])
    match problem["type"]:
        case "missing":
            return f"Missing required {noun}: {path or 'body'}"
        case "extra_forbidden" if _is_second_name(problem["loc"]):
            return f"Unknown {noun}: {path} (or a second name for one that was sent)"
        case "extra_forbidden":
            return f"Unknown {noun}: {path}"
        case "union_tag_not_found":
            return f"Missing required {noun}: {_tag(problem)}"
        case "union_tag_invalid":
            return f"{_tag(problem)}: must be one of {_unquoted(problem['ctx']['expected_tags'])}"
        case "json_invalid" if str(problem["ctx"]["error"]).startswith("recursion limit"):
            return f"The body is nested too deeply: objects and arrays may have at most {MAX_LEVELS} levels"
        case "json_invalid":
            return f"The body is not valid JSON: {problem['ctx']['error']}"
        case kind:
            words = _words(kind, problem)
            return f"{path}: {words}" if path else words


def _is_second_name(loc: Sequence[int | str]) -> bool:
    match loc:
        case ("messages", _, str(name)):
            return name in SECOND_NAMES
        case _:
            return tuple(loc) in (("raw",), ("raw_data",))


def _words(kind: str, problem: Mapping[str, Any]) -> str:
    if kind in QUOTING:
        return "is not valid"
    if kind in PLAIN:
        return PLAIN[kind]
    if kind in OBJECTS:
        return "must be a JSON object"
    if kind in ("literal_error", "enum"):
        return f"must be {_unquoted(problem['ctx']['expected'])}"
    message = str(problem["msg"]).replace(" after validation", "").removesuffix(", not more")
    subject, should, rest = message.removeprefix("Value error, ").partition(" should ")
    return f"must {rest}" if should and subject.isalpha() else subject + should + rest


def _tag(problem: Mapping[str, Any]) -> str:
    """The discriminator: the field that says which of several forms a value has."""
    return _path([*problem["loc"], _unquoted(problem["ctx"]["discriminator"])])


def _unquoted(words: object) -> str:
    return str(words).replace("'", "")


def _path(loc: Sequence[int | str]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{_name(part)}"
    return path.removeprefix(".")


def _name(part: str) -> str:
    # The client chose the name of an unknown field: cut it, and keep control characters out of logs.
    shown = "".join(c if c.isprintable() else "?" for c in part[:MAX_NAME])
    return shown + "..." if len(part) > MAX_NAME else shown
