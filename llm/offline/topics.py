"""Topics without a model: which of them a text is about by the phrases in it, the most specific one first."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache

from llm.offline.text import phrases
from llm.offline.topic_rules import RULES

MOST_TOPICS = 4
CLEARLY = 0.4  # share of the best topic's phrases; a topic with fewer is only mentioned in passing

# The topics used if no other is found. Thanks in a complaint are politeness, not praise.
PRAISE, COMPLAINT, QUESTION = "praise", "complaint_other", "information_request"
OTHER, OTHER_LANGUAGE = "other", "other_language"
"""The analyzer's own topics, in no list: nothing was recognised, and a text in a language that it does not know."""

# Which topic comes first, a line's before all later ones: what happened, what it was about, the means, the manner.
# Within a line the topic with more matching phrases, then the earlier one. The order of the lines was learnt on half
# of the labelled complaints: the first topic is right for 0.567 of them, for 0.589 of the other half, and for 0.494 and
# 0.520 if the number of phrases alone decides.
SPECIFIC_FIRST = """
cancellation lost_or_damaged_item delivery_problems product_defect account_access
delay customer_service product_quality billing refund
booking pricing
staff_behaviour waiting_time
technical_issue service_outage
praise feature_request information_request complaint_other
"""

# A question that nothing else tells about: a question word or an inverted verb begins it. A mark alone asks nothing.
ASKS = re.compile(
    r"(?:^|[.!?,;:\n]|\b(?:and|but|so|hi|hello|hey|ok|okay|please)\b)\s*"
    r"(?:who|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|will|would|should|may|has|have"
    r"|any(?:one|body)?)\b[^.!?\n]{3,200}\?",
    re.IGNORECASE,
)

# Phrases that are no wait for anything, unless one of the second line stands there too.
EAGER = "can't|cant|cannot|couldn't|couldnt|not wait"
IMPATIENT = "wait any|anymore|another|forever|here|in|longer|much|on|that|this"


def find_topics(cleaned: str, ngrams: set[str], sentiment: int, topics: Mapping[str, str]) -> tuple[str, ...]:
    """Return one to MOST_TOPICS slugs of `topics`, the most specific first.

    `cleaned` is the text (text.clean), `ngrams` are its phrases, `sentiment` is 1, 0 or -1. If nothing matches: the
    topic for praise, for a question or for any other complaint, and OTHER for a text that takes no side and asks
    nothing. If an operator's own list lacks that topic, its last one. An operator's own topic has no rules here; the
    words of its slug are matched instead.
    """
    if "wait" in ngrams and _is_eager(ngrams):
        ngrams = ngrams - {"wait"}
    rules, ruled = _rules(), _slugs()
    found = Counter(topic for phrase in rules.keys() & ngrams for topic in rules[phrase] if topic in topics)
    if not topics.keys() <= ruled:
        found.update(slug for slug in topics if slug not in ruled and ngrams.issuperset(slug.split("_")))
    if sentiment <= 0:
        del found[PRAISE]
    enough = CLEARLY * max(found.values(), default=0)
    best = sorted((slug for slug in found if found[slug] >= enough), key=lambda slug: (-found[slug], slug))
    return _specific_first(best[:MOST_TOPICS], found) or (_fallback(cleaned, sentiment, topics),)


def _is_eager(ngrams: set[str]) -> bool:
    return not _phrases(EAGER).isdisjoint(ngrams) and _phrases(IMPATIENT).isdisjoint(ngrams)


def _specific_first(best: list[str], found: Mapping[str, int]) -> tuple[str, ...]:
    """An operator's own topics before all others: their words are not said in passing."""
    if len(best) < 2:
        return tuple(best)
    places = _places()

    def rank(slug: str) -> tuple[int, int, int]:
        line, place = places.get(slug, (-1, 0))
        return line, -found[slug], place

    return tuple(sorted(best, key=rank))


def _fallback(cleaned: str, sentiment: int, topics: Mapping[str, str]) -> str:
    slug = {1: PRAISE, 0: QUESTION if ASKS.search(cleaned) else OTHER, -1: COMPLAINT}[sentiment]
    return slug if slug in topics or (slug == OTHER and COMPLAINT in topics) else list(topics)[-1]


@cache
def _places() -> Mapping[str, tuple[int, int]]:
    """The line and the place in it of each topic in SPECIFIC_FIRST."""
    lines = SPECIFIC_FIRST.strip().splitlines()
    return {
        slug: (line, place) for line, slugs in enumerate(lines) for place, slug in enumerate(slugs.split())
    }


@cache
def _phrases(rule: str) -> frozenset[str]:
    return frozenset(phrases(rule))


def _paragraphs() -> list[str]:
    return RULES.strip().split("\n\n")


@cache
def _slugs() -> frozenset[str]:
    return frozenset((COMPLAINT, *(paragraph.split(maxsplit=1)[0] for paragraph in _paragraphs())))


@cache
def _rules() -> Mapping[str, tuple[str, ...]]:
    rules: dict[str, tuple[str, ...]] = {}
    for slug, *lines in map(str.splitlines, _paragraphs()):
        for phrase in {phrase for line in lines for phrase in phrases(line)}:
            rules[phrase] = (*rules.get(phrase, ()), slug)
    return rules
