"""The offline analyzer's answers to the operator's fields: by the words that are given with their values.

It understands nothing. A field without words, or of which no word occurs, is answered with null.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from llm.offline.text import agent_words, clean, customer_words

SPOKEN: Mapping[str, Callable[[str], str]] = {
    "customer": customer_words,
    "agent": agent_words,
    "conversation": str,
}


def answer_by_words(text: str, rules: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """A value for each of the rules, which `fieldsets.FieldSet.rules` makes."""
    said = {of: clean(spoken(text)).lower() for of, spoken in SPOKEN.items()}
    return {rule["name"]: _answer(said[rule["of"]], rule) for rule in rules}


def _answer(said: str, rule: Mapping[str, Any]) -> object:
    found = {
        value: n for value, words in rule["words"].items() if (n := len(_pattern(tuple(words)).findall(said)))
    }
    best = sorted(found, key=lambda value: -found[value])  # among equals the first in the file
    if not best:
        return None
    if rule["type"] == "list":
        return best[: rule["most"]]
    return best[0] == "true" if rule["type"] == "boolean" else best[0]


@lru_cache(maxsize=512)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((word.lower() for word in words), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
