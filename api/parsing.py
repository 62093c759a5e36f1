"""Request bodies: parse and validate JSON, or answer 400 with the name of the field."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from api.duplicate_keys import duplicate_keys, has_duplicate_keys
from api.errors import ApiError, Details
from api.problems import describe
from schemas import Code

Parsed = TypeVar("Parsed")
Complaints = str | dict[int, str]
"""Problems of a body as a whole, or of items of an array by index."""
SMALL_BODY = 65_536
MAX_CONTAINERS = 150_000
MAX_COLONS, FIELDS_PER_OBJECT = 200_000, 6
"""Colons occur in prose, too: one in fifty characters, with ten million characters in a bulk."""
MAX_PROBLEMS = 10_000
NUL_ESCAPE = b"\\u0000"
FIRST_CHARACTER = re.compile(rb"[ \t\r\n]*([^ \t\r\n])")
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


async def read_json(request: Request) -> bytes:
    """The body, without a byte order mark. Raises ApiError unless Content-Type is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json")
    return (await request.body()).removeprefix(BOM_UTF8)


def first_character(body: bytes) -> bytes:
    """The first character that is not white space: `{` for an object, `[` for an array; empty if there is none."""
    found = FIRST_CHARACTER.match(body)
    return found[1] if found else b""


def parse_body(adapter: TypeAdapter[Parsed], body: bytes) -> Parsed:
    """The value of a JSON body.

    Raises ApiError; its `details` are one line, or for items of an array a list of `{"index", "error"}`.
    """
    _refuse_bombs(body)
    try:
        parsed = adapter.validate_json(body)
    except ValidationError as error:
        if error.error_count() > MAX_PROBLEMS:  # describing each would take a kilobyte
            raise ApiError(Code.INVALID_SCHEMA, f"The body has {error.error_count():,} problems") from None
        raise ApiError(Code.INVALID_SCHEMA, _details(_complaints(adapter, body, error))) from None
    if has_duplicate_keys(body):
        raise ApiError(Code.INVALID_SCHEMA, _details(_repeated(parsed, body)))
    if NUL_ESCAPE in body and (unstorable := _unstorable(_loads(body))):
        raise ApiError(Code.INVALID_SCHEMA, _details(unstorable))
    return parsed


def _refuse_bombs(body: bytes) -> None:
    """Refuse bodies that are small on the wire and huge in memory: 1.4 million unknown fields took 1.7 GB and 18 s.

    The largest legitimate bulk, 500 dialogues in 16 MB, has some 110,000 objects of five fields each.
    """
    if len(body) < SMALL_BODY:
        return
    objects, arrays, colons = (body.count(mark) for mark in (b"{", b"[", b":"))
    if max(objects, arrays) > MAX_CONTAINERS or colons > MAX_COLONS + FIELDS_PER_OBJECT * objects:
        raise ApiError(Code.PAYLOAD_TOO_LARGE, "The body has too many values")


def _complaints(adapter: TypeAdapter[Parsed], body: bytes, error: ValidationError) -> Complaints:
    document = _loads(body)
    unstorable = _unstorable(document)
    if not isinstance(unstorable, dict):
        return unstorable or _problems(error)
    # A lone surrogate stops the JSON validator, so the problems of the other items show only here.
    try:
        adapter.validate_python(document)
    except ValidationError as other_problems:
        others = _problems(other_problems)
        return others if isinstance(others, str) else {**others, **unstorable}
    return unstorable


def _repeated(parsed: object, body: bytes) -> Complaints:
    found = [{"loc": path, "type": "repeated", "msg": "appears twice"} for path in duplicate_keys(body)]
    if not isinstance(parsed, list):
        return describe(found)
    items: dict[int, list[Mapping[str, Any]]] = {}
    for problem in found:
        index, *field = problem["loc"]
        items.setdefault(int(index), []).append({**problem, "loc": tuple(field)})
    return {index: describe(problems) for index, problems in items.items()}


def _details(complaints: Complaints) -> Details:
    if isinstance(complaints, str):
        return complaints
    return [{"index": index, "error": complaints[index]} for index in sorted(complaints)]


def _problems(error: ValidationError) -> Complaints:
    whole: list[Mapping[str, Any]] = []
    items: dict[int, list[Mapping[str, Any]]] = {}
    for problem in error.errors(include_url=False, include_input=False):
        match problem["loc"]:
            case (int(index), *field):
                items.setdefault(index, []).append({**problem, "loc": tuple(field)})
            case _:
                whole.append({**problem})
    if whole:
        return describe(whole)
    return {index: describe(found) for index, found in items.items()}


def _unstorable(document: object) -> Complaints | None:
    """Problems with strings that no database can store, or None."""
    if not isinstance(document, list):
        return _unstorable_string(document)
    found = ((index, _unstorable_string(item)) for index, item in enumerate(document))
    return {index: problem for index, problem in found if problem} or None


def _loads(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _unstorable_string(document: object) -> str | None:
    for path, text, is_key in _strings(document):
        bad = UNSTORABLE.search(text)
        if bad:
            what = "U+0000 is" if bad.group() == "\0" else "lone surrogates are"
            words = f"{what} not allowed{' in a name' if is_key else ''}"
            return describe([{"loc": path, "type": "unstorable", "msg": words}])
    return None


def _strings(document: object) -> Iterator[tuple[Sequence[int | str], str, bool]]:
    """Every string of a document: its path, the string, and whether it is a name (then the path is its object's).

    Iterative, because a deeply nested body would exhaust the recursion limit.
    """
    path: list[int | str] = []
    if isinstance(document, str):
        yield path, document, False
    levels = [_steps(document)]
    while levels:
        step = next(levels[-1], None)
        if step is None:
            levels.pop()
            del path[-1:]
            continue
        part, value = step
        if isinstance(part, str):
            yield path, part, True
        path.append(part)
        if isinstance(value, str):
            yield path, value, False
        levels.append(_steps(value))


def _steps(value: object) -> Iterator[tuple[int | str, object]]:
    match value:
        case list():
            return enumerate(value)
        case dict():
            return iter(value.items())
        case _:
            return iter(())
