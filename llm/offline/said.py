"""The sentences of a chat, with what the rules of summaries need to know about each."""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from domain.summaries import MAX_ITEM, MAX_QUOTE
from llm.offline.stop_words import STOP_WORDS
from llm.offline.text import WORD, clean

SENTENCE_END = re.compile(r"(?<=[.!?\u2026])\s+|\n+")
STEMS_REMEMBERED = 50_000

ADDRESSED = re.compile(r"^(?:[\s.]*@\w+)+[\s:,-]*")
SIGNED = re.compile(r"(?:\s+[-^*/]\s?[A-Z][A-Za-z]{0,12}\.?|\s+\(?\d/\d\)?)+$")
LINK = re.compile(r"\s*https?://\S+")


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, and where and by whom it was said."""

    position: int
    is_agent: bool
    text: str
    words: tuple[str, ...] = field(compare=False)
    """Its words in lower case, without links and mentions."""

    @property
    def shown(self) -> str:
        """The sentence without links, whom it is addressed to and who signed it; as it stands if nothing is left."""
        bare = SIGNED.sub("", LINK.sub("", ADDRESSED.sub("", self.text))).strip()
        return html.unescape(bare or self.text)

    @property
    def item(self) -> dict[str, object]:
        """The sentence as an item of a summary; its quote is its own beginning."""
        return {"text": self.shown[:MAX_ITEM], "positions": [self.position], "quote": self.text[:MAX_QUOTE]}

    @property
    def asks(self) -> bool:
        """Whether it ends with a question mark and has words before it."""
        return bool(self.words) and self.shown.endswith("?")

    @property
    def meaning(self) -> frozenset[str]:
        """The stems of its words that mean something."""
        return frozenset(stem(word) for word in self.words if word not in STOP_WORDS)


def sentences(messages: Iterable[Mapping[str, Any]]) -> Iterator[Said]:
    """The sentences of messages of a document (`domain.summaries.Message.document`), in order."""
    for message in messages:
        for text in map(str.strip, SENTENCE_END.split(message["text"])):
            if text:
                yield Said(message["position"], message["role"] == "support_agent", text, _words(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in WORD.findall(clean(text)))


def stems(said: Iterable[Said]) -> Counter[str]:
    """How often each word came that means something, whatever its ending."""
    return Counter(stem(word) for each in said for word in each.words if word not in STOP_WORDS)


@lru_cache(STEMS_REMEMBERED)
def stem(word: str) -> str:
    """The word without its ending, by Snowball's rules for English."""
    return _stemmer()(word)


@cache
def _stemmer() -> Callable[[str], str]:
    # Here, because it takes 3 MB that a child which never summarises can do without.
    from snowballstemmer.english_stemmer import EnglishStemmer

    stem_word: Callable[[str], str] = EnglishStemmer().stemWord
    return stem_word
