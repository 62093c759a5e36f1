"""A conversation's text as analyzers see it: transcript, excerpt, cache key, and what needs no analysis."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

MAX_ANALYSED = 12_000
HEAD, TAIL = 4_000, 8_000
MARK = "[...]"
MIN_WORTH_ASKING = 20

URL = re.compile(r"(?:https?://|www\.)\S+")
MENTION = re.compile(r"@\w+")
SPACE = re.compile(r"\s+")
NOT_A_WORD = re.compile(r"[\W_]+")
THANKFUL = frozenset(
    {"thanks", "thank", "thankyou", "thx", "ty", "tysm", "cheers", "appreciate", "appreciated"}
)
AROUND_THANKS = re.compile(
    r"ok|okay|great|cool|perfect|awesome|so|very|much|a|lot|lots|many|again|for|you|your|the|help|it|that"
    r"|all|done|sorted|now|fixed|will|do|got|guys|really|kindly|this|too|have|nice|good|day"
)

Turn = tuple[str | None, str]
"""A role (`customer`, `support_agent` or unknown) and what was said."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is sent of a conversation, and whether that is not all of it."""

    text: str
    partial: bool


def line(turn: Turn) -> str:
    """One turn of a transcript. Who is not said to be an agent counts as a customer."""
    role, said = turn
    return f"{'agent' if role == 'support_agent' else 'customer'}: {said}"


def transcript(turns: Iterable[Turn]) -> str:
    """One line a turn, in order."""
    return "\n".join(line(turn) for turn in turns)


def excerpt(text: str) -> Excerpt:
    """The text of a conversation of one piece, its middle left out where it is long."""
    if len(text) <= MAX_ANALYSED:
        return Excerpt(text, partial=False)
    return Excerpt(f"{text[:HEAD]}\n{MARK}\n{text[-TAIL:]}", partial=True)


def excerpt_of_turns(turns: Sequence[Turn]) -> Excerpt:
    """The transcript, cut at turns where it is long: its first 4,000 characters and its last 8,000."""
    lines = [line(turn) for turn in turns]
    if sum(map(len, lines)) + len(lines) - 1 <= MAX_ANALYSED:
        return Excerpt("\n".join(lines), partial=False)
    head = lines[: _fitting(lines, HEAD)] or [lines[0][:HEAD]]
    tail = lines[len(lines) - _fitting(lines[::-1], TAIL) :] or [lines[-1][-TAIL:]]
    return Excerpt("\n".join([*head, MARK, *tail]), partial=True)


def _fitting(lines: Iterable[str], limit: int) -> int:
    return len(list(takewhile(lambda size: size <= limit, accumulate(len(each) + 1 for each in lines))))


def normalised(text: str) -> str:
    """The text without what does not change its meaning: case, white space, @mentions and URLs."""
    return SPACE.sub(" ", MENTION.sub("", URL.sub("", text))).strip().casefold()


def cache_key(text: str, version: str) -> bytes:
    """SHA-256 of the normalised text and of `version`, which names who is asked and how."""
    return hashlib.sha256(f"{version}\0{normalised(text)}".encode()).digest()


def why_not_worth_asking(said: Sequence[str]) -> str | None:
    """The prefilter: the reason why these texts, as sent, need no analysis, or None.

    The reasons are `too_short`, `only_links_and_mentions` and `thanks`; they label a metric.
    """
    words = normalised(" ".join(said))
    if not NOT_A_WORD.sub("", words) and any(MENTION.search(text) or URL.search(text) for text in said):
        return "only_links_and_mentions"
    if sum(map(len, said)) < MIN_WORTH_ASKING:
        return "too_short"
    tokens = set(NOT_A_WORD.sub(" ", words).split())
    boilerplate = all(AROUND_THANKS.fullmatch(token) for token in tokens - THANKFUL)
    return "thanks" if tokens & THANKFUL and boilerplate else None
