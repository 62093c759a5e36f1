"""A summary without a model: sentences of the chat itself, items by simple rules. Nothing in it is invented.

Luhn's measure tells which sentences say most. A word is significant if its stem comes more than once in the
sentences to choose from, stop words aside.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import chain
from typing import Any

from domain.analysis import SCORE_UNIT, sentiment_of
from domain.summaries import ITEMS, MAX_ITEM, MAX_ITEMS, MAX_QUOTE, MAX_SUMMARY
from llm.offline.luhn import luhn_score
from llm.offline.sentiment import sentiment
from llm.offline.stop_words import STOP_WORDS
from llm.offline.text import WORD, clean, ngrams

Json = Mapping[str, Any]

SENTENCE_END = re.compile(r"(?<=[.!?\u2026])\s+|\n+")
LONGEST_LINE = 280
MOST_LINES = MAX_SUMMARY // (LONGEST_LINE + len("Customer: \n"))
FEWEST_WORDS = 5
"""Of a sentence that can stand for others: "Any news?" says nothing by itself."""
PICKED_OF_EACH = 2
"""Sentences of the customer's and of the agent's, beside the customer's first.

Against the public summaries of 300 dialogs, word overlap (ROUGE-1, F) with four sentences: 0.57; random ones 0.35,
the first ones 0.55, the densest of all 0.52.
"""
MOST_KEYWORDS = 8
STEMS_REMEMBERED = 50_000
SHORTEST_KEYWORD = 3

APOSTROPHE = "['\u2019]"
PROMISE = re.compile(
    rf"\b(?:I|we)(?:{APOSTROPHE}ll| will|(?: am| are|{APOSTROPHE}m|{APOSTROPHE}re) going to)\b", re.I
)
REQUEST = re.compile(r"\b(?:please|kindly) (?!do not|don|accept|note|be aware|excuse|forgive|help)\w+", re.I)
DONE = (
    r"refunded|cancell?ed|replaced|credited|escalated|issued|approved|booked|rebooked|arranged|reset|resolved"
    r"|removed|reported|confirmed|forwarded"
)
DECISION = re.compile(
    rf"\b(?:I|we)(?: have|{APOSTROPHE}ve)? (?:{DONE})\b|\b(?:has|have) been (?:{DONE})\b|\b(?:agreed|decided)\b",
    re.I,
)
THANKS = re.compile(r"\b(?:thanks|thank you|thx|cheers|sorted|solved|works now|fixed)\b", re.I)
BANDS = {1: "positive", 0: "neutral", -1: "negative"}


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, and where and by whom it was said."""

    position: int
    is_agent: bool
    text: str
    words: Sequence[str] = field(compare=False)
    """Its words in lower case, without links and mentions."""

    @property
    def item(self) -> dict[str, object]:
        """The sentence as an item of a summary; its quote is its own beginning."""
        return {"text": self.text[:MAX_ITEM], "positions": [self.position], "quote": self.text[:MAX_QUOTE]}


def summarise(document: Json) -> dict[str, object]:
    """An answer to `summaries.Material.document`; the same for the same document, always."""
    if "parts" in document:
        return _merged(document["parts"])
    messages = document["messages"]
    said = list(_sentences(messages))
    return {
        "summary": _summary(said),
        "action_items": _items(
            s for s in said if s.is_agent and (PROMISE.search(s.text) or REQUEST.search(s.text))
        ),
        "decisions": _items(s for s in said if DECISION.search(s.text)),
        "questions": _questions(said),
        "sentiment": BANDS[_felt(m["text"] for m in messages if m["role"] == "customer")],
        "outcome": _outcome(said),
        "keywords": _keywords(said),
    }


def _sentences(messages: Iterable[Json]) -> Iterator[Said]:
    for message in messages:
        for text in map(str.strip, SENTENCE_END.split(message["text"])):
            if text:
                yield Said(message["position"], message["role"] == "support_agent", text, _words(text))


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(clean(text))]


def _felt(texts: Iterable[str]) -> int:
    cleaned = clean("\n".join(texts))
    return sentiment_of(round(sentiment(cleaned, ngrams(cleaned)).score * SCORE_UNIT))


# --- the text -----------------------------------------------------------------------------------------------


def _summary(said: Sequence[Said]) -> str:
    picked = _picked(said) or said[:1]
    return _bounded(_line(each) for each in picked) or "Nothing was said in words."


def _picked(said: Sequence[Said]) -> list[Said]:
    """What the customer came with, and the densest sentences of either side, in order."""
    full = [each for each in said if len(each.words) >= FEWEST_WORDS]
    customer = [each for each in full if not each.is_agent]
    agent = [each for each in full if each.is_agent]
    chosen = {*customer[:1], *_densest(customer[1:]), *_densest(agent)}
    return [each for each in full if each in chosen]


def _line(said: Said) -> str:
    return f"{'Agent' if said.is_agent else 'Customer'}: {said.text[:LONGEST_LINE]}"


def _bounded(lines: Iterable[str]) -> str:
    """As many whole lines as fit."""
    text = ""
    for line in lines:
        longer = f"{text}\n{line}" if text else line
        if len(longer) > MAX_SUMMARY:
            break
        text = longer
    return text


def _densest(said: Sequence[Said]) -> list[Said]:
    significant = {stem for stem, count in _stems(said).items() if count > 1}
    density = [luhn_score(_stem(word) in significant for word in each.words) for each in said]
    best = sorted(range(len(said)), key=lambda at: density[at], reverse=True)[:PICKED_OF_EACH]
    return [said[at] for at in best]


def _stems(said: Iterable[Said]) -> Counter[str]:
    """How often each word came that means something, whatever its ending."""
    words = chain.from_iterable(each.words for each in said)
    return Counter(_stem(word) for word in words if word not in STOP_WORDS)


@lru_cache(STEMS_REMEMBERED)
def _stem(word: str) -> str:
    return _stemmer()(word)


@cache
def _stemmer() -> Callable[[str], str]:
    # Here, because it takes 3 MB that a child which never summarises can do without.
    from snowballstemmer.english_stemmer import EnglishStemmer

    stem: Callable[[str], str] = EnglishStemmer().stemWord
    return stem


# --- the items ----------------------------------------------------------------------------------------------


def _items(said: Iterable[Said]) -> list[dict[str, object]]:
    """The newest, if there are too many: what is old is likelier to be settled."""
    return [each.item for each in said][-MAX_ITEMS:]


def _questions(said: Sequence[Said]) -> list[dict[str, object]]:
    """What ends with a question mark; it counts as answered if the other side has said anything since."""
    last = {each.is_agent: each.position for each in said}
    return [
        {**each.item, "answered": last.get(not each.is_agent, 0) > each.position}
        for each in said
        if each.text.endswith("?")
    ][-MAX_ITEMS:]


def _outcome(said: Sequence[Said]) -> str:
    customer = [each for each in said if not each.is_agent]
    if not customer:
        return "maybe"
    last = [each.text for each in customer if each.position == customer[-1].position]
    felt = _felt(last)
    if felt >= 0 and THANKS.search(" ".join(last)):
        return "yes"
    if felt < 0:
        return "no"
    return "curious" if all(each.text.endswith("?") for each in customer) else "maybe"


def _keywords(said: Sequence[Said]) -> list[str]:
    """The most frequent words that mean something, in the form in which each came most often."""
    forms: dict[str, Counter[str]] = {}
    for word in chain.from_iterable(each.words for each in said):
        if len(word) >= SHORTEST_KEYWORD and word.isalpha() and word not in STOP_WORDS:
            forms.setdefault(_stem(word), Counter())[word] += 1
    often = sorted(forms.values(), key=Counter.total, reverse=True)
    return [counts.most_common(1)[0][0] for counts in often[:MOST_KEYWORDS]]


# --- several parts ------------------------------------------------------------------------------------------


def _merged(parts: Sequence[Json]) -> dict[str, object]:
    """One answer for several: a fair share of each, the end's outcome, the feeling of most."""
    shown = [parts[at] for at in _spread(len(parts), MOST_LINES)]
    feelings = Counter(part["sentiment"] for part in parts)
    words = _fair_share([part["keywords"] for part in parts], MOST_KEYWORDS * len(parts))
    return {
        "summary": _bounded(_fair_share([part["summary"].splitlines() for part in shown], MOST_LINES)),
        **{name: _newest(parts, name) for name in ITEMS},
        "sentiment": max(parts, key=lambda part: feelings[part["sentiment"]])["sentiment"],
        "outcome": parts[-1]["outcome"],
        "keywords": [word for word, _ in Counter(words).most_common(MOST_KEYWORDS)],
    }


def _newest(parts: Sequence[Json], name: str) -> list[Any]:
    items = _fair_share([part[name][::-1] for part in parts], MAX_ITEMS)
    return sorted(items, key=lambda item: item["positions"])


def _spread(count: int, most: int) -> list[int]:
    """Up to `most` of so many numbers, evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(step * (count - 1) / (most - 1)) for step in range(most)]


def _fair_share(lists: Sequence[Sequence[Any]], most: int) -> list[Any]:
    """The first of each, then the second of each, up to `most`; in the order of the lists."""
    ranks = sorted((rank, number) for number, each in enumerate(lists) for rank in range(len(each)))
    return [lists[number][rank] for number, rank in sorted((number, rank) for rank, number in ranks[:most])]
