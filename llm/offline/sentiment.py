"""Sentiment without a model: VADER's valences, and rules for how people write to companies.

VADER is Hutto and Gilbert (2014), `vaderSentiment`. Valences are on its scale, from -4 to 4 per word.
The rules were written by hand after reading half of two public sets. What they find is counted, with other things, in
`counts`, and `linear` judges by the counts.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from math import fsum
from string import punctuation
from types import SimpleNamespace
from typing import Any, NamedTuple

from vaderSentiment.vaderSentiment import (
    BOOSTER_DICT,
    NEGATE,
    SPECIAL_CASES,
    SentimentIntensityAnalyzer,
    allcap_differential,
    normalize,
)

from llm.offline.lexicon import COURTESY, HARDLY_SENTIMENT, NO_SENTIMENT, PHRASES, VALENCES
from llm.offline.text import phrases

# Sentence ends other than a full stop with a space: a line break, dots, a mark between words, a dash.
GAP = re.compile(r"[\n;]|\.\.+|(?<=\w)[!?]+(?=\w)|\s-+\s")

# A compound of 0.25 is one word of +1; less is more often politeness than praise. Below 0 VADER is unchanged.
PRAISE_STARTS = 0.25
NEUTRAL = 0.2
EXCLAMATION, MOST_EXCLAMATIONS = 0.292, 4  # VADER's own figures
COMPLAINT = 0.75  # phrases that together say that something went wrong
ANNOYED = 1.0
BESIDE_COMPLAINT, ASKED_FOR, WEAKENED = 0.3, 0.25, 0.4
WISHES = frozenset({"would", "i'd", "we'd", "it'd", "that'd"})
LONGEST_SENTENCE = 60  # words
TITLED = 0.6  # with this share of capitalised words a sentence is a headline, and capitals mark no names


class Sentiment(NamedTuple):
    """The sentiment of a text: a score from -1 to 1 on the service's bands, and the words behind it."""

    score: float
    praise: Mapping[str, float]
    """Words and phrases with their valence in this text, above 0."""
    complaint: Mapping[str, float]
    """The same below 0."""
    praised: float
    """The sum of the valences of praise, as far as it counts; without courtesy."""
    courteous: float
    """The same of courtesy."""
    complained: float
    """The sum of the valences of complaint, above 0."""


def sentiment(cleaned: str, ngrams: set[str]) -> Sentiment:
    """Compute the sentiment of a cleaned text (text.clean) and its words and phrases (text.ngrams)."""
    found = dict(_words(cleaned))
    valences = _phrases()
    found |= {phrase: valences[phrase] for phrase in valences.keys() & ngrams}
    praise = {word: valence for word, valence in found.items() if valence > 0}
    complaint = {word: valence for word, valence in found.items() if valence < 0}
    courteous = {word: praise.pop(word) for word in _courtesy() & praise.keys()}
    # fsum, because the order of sets differs between processes, and with it the last digit of a plain sum.
    # fsum, because the order of sets differs between processes, and with it the last digit of a plain sum.
    wrong = -fsum(valence for phrase, valence in complaint.items() if phrase in valences)
    # fsum, because the order of sets differs between processes, and with it the last digit of a plain sum.
    wrong = -fsum(valence for phrase, valence in complaint.items() if phrase in valences)
    complained = -fsum(complaint.values())
    praised = fsum(praise.values()) * (BESIDE_COMPLAINT if wrong > COMPLAINT else 1)
    thanked = fsum(courteous.values()) * _worth_of_thanks(complained, asks="?" in cleaned)
    tone = banded(normalize(_emphasised(praised + thanked - complained, cleaned)))
    return Sentiment(tone, praise | courteous, complaint, praised, thanked, complained)


def _worth_of_thanks(complained: float, *, asks: bool) -> float:
    """Thanks count as praise only without a complaint; praise beside one is irony or politeness."""
    if complained >= ANNOYED:
        return 0
    return ASKED_FOR if asks else 1


def _emphasised(total: float, cleaned: str) -> float:
    emphasis = EXCLAMATION * min(cleaned.count("!"), MOST_EXCLAMATIONS)
    if total < 0:
        return total - emphasis / 2  # an exclamation mark is praise more often than not
    return total + emphasis if total else 0.0


def banded(compound: float) -> float:
    """Map VADER's compound to the service's bands: straight lines through 0, (0.25, 0.2) and (1, 1)."""
    if compound <= 0:
        return compound
    if compound <= PRAISE_STARTS:
        return compound * NEUTRAL / PRAISE_STARTS
    return min(1.0, NEUTRAL + (compound - PRAISE_STARTS) * (1 - NEUTRAL) / (1 - PRAISE_STARTS))


def _words(cleaned: str) -> Iterator[tuple[str, float]]:
    """Yield the words in VADER's lexicon, each with its valence in its sentence."""
    known = _vader().lexicon.keys()
    tokens = GAP.sub(" . ", cleaned if cleaned.isascii() else _with_emoji_words(cleaned)).split()
    words = [bare if len(bare := token.strip(punctuation)) > 2 else token for token in tokens]
    lowers = [word.lower() for word in words]
    capitals_stand_out = allcap_differential(words)
    start = 0
    for end, token in enumerate(tokens, 1):
        if token[-1] in ".!?" or end - start == LONGEST_SENTENCE or end == len(tokens):
            if not known.isdisjoint(lowers[start:end]):
                sentence = words[start:end], lowers[start:end], token[-1] == "?"
                yield from _valences(_Sentence(*sentence, capitals_stand_out))
            start = end


def _with_emoji_words(cleaned: str) -> str:
    """Replace emoji by VADER's words for them, appended once each: six equal emoji mean no more than one."""
    emoji = _emoji()
    descriptions = [emoji[sign] for sign in dict.fromkeys(map(ord, cleaned)) if sign in emoji]
    return " . ".join((cleaned.translate(_blanks()), *descriptions)) if descriptions else cleaned


class _Sentence(NamedTuple):
    """A sentence's words as VADER strips them, and in lower case."""

    words: list[str]
    lowers: list[str]
    asks: bool
    capitals_stand_out: bool
    """Whether only some words of the text are in capitals."""


def _valences(sentence: _Sentence) -> Iterator[tuple[str, float]]:
    words, lowers, asks, _ = sentence
    lexicon = _vader().lexicon
    for index, lower in enumerate(lowers):
        if lower not in lexicon or _is_booster(lowers, index) or _is_name(words, index):
            continue
        plain = not words[index].isupper() and _context().isdisjoint(lowers[max(0, index - 3) : index + 3])
        valence = lexicon[lower] if plain else _valence(sentence, index)
        if valence > 0 and (asks or not WISHES.isdisjoint(lowers[max(0, index - 4) : index])):
            valence *= ASKED_FOR
        if not _is_neutralised(lower, valence, lexicon[lower]):
            yield (lower if valence * lexicon[lower] > 0 else f"not {lower}"), valence


def _valence(sentence: _Sentence, index: int) -> float:
    """The valence that VADER gives a word in its context. VADER looks at no more words than this window."""
    start = max(0, index - 3)
    window = SimpleNamespace(
        words_and_emoticons=sentence.words[start : index + 3], is_cap_diff=sentence.capitals_stand_out
    )
    [valence] = _vader().sentiment_valence(0, window, sentence.words[index], index - start, [])
    return float(valence)


def _is_booster(lowers: list[str], index: int) -> bool:
    """Whether a word only strengthens or weakens others: "really", "kind of"."""
    return lowers[index] in BOOSTER_DICT or " ".join(lowers[index : index + 2]) in BOOSTER_DICT


def _is_neutralised(word: str, valence: float, unnegated: float) -> bool:
    """Whether negation cancels a word's sentiment.

    "Not bad" is seldom praise (VADER turns "never seen worse" into praise), and "no thanks" is no complaint.
    """
    return valence > 0 > unnegated or (valence < 0 and word in _courtesy())


def _is_name(words: list[str], index: int) -> bool:
    """Whether a word is part of a name: capitalised next to another capitalised word, in a sentence with few."""
    if index == 0 or not _capitalised(words[index]):
        return False
    beside = _capitalised(words[index - 1]) or (index + 1 < len(words) and _capitalised(words[index + 1]))
    return beside and sum(word[0].isupper() for word in words) < TITLED * len(words)


def _capitalised(word: str) -> bool:
    return word[0].isupper() and not word.isupper() and not word.startswith("I'")


@cache
def _vader() -> Any:
    vader = SentimentIntensityAnalyzer()
    for word in NO_SENTIMENT.split():
        del vader.lexicon[word]
    # Slang such as 143: in a support conversation it is an order, a flight or an amount.
    for word in [word for word in vader.lexicon if word.isdecimal()]:
        del vader.lexicon[word]
    for word in HARDLY_SENTIMENT.split():
        vader.lexicon[word] *= WEAKENED
    for line in VALENCES.strip().splitlines():
        valence, *words = line.split()
        vader.lexicon.update(dict.fromkeys(words, float(valence)))
    return vader


@cache
def _context() -> frozenset[str]:
    """The words that change the valence of their neighbours; without one nearby, the lexicon's valence applies.

    Four are left out for speed: each is in most texts, and no idiom consists of it alone.
    """
    idioms = " ".join((*BOOSTER_DICT, *SPECIAL_CASES)).split()
    return frozenset((*NEGATE, *idioms, "no", "least")).difference(("the", "of", "to", "for"))


@cache
def _courtesy() -> frozenset[str]:
    return frozenset(COURTESY.split())


@cache
def _phrases() -> Mapping[str, float]:
    rules = (line.split(maxsplit=1) for line in PHRASES.strip().splitlines())
    return {phrase: float(valence) for valence, rule in rules for phrase in phrases(rule)}


@cache
def _emoji() -> Mapping[int, str]:
    return {ord(sign): meaning for sign, meaning in _vader().emojis.items() if len(sign) == 1}


@cache
def _blanks() -> Mapping[int, str]:
    return dict.fromkeys(_emoji(), " ")
