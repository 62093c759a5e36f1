"""The words by which messages are found: of a text, and of what somebody looks for.

Both databases index exactly these words, so that they find the same. Whoever changes what a text's words are
has to build the index anew: an entry is taken out of it by the words it was put in under.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

MAX_WORDS = 16_000
"""Of a text: a tsvector knows no position over 16,383."""
MAX_TIMES = 255
"""That a word of a text is found at: a tsvector keeps 256 positions of one."""
NOTHING = "·"
"""Stands where a word is that is not indexed; no word is the same."""

# A lexeme may have 2,046 bytes: what is longer than 100 characters is several words.
WORD = re.compile(r"[^\W_]{1,100}")
ASCII_WORD = re.compile(r"[a-z0-9]{1,100}")
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
Phrase = tuple[str, ...]


def words(text: str) -> list[str]:
    """The runs of letters and digits, in order, without case and accents."""
    if text.isascii():
        return ASCII_WORD.findall(text.lower())
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return WORD.findall(NOT_ASCII.sub(_without_marks, folded))


def _without_marks(run: re.Match[str]) -> str:
    return "".join(each for each in run.group() if unicodedata.category(each)[0] != "M")


def indexed(text: str) -> list[str]:
    """The words under which a text is found, each at its place; NOTHING where one is not indexed."""
    found = words(text)[:MAX_WORDS]
    return found if len(found) <= MAX_TIMES else [*_not_too_often(found)]


def _not_too_often(found: Sequence[str]) -> Iterator[str]:
    times: Counter[str] = Counter()
    for word in found:
        times[word] += 1
        yield word if times[word] <= MAX_TIMES else NOTHING


def written_by(author: str) -> str:
    """A word that stands for who wrote a message, and that no text contains."""
    return "†" + hashlib.blake2b(author.encode(), digest_size=12).hexdigest()


def wanted(keyword: str) -> list[Phrase]:
    """What a message has to contain: each word outside of quotes, and each quoted phrase as it stands.

    Empty where there is nothing to look for. A quote that is not closed ends with the text.
    """
    found: dict[Phrase, None] = {}
    for place, part in enumerate(keyword.split('"')):
        in_part = tuple(words(part))
        phrases = [in_part] if place % 2 else [(word,) for word in in_part]
        found.update((phrase, None) for phrase in phrases if phrase)
    return list(found)
