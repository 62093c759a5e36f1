"""What a group is called without a model: the words that tell it from the other groups."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import log

from llm.discovery.texts import content_words

WORDS = 4
CANDIDATES = 40
EVERYWHERE = 0.5
"""A word of more than half of the groups tells none of them apart; that finds a language's stop words too."""
FEW_GROUPS = 4
"""With fewer, a word in half of them says something."""
_DULL_WORDS = """
ago again call check day days due exactly explain happen happened happening hour hours issue issues long longer make
minutes month months number people problem put question reason show start thing things time times today told tomorrow
week weeks work worked working works year years yesterday
"""
DULL = frozenset(_DULL_WORDS.split())
"""Words that are left to a pair: "card working" says something, "working" nothing."""


def terms(text: str) -> Iterator[str]:
    """The content words of a cleaned text, and the pairs of neighbours among them."""
    words = content_words(text)
    yield from words
    yield from map(" ".join, pairwise(words))


def distinguishing(
    texts: Mapping[int, Sequence[str]], people: Mapping[int, Sequence[int]], min_people: int
) -> dict[int, list[str]]:
    """At most four terms for each group, by class-based TF-IDF. `people` wrote the texts, one for one.

    A term counts only if as many different people used it: what one person wrote is nobody's topic, and stays where it
    can be erased. So a group can have none.
    """
    frequencies = {group: Counter(_all_terms(said)) for group, said in texts.items()}
    overall, spread = Counter[str](), Counter[str]()
    for counted in frequencies.values():
        overall.update(counted)
        spread.update(counted.keys())
    mean = sum(overall.values()) / max(1, len(texts))
    most = EVERYWHERE * len(texts) if len(texts) >= FEW_GROUPS else len(texts)

    def ranked(group: int) -> list[str]:
        scores = {
            term: count * log(1 + mean / overall[term])
            for term, count in frequencies[group].items()
            if count >= min_people and spread[term] <= most and term not in DULL and not term.isdecimal()
        }
        best = sorted(scores, key=lambda term: (-scores[term], term))[:CANDIDATES]
        return _chosen(_shared(best, texts[group], people[group], min_people))

    return {group: ranked(group) for group in texts}


def _all_terms(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from set(terms(text))


def _shared(
    candidates: Sequence[str], texts: Sequence[str], people: Sequence[int], min_people: int
) -> list[str]:
    users: dict[str, set[int]] = {term: set() for term in candidates}
    for text, person in zip(texts, people, strict=True):
        for term in users.keys() & set(terms(text)):
            users[term].add(person)
    return [term for term in candidates if len(users[term]) >= min_people]


def _chosen(ranked: Sequence[str]) -> list[str]:
    """The first four; a pair among them stands for its own words."""
    kept: list[str] = []
    for term in ranked:
        if not any(set(term.split()) <= set(other.split()) for other in kept):
            kept = [other for other in kept if not set(other.split()) < set(term.split())] + [term]
        if len(kept) == WORDS:
            break
    return kept
