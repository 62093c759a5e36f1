"""Text preparation for the offline analyzer: the customer's words, cleaning, n-grams, and the notation of rules."""

import html
import re
from collections.abc import Iterator
from itertools import pairwise, product

TURN = re.compile(r"^(customer|agent): ", re.MULTILINE)
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
LINK_MENTION_OR_GREETING = re.compile(
    r"https?://\S+|www\.\S+|@\w+|[Gg]ood (?:[Mm]orning|[Aa]fternoon|[Ee]vening|[Dd]ay)\b"
)
HASHTAG = re.compile(r"#(\w+)")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
RUN_TOGETHER = re.compile(
    "unhappy|happy|never|not|worst|best|bad|good|great|fails?|sucks?|love|angry|terrible|horrible|awesome"
    "|thank|amazing|again|fly|service|customer|help|ridiculous|disappointed|frustrated|stranded|delayed",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+")
PLAIN_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "`": "'", "\u201c": " ", "\u201d": " ", '"': " "})


def customer_words(text: str) -> str:
    """The customer's turns of a transcript; the whole text if it has none."""
    if "customer: " not in text:
        return text
    turns = TURN.split(text)[1:]
    of_customer = [words for role, words in zip(turns[::2], turns[1::2], strict=True) if role == "customer"]
    return "\n".join(of_customer) or text


def agent_words(text: str) -> str:
    """The agent's turns of a transcript; nothing if it has none."""
    turns = TURN.split(text)[1:]
    return "\n".join(words for role, words in zip(turns[::2], turns[1::2], strict=True) if role == "agent")


def clean(text: str) -> str:
    r"""Remove links, @mentions and greetings, and expand entities, \u escapes and #tags.

    A handle is a name and "good morning" is politeness: neither carries sentiment.
    """
    if "\\u" in text:
        text = ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
    if "&" in text:
        text = html.unescape(text)
    text = LINK_MENTION_OR_GREETING.sub(" ", text.translate(PLAIN_QUOTES))
    return HASHTAG.sub(_expand_tag, text) if "#" in text else text


def _expand_tag(tag: re.Match[str]) -> str:
    words = CAMEL.sub(" ", tag[1]).lower()
    return words if " " in words else RUN_TOGETHER.sub(r" \g<0> ", words)


def ngrams(cleaned: str) -> set[str]:
    """All words, pairs and triples of words in lower case, joined by one space."""
    words = WORD.findall(cleaned.lower())
    triples = zip(words, words[1:], words[2:], strict=False)
    return {*words, *map(" ".join, pairwise(words)), *map(" ".join, triples)}


def phrases(rule: str) -> Iterator[str]:
    """Expand a rule to its phrases. Spaces separate its slots, bars the choices in a slot.

    `no|zero reply|help` expands to "no reply", "no help", "zero reply" and "zero help".
    """
    return map(" ".join, product(*(slot.split("|") for slot in rule.split())))
