"""A summary without a model: sentences of the chat itself, items by simple rules. Nothing in it is invented.

Luhn's measure tells which sentences say most. A word is significant if its stem comes more than once in the
sentences to choose from, stop words aside. How the chat ended is always in it.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from domain.summaries import ITEMS, MAX_ITEMS, MAX_SUMMARY
from llm.offline.items import action_items, decisions, felt, outcome, questions
from llm.offline.luhn import luhn_score
from llm.offline.said import Said, sentences, stem, stems
from llm.offline.stop_words import STOP_WORDS

Json = Mapping[str, Any]

PICKED_OF_EACH = 2
"""Sentences of the customer's and of the agent's, beside the first and the ends.

Against the public summaries of 300 dialogs, word overlap (ROUGE-1, F): 0.60, with one of each 0.58; random sentences
0.35, the first ones 0.55.
"""
MOST_LINES = 3 + 2 * PICKED_OF_EACH
LONGEST_LINE = MAX_SUMMARY // MOST_LINES - 1
FEWEST_WORDS = 5
"""Of a sentence that can stand for others: "Any news?" says nothing by itself."""
FEWEST_TOLD = 3
"""Of a last word that says more than courtesy does: less is often a signature."""
MOST_KEYWORDS = 8
SHORTEST_KEYWORD = 3
COURTESY = re.compile(
    r"\b(?:sorry|apologi[sz]e|apologies|thank you|thanks|regret|inconvenience|happy to|glad to|love to|here to help"
    r"|here for you|be here|reaching out|if you have|(?:kind|best) regards|have a (?:good|great|nice|lovely))\b",
    re.I,
)
BANDS = {1: "positive", 0: "neutral", -1: "negative"}


def summarise(document: Json) -> dict[str, object]:
    """An answer to `summaries.Material.document`; the same for the same document, always."""
    if "parts" in document:
        return _merged(document["parts"])
    messages = document["messages"]
    said = list(sentences(messages))
    return {
        "summary": _summary(said),
        "action_items": action_items(said),
        "decisions": decisions(said),
        "questions": questions(said),
        "sentiment": BANDS[felt(m["text"] for m in messages if m["role"] == "customer")],
        "outcome": outcome(said),
        "keywords": _keywords(said),
    }


# --- the text -----------------------------------------------------------------------------------------------


def _summary(said: Sequence[Said]) -> str:
    picked = _picked(said) or said[:1]
    return "\n".join(map(_line, picked)) or "Nothing was said in words."


def _picked(said: Sequence[Said]) -> list[Said]:
    """What the customer came with, the densest sentence of either side, and how it ended, in order."""
    full = [each for each in said if len(each.words) >= FEWEST_WORDS]
    customer = [each for each in full if not each.is_agent]
    agent = [each for each in full if each.is_agent]
    telling = [each for each in agent if not COURTESY.search(each.text) and not each.asks] or agent
    chosen = {*customer[:1], *_densest(customer[1:]), *_densest(telling), *_ends(said)}
    return [each for each in said if each in chosen]


def _ends(said: Sequence[Said]) -> list[Said]:
    """Of each side's last message the sentence that says most."""
    last = {each.is_agent: each.position for each in said if any(map(str.isalpha, each.words))}
    return [
        max((each for each in said if each.position == position), key=_told) for position in last.values()
    ]


def _told(said: Said) -> tuple[bool, int]:
    """A rank: courtesy after everything else, then by the number of words."""
    return len(said.words) >= FEWEST_TOLD and not COURTESY.search(said.text), len(said.words)


def _line(said: Said) -> str:
    return _cut(f"{'Agent' if said.is_agent else 'Customer'}: {said.shown}")


def _cut(line: str) -> str:
    """The line, or the whole words of it that fit, so that the last line of a summary always fits as well."""
    if len(line) <= LONGEST_LINE:
        return line
    kept = line[: LONGEST_LINE - 1]
    return (kept.rsplit(" ", 1)[0] if " " in kept[LONGEST_LINE // 2 :] else kept) + "\u2026"


def _densest(said: Sequence[Said]) -> list[Said]:
    significant = {root for root, count in stems(said).items() if count > 1}
    density = [luhn_score(stem(word) in significant for word in each.words) for each in said]
    best = sorted(range(len(said)), key=lambda at: density[at], reverse=True)[:PICKED_OF_EACH]
    return [said[at] for at in best]


def _keywords(said: Sequence[Said]) -> list[str]:
    """The most frequent words that mean something, in the form in which each came most often."""
    forms: dict[str, Counter[str]] = {}
    for word in chain.from_iterable(each.words for each in said):
        if len(word) >= SHORTEST_KEYWORD and word.isalpha() and word not in STOP_WORDS:
            forms.setdefault(stem(word), Counter())[word] += 1
    often = sorted(forms.values(), key=Counter.total, reverse=True)
    return [counts.most_common(1)[0][0] for counts in often[:MOST_KEYWORDS]]


# --- several parts ------------------------------------------------------------------------------------------


def _merged(parts: Sequence[Json]) -> dict[str, object]:
    """One answer for several: a fair share of each, the end and its outcome, the feeling of most."""
    feelings = Counter(part["sentiment"] for part in parts)
    words = _fair_share([part["keywords"] for part in parts], MOST_KEYWORDS * len(parts))
    return {
        "summary": "\n".join(map(_cut, _merged_lines([part["summary"].splitlines() for part in parts]))),
        **{name: _newest(parts, name) for name in ITEMS},
        "sentiment": max(parts, key=lambda part: feelings[part["sentiment"]])["sentiment"],
        "outcome": parts[-1]["outcome"],
        "keywords": [word for word, _ in Counter(words).most_common(MOST_KEYWORDS)],
    }


def _merged_lines(lines: Sequence[Sequence[str]]) -> Sequence[str]:
    *before, last = (lines[at] for at in _spread(len(lines), MOST_LINES))
    return [*_fair_share([*before, last[:-1]], MOST_LINES - 1), *last[-1:]]


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
