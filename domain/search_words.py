"""Search words: how texts and search terms are split into words.

Both databases index exactly these words, so both give the same results. A change of the rules requires a new
index, because an entry is removed by the words under which it was added: add a migration like 0009.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import dropwhile, groupby

from domain.scripts import DENSE, DIGITS, script_of

MAX_WORDS = 16_000
"""Words indexed of one text: the positions of a tsvector end at 16,383."""
MAX_TIMES = 255
"""Positions indexed of one word of a text: a tsvector keeps 256."""
NOTHING = "·"
"""Placeholder for a word that is not indexed; it equals no word."""

UNSPACED = DENSE | {
    *("HANGUL", "BOPOMOFO", "HENTAIGANA", "TANGUT", "NUSHU", "KHITAN"),
    *("THAI", "LAO", "KHMER", "MYANMAR", "TAI", "NEW", "JAVANESE", "BALINESE"),  # "Tai Le", "New Tai Lue"
}
"""Scripts without spaces between words, of which every character is a word. In Korean, particles follow the noun
without a space."""
ACCENTED = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW"})
"""Scripts whose marks are accents or vowel points that people leave out when they search."""

# A lexeme may have 2,046 bytes: a run of more than 100 characters is split into several words.
MAX_LENGTH = 100
ASCII_WORD = re.compile(r"[a-z]{1,100}|[0-9]{1,100}")
CHUNK = re.compile(r"[a-z0-9\x80-\U0010ffff]+")
MARK, KEEPS_MARKS, LOSES_MARKS = "MKL"
KEPT = re.compile(f"(?:{KEEPS_MARKS}{MARK}*|{LOSES_MARKS})+")
"""What is left of a text, by the kinds of its characters: a mark stays only behind a letter that keeps its marks."""
VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Variation selectors choose a glyph: the same character is found with and without them."""
Phrase = tuple[str, ...]


def words(text: str) -> list[str]:
    """The words of a text in order, without case and accents.

    A word is a run of letters of one script, a run of digits, or one character of a script without spaces.
    """
    if text.isascii():
        return ASCII_WORD.findall(text.lower())
    return [word for run in _runs(text) for word in run]


def _runs(text: str) -> Iterator[list[str]]:
    """The words of each run of letters and digits with nothing in between."""
    for chunk in CHUNK.findall(_folded(text)):
        if chunk.isascii():
            yield ASCII_WORD.findall(chunk)
        else:
            yield from _runs_of_scripts(chunk)


def _runs_of_scripts(chunk: str) -> Iterator[list[str]]:
    run: list[str] = []
    for script, characters in groupby(chunk, script_of):
        if script in UNSPACED:
            run += characters
        elif script is not None:
            run += _pieces("".join(characters))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _pieces(word: str) -> Iterator[str]:
    """The word, a long one in parts. Marks at the beginning belong to a letter of another script, or to none."""
    for at in range(0, len(word), MAX_LENGTH):
        piece = "".join(dropwhile(_is_mark, word[at : at + MAX_LENGTH]))
        if piece:
            yield piece


def _is_mark(character: str) -> bool:
    return _kind(character) == MARK


def _folded(text: str) -> str:
    """The text without case, accents and variants of characters."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    # Composed again, because a kana with and without its voiced mark are two letters.
    return unicodedata.normalize("NFKC", _without_accents(VARIANTS.sub("", apart)))


def _without_accents(text: str) -> str:
    kinds = "".join(map(_kind, text))
    if MARK not in kinds:
        return text
    return "".join(text[slice(*kept.span())] for kept in KEPT.finditer(kinds))


@lru_cache(maxsize=8_192)
def _kind(character: str) -> str:
    script = script_of(character)
    if unicodedata.category(character)[0] == "M" and script not in UNSPACED:
        return MARK
    keeps_marks = script not in (None, DIGITS) and script not in ACCENTED
    return KEEPS_MARKS if keeps_marks else LOSES_MARKS


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


def contains(found: Sequence[str], phrases: Sequence[Phrase]) -> bool:
    """Whether the words of a text contain all the phrases, each with its words side by side."""
    return all(_contains(found, phrase) for phrase in phrases)


def _contains(found: Sequence[str], phrase: Phrase) -> bool:
    length = len(phrase)
    return any(
        word == phrase[0] and tuple(found[at : at + length]) == phrase for at, word in enumerate(found)
    )


def phrases_in(keyword: str) -> list[Phrase]:
    """The phrases that a message must contain: each run of letters and digits, and each quoted phrase.

    Empty if the keyword contains no word. A quote that is not closed ends with the keyword.
    """
    found: dict[Phrase, None] = {}
    for place, part in enumerate(keyword.split('"')):
        phrases = [tuple(words(part))] if place % 2 else map(tuple, _runs(part))
        found.update((phrase, None) for phrase in phrases if phrase)
    return list(found)
