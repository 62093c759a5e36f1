"""What a model wrote, out of the forms in which servers and models hand it over."""

import json
import re
from collections.abc import Iterator
from itertools import islice

# What a model puts around its answer although it was told not to.
FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
MAX_STARTS = 100
"""Braces tried as the beginning of an object. Each may be read to the end, so text of nothing but braces must not
take the time of its square."""


def text_of(content: object) -> str:
    """The text of a message's content: a string, or the text parts of a list joined. Empty if there is none."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(filter(None, map(_part_text, parts)))


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else ""


def json_in(content: str, key: str) -> object:
    """The JSON document in an answer: all of it, else its only fenced block, else the first object with `key`.

    Raises ValueError, in words for an operator, if there is none.
    """
    text = content.strip().removeprefix("\ufeff").strip()
    try:
        return next(_candidates(text, key))
    except StopIteration:
        reason = "the content is not JSON" if text else "the content is empty"
        raise ValueError(reason) from None
    except RecursionError as error:
        raise ValueError("the answer is nested too deeply") from error


def is_json_object(content: str) -> bool:
    """Whether the content is one whole JSON object and nothing else."""
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def _loaded(text: str) -> Iterator[object]:
    """The text as a JSON document, if it is one."""
    try:
        yield json.loads(text)
    except ValueError:
        return


def _candidates(text: str, key: str) -> Iterator[object]:
    yield from _loaded(text)
    fenced = FENCE.findall(text)
    if len(fenced) == 1:
        yield from _loaded(fenced[0])
    yield from _objects(text, key)


def _objects(text: str, key: str) -> Iterator[object]:
    """The complete objects in the text that have this key, in order; one inside another is no answer."""
    decoder = json.JSONDecoder()
    end = 0
    for start in islice((match.start() for match in re.finditer(r"\{", text)), MAX_STARTS):
        if start < end:
            continue
        try:
            found, end = decoder.raw_decode(text, start)
        except ValueError:
            continue
        if key in found:
            yield found
