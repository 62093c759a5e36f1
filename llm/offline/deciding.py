"""The offline analyzer's answer to a question about a conversation: whether most of its words are in the text.

It understands nothing. A question of one or two words that say something needs all of them, a longer one most.
"""

from collections.abc import Sequence

from llm.offline.stop_words import STOP_WORDS
from llm.offline.text import WORD, clean, customer_words

SAME = 5
"""First letters by which two words are the same: `deliver`, `delivery`, `delivered`."""
_ASKING = """
agent anybody asks chat complain complains complaint concern conversation customer customers complaining
message question say says somebody talk talking tell text tweet user write writes wrote
"""
ASKING = frozenset(_ASKING.split())
"""Words that a question about any conversation may have."""


def decide(question: str, texts: Sequence[str]) -> list[bool]:
    """Yes or no for each text; no for each if no word of the question says anything."""
    asked = {word[:SAME] for word in _words(question) if word not in STOP_WORDS and word not in ASKING}
    needed = len(asked) // 2 + 1
    return [len(asked.intersection(word[:SAME] for word in _words(_said(text)))) >= needed for text in texts]


def _said(text: str) -> str:
    return clean(customer_words(text))


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
