"""Finds IBANs: in groups or without, in any case, of the length of their country and with the right check digits."""

import re
from collections.abc import Iterator
from itertools import takewhile

from stdnum import iban

from domain.redaction.detections import Detection

SHORTEST, LONGEST = 15, 34
# Looked ahead for, so that the words of one candidate may begin the next.
CANDIDATE = re.compile(r"(?<![^\W_])(?=([A-Za-z]{2}\d\d(?:[ \u00a0.-]?[A-Za-z0-9]){11,30}))")
END_OF_WORD = re.compile(r"[A-Za-z0-9](?![^\W_])")


def find_ibans(text: str) -> Iterator[Detection]:
    """Every IBAN of a text."""
    for match in CANDIDATE.finditer(text):
        end = _end(text, *match.span(1))
        if end is not None:
            yield Detection(match.start(), end, "iban")


def _end(text: str, start: int, end: int) -> int | None:
    """Where the IBAN that begins at `start` ends: the next words may look like groups of it."""
    # Not by `endpos`, which would hide from the pattern what follows the end.
    ends = takewhile(lambda at: at <= end, (word.end() for word in END_OF_WORD.finditer(text, start)))
    for at in ends:
        characters = "".join(filter(str.isalnum, text[start:at]))
        # National check digits are left out: a wrong one is no reason to show an account.
        if SHORTEST <= len(characters) <= LONGEST and iban.is_valid(characters, check_country=False):
            return at
    return None
