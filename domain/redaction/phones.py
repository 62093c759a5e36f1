"""Finds phone numbers: what `phonenumbers` takes for one, without what the text shows to be something else.

`phonenumbers` takes up to 15 us for a character and a region, so it is given the first numbers of a text only. A text
that holds more than anybody writes loses all further numbers of seven digits: too much is hidden, and nobody waits.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate, takewhile

import phonenumbers
from phonenumbers import Leniency, PhoneNumberMatch, PhoneNumberMatcher

from domain.redaction.detections import Detection
from domain.redaction.labels import BACK, is_labelled, is_labelled_phone

Place = tuple[int, int]
"""The first character and the one behind the last."""
FEWEST = 7
"""Digits of a phone number that can be told from other numbers."""
EXAMINED, EXAMINED_EACH = 800, 120
"""Characters of numbers in one text that `phonenumbers` examines: shared among the regions, and the least for each."""
GAP = (
    r"[-x\u2010-\u2015\u2212\u30fc\uff0d-\uff0f \u00a0\u00ad\u200b\u2060\u3000"
    r"()\uff08\uff09\uff3b\uff3d.\[\]/~\u2053\u223c\uff5e]"
)
RUN = re.compile(rf"[+\uff0b]?\d++(?:{GAP}{{1,4}}+\d++)*+", re.IGNORECASE)
"""Digits with no more between them than `phonenumbers` takes for one number."""
NO_DIGITS = re.compile(r"\D+$")
LEAD, EXTENSION = 12, 40
"""Characters in front of a run and behind it that belong to a number or decide about it: brackets, `ext. 12`."""
ENOUGH_DIGITS = re.compile(rf"(?:\D*+\d){{{FEWEST}}}")
MENTION_OR_LINK = re.compile(r"(?<!\w)@\w+|\bhttps?://\S+")
PLUS = "+\uff0b"
FILLER = "|"
"""No space, or the label in front of a number would reach the next one."""
YEAR = r"(?:19|20)\d\d"
DAY, MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
DATE = re.compile(
    rf"(?<!\d)(?<!\d[./-])(?:(?:{DAY}([./-]){MONTH}\1|{MONTH}([./-]){DAY}\2)(?:{YEAR}|\d\d)"
    rf"|{YEAR}([./-]){MONTH}\3{DAY})(?![./-]?\d)"
)
IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
MONEY_BEFORE = re.compile(
    r"(?:[$\u20ac\u00a3\u20b9\u00a5]|\b(?:rs|inr|usd|eur|gbp|cad|aud|rm|ngn|ksh|kes|zar|chf|sgd|aed))\.? ?$",
    re.IGNORECASE,
)
MONEY_AFTER = re.compile(
    r" ?(?:[$\u20ac\u00a3\u20b9\u00a5%]|(?:usd|eur|gbp|inr|rupees|dollars|euros?|pounds)\b)|,\d|\.\d",
    re.IGNORECASE,
)
PART_BEFORE = re.compile(r"[^\W\d]-?$|\d[-_/.:,]$")
PART_AFTER = re.compile(r"[^\W\d_]*\d|[-_/]\w|_")
"""Letters with a digit behind them, or a hyphen and more."""


def unknown_regions(regions: Sequence[str]) -> list[str]:
    """Those among the regions that are none of the two-letter codes of `phonenumbers`."""
    return [region for region in regions if region not in phonenumbers.SUPPORTED_REGIONS]


def find_phones(text: str, regions: Sequence[str], before: str = "") -> Iterator[Detection]:
    """Every phone number of a text, which follows the words `before`: of these regions, or with its `+`."""
    if ENOUGH_DIGITS.match(text) is None:
        return
    shown = MENTION_OR_LINK.sub(lambda match: " " * len(match.group()), text)
    if ENOUGH_DIGITS.match(shown) is None:
        return
    dates = [match.span() for match in DATE.finditer(shown)]
    runs, rest = _shared_out(_runs(shown), max(EXAMINED // max(1, len(regions)), EXAMINED_EACH))
    yield from (Detection(start, end, "phone") for start, end in rest)
    examined = _only(runs, shown)
    for region in regions if runs else ():
        found = [
            _detection(match)
            for match in _matches(examined, region)
            if _is_phone(match, shown, before, region) and not _overlaps(match, dates)
        ]
        yield from found
        examined, shown = _without(examined, found), _without(shown, found)


_matches = partial(PhoneNumberMatcher, leniency=Leniency.VALID, min_candidate_length=FEWEST)


def _runs(text: str) -> list[Place]:
    """Where digits stand that may be a phone."""
    dateless = DATE.sub(lambda match: FILLER * len(match.group()), text)
    return [
        run.span() for run in RUN.finditer(text) if _may_be_phone(run.group(), dateless[slice(*run.span())])
    ]


def _may_be_phone(run: str, dateless: str) -> bool:
    # What begins with a `+` may be a phone that looks like a date.
    digits = run if run[0] in PLUS else dateless
    return ENOUGH_DIGITS.match(digits) is not None and IP.fullmatch(run) is None


def _shared_out(runs: Sequence[Place], room: int) -> tuple[Sequence[Place], Sequence[Place]]:
    """The first of the runs, which have no more than `room` characters in all, and the rest."""
    lengths = accumulate(end - start for start, end in runs)
    fitting = sum(1 for _ in takewhile(lambda length: length <= room, lengths))
    return runs[:fitting], runs[fitting:]


def _only(runs: Sequence[Place], text: str) -> str:
    """The text at its old length, with nothing but the runs and what stands around them."""
    parts, at = [], 0
    for start, end in runs:
        ahead = NO_DIGITS.search(text[max(0, start - LEAD) : start])
        begin, stop = max(at, start - len(ahead.group()) if ahead else start), min(len(text), end + EXTENSION)
        parts += [FILLER * (begin - at), text[begin:stop]]
        at = max(at, stop)
    return "".join([*parts, FILLER * (len(text) - at)])


def _detection(match: PhoneNumberMatch) -> Detection:
    # `(020 7946 0958)` begins with a bracket that belongs to the sentence.
    is_bracketed = match.raw_string.startswith("(") and ")" not in match.raw_string
    return Detection(match.start + is_bracketed, match.end, "phone")


def _without(text: str, found: Sequence[Detection]) -> str:
    """The text without what was found, at its old length, for the next region: a match takes 0.3 ms."""
    parts, at = [], 0
    for each in found:
        parts += [text[at : each.start], FILLER * (each.end - each.start)]
        at = each.end
    return "".join([*parts, text[at:]])


def _overlaps(match: PhoneNumberMatch, dates: Sequence[tuple[int, int]]) -> bool:
    is_international = match.raw_string.startswith("+")
    return not is_international and any(start < match.end and match.start < end for start, end in dates)


def _is_phone(match: PhoneNumberMatch, text: str, before: str, region: str) -> bool:
    written = match.raw_string
    words = before + text[max(0, match.start - BACK) : match.start]
    if sum(map(str.isdigit, written)) < FEWEST or IP.fullmatch(written):
        return False
    is_written_as_one = written.startswith("+") or ("(" in written and ")" in written) or "(+" in written
    if is_written_as_one or is_labelled_phone(words):
        return True
    return (
        not _is_other_number(words) and not _is_part(words, text, match.end) and _is_grouped(written, region)
    )


def _is_other_number(words: str) -> bool:
    return is_labelled(words) or words.endswith("#") or MONEY_BEFORE.search(words[-8:]) is not None


def _is_part(words: str, text: str, end: int) -> bool:
    """Whether it is a part of a longer number or word, such as `UA6016053916` and `PP-006-234-348`."""
    return (
        PART_BEFORE.search(words[-2:]) is not None
        or PART_AFTER.match(text, end) is not None
        or MONEY_AFTER.match(text, end) is not None
    )


def _is_grouped(written: str, region: str) -> bool:
    """Whether its digits stand together, or in groups as they are written in its country."""
    strict = PhoneNumberMatcher(written, region, leniency=Leniency.STRICT_GROUPING)
    return written.isdigit() or strict.has_next()
