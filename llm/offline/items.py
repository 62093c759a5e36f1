"""What a summary lists of a chat, by rules: promises, decisions, questions, and how the customer left."""

import re
from collections.abc import Iterable, Sequence

from domain.analysis import SCORE_UNIT, sentiment_of
from domain.summaries import MAX_ITEMS
from llm.offline.said import Said
from llm.offline.sentiment import sentiment
from llm.offline.text import clean, ngrams

APOSTROPHE = "['\u2019]"
_WILL = rf"(?:{APOSTROPHE}ll| will)"
_ADVERB = r"(?: (?:also|certainly|definitely|gladly|just|now|surely|then))*"
_POLITE = (
    r"be (?:able|around|glad|happy|here|more than|sorry|waiting)|continue to be|do our best|ensure|have more|have to"
    r"|hope|love|miss|need|never|not|require|see you|wait|want"
)
_WRITES = (
    r"call|contact|e-?mail|follow|get back|get in touch|be in touch|investigate|look|reach|refund|reply|respond|review"
    r"|send|update"
)
_WORKS = (
    r"arranging|chasing|checking|contacting|escalating|forwarding|investigating|looking into|looping|passing"
)
PROMISE = re.compile(
    rf"\b(?:I|we)(?:{_WILL}|(?: am| are|{APOSTROPHE}m|{APOSTROPHE}re) going to){_ADVERB} (?!(?:{_POLITE})\b)\w"
    rf"|\b(?:agents?|colleagues?|experts?|managers?|someone|specialists?|team|they){_WILL}{_ADVERB}"
    rf" (?:be )?(?:{_WRITES})"
    rf"|\byou{_WILL}{_ADVERB} (?:get|hear|receive|be (?:called|contacted|credited|notified|refunded))\b"
    rf"|(?:^|[,;:&] |\band )will{_ADVERB} (?:let you know|(?:{_WRITES}|check|escalate|forward|pass|share)\b)"
    rf"|\b(?:I|we)(?: am| are|{APOSTROPHE}m|{APOSTROPHE}re)(?: \w+)? (?:{_WORKS})\b"
    r"|\blet me (?:check|find|get|have|look|pass|see|take)\b",
    re.I,
)
"""What an agent says that somebody does next."""
CONDITION = re.compile(
    r"\b(?:hopefully|if|unable|unless|whether|so (?:that )?(?:I|we)|(?:after|as soon as|once|when) (?:you|your|the))\b",
    re.I,
)
REQUEST = re.compile(
    r"\b(?:please|pls|kindly|(?:chat with|contact|follow|reach out to) us|DM(?: us| me)?|let (?:us|me) know"
    r"|(?:give|send|show|share with|tell) (?:us|me)|(?:can|could|would) (?:I|we|you))\b",
    re.I,
)

DONE = (
    r"refunded|cancell?ed|replaced|credited|escalated|issued|approved|booked|rebooked|arranged|reset|resolved"
    r"|removed|reported|confirmed|forwarded|passed|logged|raised|added|processed"
)
_BY_THE_WAY = r"(?: (?:already|also|just|now|since))?"
DECISION = re.compile(
    rf"\b(?:I|we)(?: have|{APOSTROPHE}ve)?{_BY_THE_WAY} (?:{DONE})\b"
    rf"|(?:\bhas|\bhave|{APOSTROPHE}s|{APOSTROPHE}ve){_BY_THE_WAY} been (?:{DONE})\b"
    r"|^agreed\b|\b(?:has|have|I|was|we)(?: been)? (?:agreed|decided)\b",
    re.I,
)

PLAIN_ANSWER = re.compile(
    r"^(?:yes|yeah|yep|yup|no|nope|not yet|sure|correct|done|of course|unfortunately|I (?:am|can|did|do|have)"
    rf"(?:n{APOSTROPHE}t| not)?)\b",
    re.I,
)
WANTS_YES_OR_NO = re.compile(
    r"(?:^|\b(?:and|but|ok|okay|or|so|well)\b|[,:;-] ?)\s*"
    r"(?:are|can|could|did|do|does|had|has|have|is|was|were|will|would)\b",
    re.I,
)
ANSWERS_WITHIN = 3
"""Messages of the other side after a question in which its answer is looked for."""
FEWEST_WORDS_ASKED = 2

THANKS = re.compile(r"\b(?:thanks|thank you|thx|ty|cheers|perfect|appreciate)\b", re.I)
SOLVED = re.compile(
    r"\b(?:sorted|solved|fixed|resolved|works|working|all good|all set|did the trick|(?:has |have )?arrived|got it)\b",
    re.I,
)
UNSOLVED = re.compile(
    rf"\b(?:but|get|hope|hopefully|if|needs?|never|no|not|nothing|still|stopped|until|want|when|yet|\w+n{APOSTROPHE}?t)\b",
    re.I,
)
WAITS = re.compile(rf"\b(?:as usual|but|forward to|however|still|waiting|I{_WILL})\b", re.I)
"""In a message with thanks: the customer waits for something, or has it still to do."""
LAST_TURNS = 2
"""Messages of the customer from which the outcome is read."""


def action_items(said: Iterable[Said]) -> list[dict[str, object]]:
    """The agent's promises. What the agent asks for, or would do on a condition, is none."""
    return _newest(each for each in said if each.is_agent and is_promise(each.shown))


def is_promise(text: str) -> bool:
    """Whether a sentence says what its side does next, come what may."""
    found = PROMISE.search(text)
    return (
        found is not None
        and not text.endswith("?")
        and not CONDITION.search(text)
        and not REQUEST.search(text[: found.start()])
    )


def decisions(said: Iterable[Said]) -> list[dict[str, object]]:
    """What the agent says was done or agreed."""
    return _newest(each for each in said if each.is_agent and _is_decision(each.shown))


def _is_decision(text: str) -> bool:
    return not text.endswith("?") and not CONDITION.search(text) and DECISION.search(text) is not None


def questions(said: Sequence[Said]) -> list[dict[str, object]]:
    """What was asked, and whether it was answered."""
    asked = [each for each in said if each.asks and len(each.words) >= FEWEST_WORDS_ASKED]
    return [{**each.item, "answered": is_answered(each, said)} for each in asked][-MAX_ITEMS:]


def is_answered(question: Said, said: Sequence[Said]) -> bool:
    """Whether the other side soon says something that shares a word with the question, or plainly yes or no to it.

    What it asks in return answers nothing. A question of stop words alone ("Where is it?") shares any word.
    """
    replies = _replies(question, said)
    asked = question.meaning
    shares = (asked & each.meaning if asked else {*question.words} & {*each.words} for each in replies)
    wants_yes = WANTS_YES_OR_NO.search(question.shown) is not None
    return any(shares) or (wants_yes and any(PLAIN_ANSWER.match(each.shown) for each in replies))


def _replies(question: Said, said: Sequence[Said]) -> list[Said]:
    after = [
        each for each in said if each.position > question.position and each.is_agent != question.is_agent
    ]
    near = list(dict.fromkeys(each.position for each in after))[:ANSWERS_WITHIN]
    return [each for each in after if each.position in near and not each.asks and not _is_request(each)]


def _is_request(said: Said) -> bool:
    return said.is_agent and REQUEST.search(said.shown) is not None


def outcome(said: Sequence[Said]) -> str:
    """How the case stands, by the customer's last messages and what the agent still wants or does."""
    customer = [each for each in said if not each.is_agent]
    if not customer:
        return "maybe"
    turns = list(dict.fromkeys(each.position for each in customer))[-LAST_TURNS:]
    last = [each for each in customer if each.position == turns[-1]]
    is_open = _is_pending(said, turns[-1]) or any(REQUEST.search(each.shown) for each in last)
    if _is_solved(last) or (not is_open and _is_thankful(last)):
        return "yes"
    recent = (
        last if any(each.asks for each in last) else [each for each in customer if each.position in turns]
    )
    if not (is_open or _is_helping(said, last)) and felt(each.text for each in recent) < 0:
        return "no"
    return "curious" if all(each.text.endswith("?") for each in customer) else "maybe"


def _is_solved(last: Iterable[Said]) -> bool:
    return any(
        SOLVED.search(each.shown) and not UNSOLVED.search(each.shown) and not each.asks for each in last
    )


def _is_thankful(last: Sequence[Said]) -> bool:
    """Whether the customer gives thanks, and neither complains nor asks nor waits for more."""
    return (
        any(THANKS.search(each.shown) for each in last)
        and not any(each.asks or WAITS.search(each.shown) for each in last)
        and felt(each.text for each in last) >= 0
    )


def _is_helping(said: Sequence[Said], last: Sequence[Said]) -> bool:
    """Whether the customer's last message, without a complaint, does what the agent asked for just before."""
    before = [each.position for each in said if each.is_agent and each.position < last[0].position]
    asked = [each for each in said if before and each.position == before[-1]]
    return (
        any(each.asks or REQUEST.search(each.shown) for each in asked)
        and felt(each.text for each in last) >= 0
    )


def _is_pending(said: Sequence[Said], position: int) -> bool:
    """Whether the agent asks for something or promises something after the customer's last message."""
    after = [each for each in said if each.is_agent and each.position > position]
    return any(each.asks or is_promise(each.shown) or REQUEST.search(each.shown) for each in after)


def felt(texts: Iterable[str]) -> int:
    """The band of the sentiment of all texts together: 1, 0 or -1."""
    cleaned = clean("\n".join(texts))
    return sentiment_of(round(sentiment(cleaned, ngrams(cleaned)).score * SCORE_UNIT))


def _newest(said: Iterable[Said]) -> list[dict[str, object]]:
    """The newest, if there are too many: what is old is likelier to be settled."""
    return [each.item for each in said][-MAX_ITEMS:]
