"""Scripts: which writing system a character belongs to, by the first word of its Unicode name."""

import unicodedata
from functools import lru_cache

DIGITS = "DIGITS"
"""The script of the digits and other numbers of all scripts."""
HAN = "CJK"
"""Chinese characters, wherever they are used."""
NAMES_OF_HAN = frozenset({HAN, "IDEOGRAPHIC", "VERTICAL"})
IDEOGRAPHS = range(0x20000, 0x40000)
"""Two planes that hold nothing but Han. An older Python does not know the newest ones."""
SYLLABLES = range(0xAC00, 0xD7A4)
"""Whole Korean syllables. A single letter (jamo) is not a syllable: seven of them are just laughter."""
DENSE = frozenset({HAN, "HIRAGANA", "KATAKANA", "YI"})
"""Scripts that write a word in one or two characters, like Hangul syllables."""


@lru_cache(maxsize=8_192)
def script_of(character: str) -> str | None:
    """The script of a letter, mark or digit; None for any other character.

    Marks that belong to no script, such as an acute accent, are of the script `COMBINING`.
    """
    category = unicodedata.category(character)
    first = unicodedata.name(character, HAN).replace("HALFWIDTH ", "").replace("-", " ").split(" ")[0]
    if ord(character) in IDEOGRAPHS or (first in NAMES_OF_HAN and category in ("Lo", "Lm", "Nl")):
        return HAN
    if category[0] == "N":
        return DIGITS
    # Modifier letters, such as the apostrophe of Ukrainian, are written as punctuation just as often.
    return first if category[0] in "LM" and first != "MODIFIER" else None


def is_dense(character: str) -> bool:
    """Whether the character belongs to a script that writes a word in one or two characters.

    Thai and its neighbours do not: they write without spaces, but spell words with letters.
    """
    return ord(character) in SYLLABLES or script_of(character) in DENSE
