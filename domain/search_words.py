"""Search words: how texts and search terms are split into words.

Both databases index exactly these words, so both give the same results. A change of the rules requires a new
index, because an entry is removed by the words under which it was added.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

MAX_WORDS = 16_000
"""Words indexed of one text: the positions of a tsvector end at 16,383."""
MAX_TIMES = 255
"""Positions indexed of one word of a text: a tsvector keeps 256."""
NOTHING = "·"
"""Placeholder for a word that is not indexed; it equals no word."""

# A lexeme may have 2,046 bytes: a run of more than 100 characters is split into several words.
WORD = re.compile(r"[^\W_]{1,100}")
ASCII_WORD = re.compile(r"[a-z0-9]{1,100}")
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
Phrase = tuple[str, ...]


def words(text: str) -> list[str]:
    """The words of a text in order: runs of letters and digits, without case and accents."""
    if text.isascii():
        return ASCII_WORD.findall(text.lower())
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return WORD.findall(NOT_ASCII.sub(_without_marks, folded))


def _without_marks(run: re.Match[str]) -> str:
    return "".join(character for character in run.group() if unicodedata.category(character)[0] != "M")


def indexed(text: str) -> list[str]:
    """The words to index, each at its position, with NOTHING for a word that is not indexed."""
    found = words(text)[:MAX_WORDS]
    return found if len(found) <= MAX_TIMES else [*_not_too_often(found)]


def _not_too_often(found: Sequence[str]) -> Iterator[str]:
    times: Counter[str] = Counter()
    for word in found:
        times[word] += 1
        yield word if times[word] <= MAX_TIMES else NOTHING


def written_by(author: str) -> str:
    """An artificial word for the author of a message; no text contains it."""
    return "†" + hashlib.blake2b(author.encode(), digest_size=12).hexdigest()


def phrases_in(keyword: str) -> list[Phrase]:
    """The phrases that a message must contain: each word outside of quotes, and each quoted phrase.

    Empty if the keyword contains no word. A quote that is not closed ends with the keyword.
    """
    found: dict[Phrase, None] = {}
    for place, part in enumerate(keyword.split('"')):
        in_part = tuple(words(part))
        phrases = [in_part] if place % 2 else [(word,) for word in in_part]
        found.update((phrase, None) for phrase in phrases if phrase)
    return list(found)
