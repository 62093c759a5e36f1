"""Headers that an operator adds to each request to the model: `Name: value` pairs or a JSON object."""

import json
import re
from collections.abc import Iterator, Mapping

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# A comma or semicolon ends a pair only where another name follows, because values have them too.
BETWEEN = re.compile(r"\n|[,;][ \t]*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t])")
TAKEN = frozenset(
    {
        "authorization",
        "content-type",
        "accept",
        "accept-encoding",
        "x-grok-conv-id",
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "expect",
    }
)


def parse_headers(written: str) -> dict[str, str]:
    """Parse headers. Raises ValueError, which names a header but never repeats a value."""
    headers: dict[str, str] = {}
    for name, value in _pairs(written.strip()):
        _check(name, value)
        if name.lower() in map(str.lower, headers):
            raise ValueError(f"{name} is given twice")
        headers[name] = value
    return headers


def _pairs(written: str) -> Iterator[tuple[str, str]]:
    if written.startswith("{"):
        yield from _document(written).items()
        return
    for pair in filter(str.strip, BETWEEN.split(written)):
        name, colon, value = pair.partition(":")
        if not colon:
            raise ValueError("must be a JSON object or pairs of `Name: value`")
        yield name.strip(), value.strip()


def _document(written: str) -> Mapping[str, str]:
    try:
        document = json.loads(written)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise ValueError("must be a JSON object of strings, or pairs of `Name: value`")
    return document


def _check(name: str, value: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError("a name has characters that no header name may have")
    if name.lower() in TAKEN:
        raise ValueError(f"{name} is set by the service")
    if not value or not value.isascii() or not value.isprintable():
        raise ValueError(f"the value of {name} is empty or has characters that no header may have")
