"""What is counted of a text, for `linear` to judge it by: what the rules of `sentiment` found, and how it is written.

The length is not among it: the weights were fitted on tweets, and a chat is no worse for being longer.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from math import sqrt

from llm.offline.sentiment import Sentiment

_NEGATIONS = """
    no not never nothing nobody none neither nor without cannot cant dont doesnt didnt wont unable
    can't don't doesn't didn't won't isn't wasn't aren't couldn't wouldn't haven't hasn't ain't"""
_EMPHASIS = "so soo sooo such very really too just even"
_SINCE = "hour hours hr hrs min mins minutes day days week weeks month months still yet since ago now again already"
_DAYS = "tomorrow tonight weekend monday tuesday wednesday thursday friday saturday sunday"
_YOU = "you your yours you're you've u ur guys"
NEGATIONS, EMPHASIS, SINCE, DAYS, YOU = (
    frozenset(words.split()) for words in (_NEGATIONS, _EMPHASIS, _SINCE, _DAYS, _YOU)
)
MOST = 4.0
"""Of a kind of word: more of them say no more, and tweets have hardly more."""
OF_WORDS = "praise complaint praising complaining complaints courtesy nothing"
OF_WRITING = "exclamation question questions negations emphasis time days you why link"
COUNTS: Sequence[str] = (*OF_WORDS.split(), *OF_WRITING.split())


def count_in(text: str, cleaned: str, ngrams: AbstractSet[str], found: Sentiment) -> tuple[float, ...]:
    """Count in a text; in the order of COUNTS. `cleaned` is text.clean of it, `ngrams` are text.ngrams of that."""
    tone, complaints, questions = found.score, len(found.complaint), cleaned.count("?")
    return (
        max(tone, 0.0),
        max(-tone, 0.0),
        sqrt(found.praised),
        sqrt(found.complained),
        min(complaints, MOST),
        sqrt(found.courteous),
        not (complaints or found.praise),
        "!" in cleaned,
        questions > 0,
        min(questions, MOST),
        min(len(NEGATIONS & ngrams), MOST),
        min(len(EMPHASIS & ngrams), MOST),
        min(len(SINCE & ngrams), MOST),
        not DAYS.isdisjoint(ngrams),
        not YOU.isdisjoint(ngrams),
        "why" in ngrams,
        "http" in text,
    )
