"""Finds payment cards: by shape, by the first digits and lengths of the networks, and by the check digit."""

import re
from collections.abc import Iterator
from itertools import takewhile

from stdnum import luhn

from domain.redaction.detections import Detection
from domain.redaction.labels import BACK, is_labelled

GAP = r"(?P<gap>[ \u00a0\u2009]?[-./\u2013]?[ \u00a0\u2009]?)"
# 4-4-4-4 and what follows, which may be its last digits or the year; 4-6-5 is American Express, 4-6-4 Diners Club.
GROUPS = (
    rf"\d{{4}}{GAP}(?:\d{{4}}(?P=gap)\d{{4}}(?P=gap)\d{{1,4}}(?:(?P=gap)\d{{1,3}})?|\d{{6}}(?P=gap)\d{{4,5}})"
)
# A digit or letter that touches it, also across a hyphen or a decimal point, makes it another kind of number.
CARD = re.compile(rf"(?<![\w/-])(?<!\d[.,]){GROUPS}(?!\w)")
IBAN_BEGINS = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d\d(?:[ \u00a0-][A-Za-z0-9]{4})*[ \u00a0-]$")
"""In front of a number it makes it the rest of an IBAN, which was mistyped: a right one is found as such."""
LAST_DIGIT = re.compile(r"\d(?![\w-]|[.,]\d)")
CARD_LABEL = re.compile(r"card|visa|amex|american express|karte|carte|tarjeta", re.IGNORECASE)
ENOUGH_DIGITS = re.compile(r"(?:\D*+\d){13}")
NETWORKS = re.compile(
    "|".join(
        [
            r"4(?:\d{12}|\d{15}|\d{18})",  # Visa
            r"(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d*(?<=^\d{16})",  # Mastercard
            r"3[47]\d{13}",  # American Express
            r"3(?:0[0-5]\d|[689]\d\d)\d{10,15}",  # Diners Club
            r"(?:35(?:2[89]|[3-8]\d)|6011|64[4-9]\d|65\d\d|62\d\d|60\d\d|8[12]\d\d|220[0-4])\d{12,15}",
            r"(?:50|5[6-9]|6\d)\d{11,17}",  # Maestro
        ]
    )
)


def find_cards(text: str, before: str = "") -> Iterator[Detection]:
    """Every payment card of a text, which follows the words `before`."""
    if ENOUGH_DIGITS.match(text) is None:
        return
    for match in CARD.finditer(text):
        end = _end(text, match.start(), match.end())
        if end is None or IBAN_BEGINS.search(text, max(0, match.start() - BACK), match.start()):
            continue
        # Ten in a hundred long numbers pass the check digit. Order numbers are written without gaps.
        words = before + text[max(0, match.start() - BACK) : match.start()]
        if match["gap"] or CARD_LABEL.search(words) or not is_labelled(words):
            yield Detection(match.start(), end, "card")


def _end(text: str, start: int, end: int) -> int | None:
    """Where the card that begins at `start` ends; None if it is no card."""
    # Not by `endpos`, which would hide from the pattern what follows the end.
    ends = takewhile(lambda at: at <= end, (last.end() for last in LAST_DIGIT.finditer(text, start)))
    return max((each for each in ends if _is_card(text[start:each])), default=None)


def _is_card(written: str) -> bool:
    digits = "".join(str(int(each)) for each in written if each.isdecimal())
    return NETWORKS.fullmatch(digits) is not None and luhn.is_valid(digits)
